//! Documents that Markdown can say, made at random.

use proptest::{collection::vec, option, prelude::*};

use super::made::text;
use crate::adf::{Document, Kind, Mark, MarkKind, Node, node::Element, reader};

/// A document that Markdown can say: whatever is read from Markdown is one.
pub(super) fn document() -> impl Strategy<Value = Document> {
    let narrow = prop_oneof![4 => paragraph(), 1 => code_block(), 2 => list()].boxed();
    let block = prop_oneof![
        4 => narrow.clone(),
        1 => (1..=6u8, line(false)).prop_map(|(level, line)| Element::of(Kind::Heading, line).with("level", level).node()),
        1 => vec(narrow, 1..3).prop_map(|blocks| Element::of(Kind::Blockquote, blocks).node()),
        1 => Just(Element::new(Kind::Rule).node()),
        1 => table(),
        1 => tasks(),
    ];
    vec(block, 0..5).prop_map(|nodes| Document { root: reader::root(nodes) })
}

fn paragraph() -> impl Strategy<Value = Node> + Clone {
    line(false).prop_map(|line| Element::of(Kind::Paragraph, line).node()).boxed()
}

fn code_block() -> impl Strategy<Value = Node> + Clone {
    let code = prop_oneof![Just(String::new()), "[a`~\n\t ]{1,9}", text().prop_map(|text| text.replace('\r', ""))];
    (option::of("[a-z+#]{1,6}"), code)
        .prop_map(|(language, code)| {
            let text = (!code.is_empty()).then(|| Element::text_of(code, Vec::new()).node());
            let block = Element::of(Kind::CodeBlock, text.into_iter().collect());
            language.into_iter().fold(block, |block, language| block.with("language", language)).node()
        })
        .boxed()
}

fn list() -> impl Strategy<Value = Node> + Clone {
    let leaf = prop_oneof![4 => paragraph(), 1 => code_block()].boxed();
    leaf.prop_recursive(4, 16, 3, |inner| {
        let blocks = vec(inner, 0..3).prop_map(|mut blocks| {
            let starts = blocks.first().is_some_and(|block| block.is(&Kind::Paragraph) || block.is(&Kind::CodeBlock));
            if !starts {
                blocks.insert(0, Element::of(Kind::Paragraph, Vec::new()).node());
            }
            Element::of(Kind::ListItem, blocks).node()
        });
        let first = prop_oneof![2 => Just(None), 1 => Just(Some(1)), 1 => (0..=999_999_999u64).prop_map(Some)];
        (first, vec(blocks, 1..4)).prop_map(|(first, items)| match first {
            Some(first) => Element::of(Kind::OrderedList, items).with("order", first).node(),
            None => Element::of(Kind::BulletList, items).node(),
        })
    })
    .boxed()
}

fn tasks() -> impl Strategy<Value = Node> + Clone {
    let task = (any::<bool>(), line(false))
        .prop_map(|(done, line)| {
            let state = if done { "DONE" } else { "TODO" };
            Element::of(Kind::TaskItem, line).with("localId", "").with("state", state).node()
        })
        .boxed();
    let list = |items: Vec<Node>| Element::of(Kind::TaskList, items).with("localId", "").node();
    vec(task.clone(), 1..4)
        .prop_map(list)
        .prop_recursive(3, 9, 3, move |inner| {
            (vec((task.clone(), option::of(inner)), 1..3)).prop_map(move |items| {
                list(items.into_iter().flat_map(|(task, below)| [task].into_iter().chain(below)).collect())
            })
        })
        .boxed()
}

fn table() -> impl Strategy<Value = Node> {
    (1..4usize, 0..3usize)
        .prop_flat_map(|(columns, rows)| {
            let cell = prop_oneof![4 => line(true), 1 => Just(Vec::new())]
                .prop_map(|line| Element::of(Kind::Paragraph, line).node());
            vec(vec(cell, columns), rows + 1)
        })
        .prop_map(|rows| {
            let rows = rows.into_iter().enumerate().map(|(n, cells)| {
                let kind = if n == 0 { Kind::TableHeader } else { Kind::TableCell };
                let cells = cells.into_iter().map(|cell| Element::of(kind.clone(), vec![cell]).node()).collect();
                Element::of(Kind::TableRow, cells).node()
            });
            Element::of(Kind::Table, rows.collect()).node()
        })
}

/// Texts with marks, code and hard breaks; such neighbours as would be one are one.
fn line(in_cell: bool) -> BoxedStrategy<Vec<Node>> {
    let link =
        option::weighted(0.2, (prop_oneof![Just("https://a.b/c_d?e=1&f=(2)".to_owned()), text()], option::of(text())))
            .prop_map(|link| link.filter(|(href, _)| !href.is_empty()));
    let marks = (link, any::<(bool, bool, bool)>(), 0..8u8);
    vec((marks, text()), 1..6)
        .prop_map(move |pieces| {
            let mut nodes: Vec<Element> = Vec::new();
            for ((link, styles, sort), text) in pieces {
                let link = link.map(|(href, title)| Mark::link(&href, &title.unwrap_or_default()));
                match sort {
                    0 => nodes.push(Element::new(Kind::HardBreak)),
                    1 => add(
                        &mut nodes,
                        &code_of(&text, in_cell),
                        link.into_iter().chain([Mark::plain(MarkKind::Code)]).collect(),
                    ),
                    2 | 3 => add(&mut nodes, &text, link.into_iter().collect()),
                    _ => {
                        let chosen =
                            [(styles.0, MarkKind::Strong), (styles.1, MarkKind::Em), (styles.2, MarkKind::Strike)];
                        let styles: Vec<Mark> =
                            chosen.into_iter().filter(|(on, _)| *on).map(|(_, kind)| Mark::plain(kind)).collect();
                        // Blanks at the sides have no style.
                        let text = if styles.is_empty() { &text[..] } else { text.trim() };
                        add(&mut nodes, text, link.into_iter().chain(styles).collect());
                    }
                }
            }
            let is_break = |node: &Element| *node.kind() == Kind::HardBreak;
            while nodes.last().is_some_and(is_break) {
                nodes.pop();
            }
            let start = nodes.iter().take_while(|node| is_break(node)).count();
            nodes.drain(..start);
            nodes.into_iter().map(Element::node).collect::<Vec<_>>()
        })
        .prop_filter("something", |line| !line.is_empty())
        .boxed()
}

fn code_of(text: &str, in_cell: bool) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if in_cell { text.replace('\\', "/") } else { text }
}

fn add(nodes: &mut Vec<Element>, text: &str, marks: Vec<Mark>) {
    match nodes.last_mut() {
        _ if text.is_empty() => {}
        Some(Element { kind: Kind::Text, text: Some(last), marks: same, .. })
            if same.as_deref().unwrap_or_default() == marks =>
        {
            last.push_str(text);
        }
        _ => nodes.push(Element::text_of(text.to_owned(), marks)),
    }
}
