//! Documents as people write them.

use super::{Document, parse};
use crate::{RawJson, adf::plain_text};

fn words(json: &str) -> String {
    let raw = RawJson::parse(json.to_owned()).expect("valid JSON");
    let words = plain_text(&raw);
    assert_eq!(Document::parse(&raw).plain_text(), words, "both roads lead to the same words");
    words
}

/// A document around blocks.
fn doc(blocks: &str) -> String {
    format!(r#"{{"version":1,"type":"doc","content":[{blocks}]}}"#)
}

fn markdown(blocks: &str) -> String {
    parse(&doc(blocks)).markdown()
}

fn adf(markdown: &str) -> String {
    let document = Document::from_markdown(markdown);
    assert_eq!(document.check("description"), Ok(()));
    let json = document.to_json();
    let blocks = json.as_str().strip_prefix(r#"{"type":"doc","content":["#).expect("a document");
    blocks.strip_suffix(r#"],"version":1}"#).expect("of version 1").to_owned()
}

const TABLE: &str = r#"{"type":"table","attrs":{"layout":"default"},"content":[
    {"type":"tableRow","content":[
        {"type":"tableHeader","content":[{"type":"paragraph","content":[{"type":"text","text":"Größe"}]}]},
        {"type":"tableHeader","attrs":{"colspan":1},"content":[{"type":"paragraph"}]},
        {"type":"tableHeader","content":[{"type":"paragraph","content":[{"type":"text","text":"x|y"}]}]}]},
    {"type":"tableRow","content":[
        {"type":"tableCell","content":[{"type":"paragraph","content":[{"type":"text","text":"1"}]},{"type":"paragraph","content":[{"type":"text","text":"2"}]}]},
        {"type":"tableCell","content":[{"type":"bulletList","content":[{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"3"}]}]}]}]},
        {"type":"tableCell","content":[]}]}]}"#;

const LEAVES: &str = r#"{"type":"paragraph","content":[
    {"type":"mention","attrs":{"id":"a1","text":"@Mia","accessLevel":""}},{"type":"text","text":" "},
    {"type":"mention","attrs":{"id":"a2","text":"Bo"}},{"type":"text","text":" "},{"type":"mention","attrs":{"id":"a3"}},{"type":"text","text":" "},
    {"type":"emoji","attrs":{"shortName":":smile:","id":"1f604","text":"😄"}},{"type":"emoji","attrs":{"shortName":":acme:","text":""}},
    {"type":"hardBreak"},{"type":"date","attrs":{"timestamp":"1769904000000"}},{"type":"text","text":" "},
    {"type":"date","attrs":{"timestamp":1769904000000}},{"type":"text","text":" "},{"type":"date","attrs":{"timestamp":"soon"}},{"type":"text","text":" "},
    {"type":"status","attrs":{"text":"late","color":"red"}},{"type":"text","text":" "},
    {"type":"inlineCard","attrs":{"url":"https://acme.atlassian.net/browse/ACME-1"}}]}"#;

#[test]
fn blocks_become_lines() {
    let blocks = r#"{"type":"heading","content":[{"type":"text","text":"Größe"}]},
        {"type":"paragraph","content":[{"type":"text","text":"a"},{"type":"hardBreak"},{"type":"mention","attrs":{"text":"@Mia"}}]},
        {"type":"panel","content":[{"type":"brandNew","content":[{"type":"text","text":"kept"}]}]},
        {"type":"expand","attrs":{"title":"More"},"content":[{"type":"paragraph","content":[{"type":"text","text":"b"}]}]},
        {"type":"mediaSingle","content":[{"type":"media","attrs":{"id":"m","type":"file","alt":"a plan"}}]},
        {"type":"mediaSingle","content":[{"type":"media","attrs":{"id":"m","type":"file"}}]},
        {"type":"blockCard","attrs":{"url":"https://a.b"}},{"type":"rule"},
        {"type":"codeBlock","attrs":{"language":"rust"},"content":[{"type":"text","text":"fn a() {\n}"}]}"#;
    assert_eq!(words(&doc(blocks)), "Größe\na\n@Mia\nkept\nMore\nb\na plan\nhttps://a.b\nfn a() {\n}");
}

#[test]
fn leaves_say_what_a_person_sees() {
    let said = "@Mia @Bo @a3 😄:acme:\n2026-02-01 2026-02-01 soon late https://acme.atlassian.net/browse/ACME-1";
    assert_eq!(words(&doc(LEAVES)), said);
    let link = "[https://acme.atlassian.net/browse/ACME-1](https://acme.atlassian.net/browse/ACME-1)";
    let written = format!("@Mia @Bo @a3 😄:acme:\\\n2026-02-01 2026-02-01 soon late {link}");
    assert_eq!(markdown(LEAVES), written);
}

#[test]
fn cells_stand_between_tabs() {
    assert_eq!(words(&doc(TABLE)), "Größe\t\tx|y\n1 2\t3");
    assert_eq!(markdown(TABLE), "| Größe |  | x&#124;y |\n| --- | --- | --- |\n| 1<br>2 | 3 |  |");
}

#[test]
fn tasks_tell_their_state() {
    let tasks = r#"{"type":"taskList","attrs":{"localId":"1"},"content":[
        {"type":"taskItem","attrs":{"localId":"2","state":"DONE"},"content":[{"type":"text","text":"a"}]},
        {"type":"taskList","attrs":{"localId":"3"},"content":[
            {"type":"taskItem","attrs":{"localId":"4","state":"TODO"},"content":[{"type":"text","text":"b"}]}]}]}"#;
    assert_eq!(words(&doc(tasks)), "[x] a\n[ ] b");
    assert_eq!(markdown(tasks), "- [x] a\n  - [ ] b");
    assert_eq!(parse(&doc(tasks)), Document::from_markdown("- [x] a\n  - [ ] b"));
}

#[test]
fn wiki_text_stays() {
    assert_eq!(words("\"h1. *old*\""), "h1. *old*");
    let old = parse(r#""h1. *old*\nline\r\n\r\n# one""#);
    assert_eq!(old.markdown(), "h1. \\*old\\*\\\nline\n\n\\# one");
    assert_eq!(old.to_json().as_str(), r#""h1. *old*\nline\r\n\r\n# one""#);
    assert!(old.nodes().is_empty());
}

#[test]
fn what_is_no_document_has_no_words() {
    for json in ["null", "3", "[]", r#"[{"type":"text","text":"x"}]"#, "{}", r#"{"content":7}"#, r#""\ud800""#] {
        assert_eq!(words(json), "", "{json}");
        assert_eq!(parse(json).markdown(), "", "{json}");
    }
}

#[test]
fn no_nesting_is_too_deep_for_the_stack() {
    let depth = 20_000;
    let (open, close) = (r#"{"type":"panel","content":["#, "]}");
    let deep = format!("{}{}", open.repeat(depth), close.repeat(depth));
    let raw = RawJson::parse(deep.clone()).expect("valid JSON");
    let document = Document::parse(&raw);
    assert_eq!(document.to_json().as_str().len(), deep.len());
    assert_eq!((document.plain_text(), plain_text(&raw), document.markdown()), Default::default());
    for part in ["- ", "> ", "1. ", "[", "**a ", "- [ ] a\n "] {
        let document = Document::from_markdown(&(part.repeat(2_000) + "x"));
        assert!(document.markdown().contains('x') && document.plain_text().contains('x'), "{part}");
    }
}

#[test]
fn markdown_becomes_blocks() {
    assert_eq!(
        adf("Title\n=====\n\na *b* **c** ~~d~~ `e`\n[f](https://g.h \"t\")"),
        concat!(
            r#"{"type":"heading","attrs":{"level":1},"content":[{"type":"text","text":"Title"}]},{"type":"paragraph","content":["#,
            r#"{"type":"text","text":"a "},{"type":"text","text":"b","marks":[{"type":"em"}]},{"type":"text","text":" "},"#,
            r#"{"type":"text","text":"c","marks":[{"type":"strong"}]},{"type":"text","text":" "},"#,
            r#"{"type":"text","text":"d","marks":[{"type":"strike"}]},{"type":"text","text":" "},"#,
            r#"{"type":"text","text":"e","marks":[{"type":"code"}]},{"type":"text","text":" "},"#,
            r#"{"type":"text","text":"f","marks":[{"type":"link","attrs":{"href":"https://g.h","title":"t"}}]}]}"#
        )
    );
    assert_eq!(
        adf("```rust title\nlet a = 1;\n\n```\n\n    b\n\n---"),
        concat!(
            r#"{"type":"codeBlock","attrs":{"language":"rust"},"content":[{"type":"text","text":"let a = 1;\n"}]},"#,
            r#"{"type":"codeBlock","content":[{"type":"text","text":"b"}]},{"type":"rule"}"#
        )
    );
}

#[test]
fn what_jira_does_not_allow_somewhere_becomes_what_comes_nearest() {
    let paragraph = |text: &str| format!(r#"{{"type":"paragraph","content":[{{"type":"text","text":"{text}"}}]}}"#);
    let quote = |inside: &str| format!(r#"{{"type":"blockquote","content":[{inside}]}}"#);
    assert_eq!(adf("> # a\n>\n> > b\n>\n> ---"), quote(&format!("{},{}", paragraph("a"), paragraph("b"))));
    let bullets =
        |inside: &str| format!(r#"{{"type":"bulletList","content":[{{"type":"listItem","content":[{inside}]}}]}}"#);
    let empty = r#"{"type":"paragraph","content":[]}"#;
    assert_eq!(adf("- - a"), bullets(&format!("{empty},{}", bullets(&paragraph("a")))));
    assert_eq!(adf("- | a | b |\n  |---|---|"), bullets(&paragraph("a | b")));
    assert_eq!(adf("- [ ] a\n\n  b"), bullets(&format!("{},{}", paragraph("[ ] a"), paragraph("b"))));
    assert_eq!(adf("<b>a</b>"), paragraph("<b>a</b>"));
    let picture =
        r#"{"type":"paragraph","content":[{"type":"text","text":"a","marks":[{"type":"link","attrs":{"href":"b"}}]}]}"#;
    assert_eq!(adf("![a](b)"), picture);
}

#[test]
fn markdown_is_written_as_a_person_would() {
    for text in [
        "# A heading\n\nWords, **strong _and_ more** with snake_case & 1 < 2.",
        "- a\n- b\n  1. c\n  2. d\n- e",
        "- [ ] a\n- [x] b\n\n> said\n>\n> twice",
        "| a | b |\n| --- | --- |\n| `c` | [d](https://e.f/g_h) |",
        "```sh\nls *\n```\n\n---\n\nthe end",
        "one\n\n- a\n\n* b\n\n1. c\n\n1) d",
    ] {
        assert_eq!(Document::from_markdown(text).markdown(), text.replace("1 < 2", "1 \\< 2"));
    }
}

#[test]
fn what_jira_would_refuse_is_told_beforehand() {
    let refused = |json: &str| parse(json).check("description").expect_err("refused").to_string();
    assert!(refused("\"text\"").starts_with("description must be an Atlassian document"));
    assert!(refused(r#"{"type":"doc","content":[]}"#).contains("version 1"));
    let paragraph = |text: &str| doc(&format!(r#"{{"type":"paragraph","content":[{text}]}}"#));
    assert!(refused(&paragraph(r#"{"type":"text","text":""}"#)).contains("empty texts"));
    let marks = r#"{"type":"text","text":"x","marks":[{"type":"code"},{"type":"strong"}]}"#;
    assert!(refused(&paragraph(marks)).contains("code"));
    let text = |length: usize| paragraph(&format!(r#"{{"type":"text","text":"{}"}}"#, "ß".repeat(length)));
    assert_eq!(parse(&text(Document::LONGEST)).check("description"), Ok(()));
    assert_eq!(
        refused(&text(Document::LONGEST + 1)),
        "description must have at most 32767 characters of text, and has 32768"
    );
}
