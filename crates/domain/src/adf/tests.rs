//! What holds for every document, and for every text.

mod examples;
mod made;
mod said;

use proptest::prelude::*;

use super::{Document, Element, Kind, MarkKind, Node, plain_text};
use crate::RawJson;

fn parse(text: &str) -> Document {
    Document::parse(&RawJson::parse(text.to_owned()).expect("valid JSON"))
}

proptest! {
    #[test]
    fn whatever_was_read_is_written(json in made::json()) {
        let json = RawJson::parse(json).expect("valid JSON");
        let document = Document::parse(&json);
        prop_assert_eq!(document.to_json(), json.clone());
        prop_assert_eq!(document.plain_text(), plain_text(&json));
        prop_assert_eq!(Document::parse(&document.to_json()), document.clone());
        let _ = (document.markdown(), document.check("description"));
    }

    #[test]
    fn markdown_says_what_the_document_says(document in said::document()) {
        let markdown = document.markdown();
        let read = Document::from_markdown(&markdown);
        prop_assert!(read == document, "{}\nfrom {}\nto   {}", markdown, document.to_json().as_str(), read.to_json().as_str());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_becomes_what_jira_takes_and_stays(text in made::markdown()) {
        let document = Document::from_markdown(&text);
        prop_assert_eq!(document.check("description"), Ok(()));
        for node in document.nodes() {
            check(node, &Kind::Doc);
        }
        let written = document.markdown();
        let again = Document::from_markdown(&written);
        prop_assert_eq!(again.markdown(), written, "{}", document.to_json().as_str());
    }
}

/// What a block holds, as Jira's schema has it.
fn check(node: &Node, parent: &Kind) {
    let element = node.element().expect("an object");
    let allowed = match parent {
        Kind::Doc => !element.kind().is_inline(),
        Kind::ListItem | Kind::Blockquote => {
            matches!(element.kind(), Kind::Paragraph | Kind::CodeBlock | Kind::BulletList | Kind::OrderedList)
        }
        Kind::BulletList | Kind::OrderedList => *element.kind() == Kind::ListItem,
        Kind::TaskList => matches!(element.kind(), Kind::TaskItem | Kind::TaskList),
        Kind::Table => *element.kind() == Kind::TableRow,
        Kind::TableRow => element.kind().is_cell(),
        Kind::TableHeader | Kind::TableCell => *element.kind() == Kind::Paragraph,
        Kind::CodeBlock => *element.kind() == Kind::Text && element.marks().is_empty(),
        _ => element.kind().is_inline(),
    };
    assert!(allowed, "{} in {}", element.kind().name(), parent.name());
    check_size(element);
    for child in element.children() {
        check(child, element.kind());
    }
}

fn check_size(element: &Element) {
    match element.kind() {
        Kind::Text => {
            assert!(element.text().is_some_and(|text| !text.is_empty()));
            let marks: Vec<_> = element.marks().iter().map(|mark| mark.kind().expect("a type")).collect();
            assert!(
                !marks.contains(&&MarkKind::Code)
                    || marks.iter().all(|mark| matches!(mark, MarkKind::Code | MarkKind::Link))
            );
        }
        Kind::ListItem => {
            let first = element.children().first().and_then(Node::element).map(Element::kind);
            assert!(matches!(first, Some(Kind::Paragraph | Kind::CodeBlock)));
        }
        Kind::TaskList => {
            let first = element.children().first().and_then(Node::element).map(Element::kind);
            assert_eq!(first, Some(&Kind::TaskItem));
        }
        Kind::Blockquote | Kind::Table | Kind::BulletList | Kind::OrderedList => {
            assert!(!element.children().is_empty());
        }
        _ => {}
    }
}
