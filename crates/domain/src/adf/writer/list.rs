//! Lists in Markdown.

use super::{Blocks, Place, line};
use crate::adf::{
    kind::Kind,
    node::{Element, Node},
};

/// Lists whose markers run into each other when they follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Bullet,
    Ordered,
}

impl Family {
    pub(super) fn of(kind: &Kind) -> Self {
        if *kind == Kind::OrderedList { Self::Ordered } else { Self::Bullet }
    }
}

/// A list number has at most nine digits.
const LARGEST: u64 = 999_999_999;

/// A list, with the first or the second of its two kinds of markers.
pub(super) fn list(list: &Element, second: bool) -> String {
    let first = list.read::<u64>("order").unwrap_or(1);
    let tight = is_tight(list);
    let mut items: Vec<String> = Vec::new();
    for node in list.children() {
        // A list below a task stands beside it.
        if let Node::Element(inner) = node
            && inner.kind == Kind::TaskList
            && !items.is_empty()
        {
            below(inner, tight, &mut items);
            continue;
        }
        let number = first.saturating_add(items.len() as u64).min(LARGEST);
        let marker = match (Family::of(&list.kind), second) {
            (Family::Bullet, false) => "-".to_owned(),
            (Family::Bullet, true) => "*".to_owned(),
            (Family::Ordered, false) => format!("{number}."),
            (Family::Ordered, true) => format!("{number})"),
        };
        items.push(entry(node, &marker, tight));
    }
    items.join(if tight { "\n" } else { "\n\n" })
}

fn entry(node: &Node, marker: &str, tight: bool) -> String {
    let (content, begins_with_list) = content(node, tight);
    if content.is_empty() {
        return marker.to_owned();
    }
    let content = indented(&content, marker.len() + 1);
    // A list begins on a line of its own: `- - -` would be a rule.
    if begins_with_list { format!("{marker}\n{content}") } else { format!("{marker}{}", &content[marker.len()..]) }
}

/// What is in an item, and whether it begins with a list.
fn content(node: &Node, tight: bool) -> (String, bool) {
    let children = node.element().map_or(&[][..], Element::children);
    let mut blocks = Blocks::default();
    match node.element().map(Element::kind) {
        Some(Kind::TaskItem) => {
            let done = node.element().and_then(|task| task.spelled("state")).as_deref() == Some("DONE");
            let text = line(children, Place::Paragraph);
            let text = format!("{} {text}", if done { "[x]" } else { "[ ]" });
            return (text.trim_end().to_owned(), false);
        }
        Some(Kind::DecisionItem) => return (line(children, Place::Paragraph), false),
        Some(Kind::ListItem) => blocks.add(children),
        // What should not be in a list, and is.
        _ => blocks.add(std::slice::from_ref(node)),
    }
    (blocks.done.join(if tight { "\n" } else { "\n\n" }), blocks.begins_with_list)
}

/// Puts a list below the last item.
fn below(inner: &Element, tight: bool, items: &mut [String]) {
    let text = list(inner, false);
    if let Some(last) = items.last_mut().filter(|_| !text.is_empty()) {
        last.push_str(if tight { "\n" } else { "\n\n" });
        last.push_str(&indented(&text, 2));
    }
}

fn indented(text: &str, by: usize) -> String {
    let indent = " ".repeat(by);
    let lines = text.split('\n').map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether a list needs no blank lines: each item is a paragraph and, at most, a list that is such a one too.
fn is_tight(list: &Element) -> bool {
    list.children().iter().all(|node| match node.element() {
        Some(task) if matches!(task.kind, Kind::TaskItem | Kind::DecisionItem) => true,
        Some(below) if below.kind == Kind::TaskList => is_tight(below),
        Some(item) if item.kind == Kind::ListItem => match item.children() {
            [] => true,
            [Node::Element(one)] => one.kind == Kind::Paragraph,
            [Node::Element(one), Node::Element(two)] => {
                one.kind == Kind::Paragraph && is_list(&two.kind) && is_tight(two) && (is_empty(one) || interrupts(two))
            }
            _ => false,
        },
        _ => false,
    })
}

/// Whether a list may follow a paragraph without a blank line: it begins with a text, and with 1 if it is numbered.
fn interrupts(list: &Element) -> bool {
    let first = list.children().first().and_then(Node::element).and_then(|item| item.children().first());
    let begins = first.and_then(Node::element).is_some_and(|block| block.kind == Kind::Paragraph && !is_empty(block));
    let counts = Family::of(&list.kind) == Family::Bullet || list.read::<u64>("order").unwrap_or(1) == 1;
    begins && counts
}

fn is_empty(block: &Element) -> bool {
    block.kind == Kind::Paragraph && line(block.children(), Place::Paragraph).is_empty()
}

fn is_list(kind: &Kind) -> bool {
    matches!(kind, Kind::BulletList | Kind::OrderedList | Kind::TaskList | Kind::DecisionList)
}
