//! What Jira allows where: lists and quotes hold paragraphs, lists and code, tasks hold a line.

use super::super::{
    kind::Kind,
    node::{Element, Node},
};

/// An item of a list, of which it is not yet known what kind it is.
pub(super) struct Item {
    /// Whether it is a task, and done.
    pub(super) task: Option<bool>,
    pub(super) blocks: Vec<Node>,
}

/// Where not every block may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Item,
    Quote,
}

/// A block as an item or a quote may hold it: a heading is a paragraph, a quote its contents, a row of a table a paragraph,
/// a rule nothing. Tasks stay tasks within an item until it is known whether that is one too.
pub(super) fn narrow(node: Node, place: Place) -> Vec<Node> {
    let Node::Element(element) = node else { return Vec::new() };
    match element.kind {
        Kind::Heading => vec![Element::of(Kind::Paragraph, element.content.unwrap_or_default()).node()],
        Kind::Blockquote => element.content.unwrap_or_default(),
        Kind::Table => element.children().iter().filter_map(Node::element).filter_map(row).collect(),
        Kind::Rule => Vec::new(),
        Kind::TaskList if place == Place::Quote => vec![untask(element)],
        _ => vec![element.node()],
    }
}

/// A row as a paragraph, its cells between bars.
fn row(row: &Element) -> Option<Node> {
    let lines = row.children().iter().filter_map(|cell| cell.element()?.children().first()?.element());
    let mut line: Vec<Node> = Vec::new();
    for cell in lines.map(Element::children).filter(|cell| !cell.is_empty()) {
        if !line.is_empty() {
            join(&mut line, " | ");
        }
        let mut cell = cell.iter().cloned();
        match cell.next() {
            Some(Node::Element(first)) if first.kind == Kind::Text && first.marks.is_none() => {
                join(&mut line, first.text().unwrap_or_default());
            }
            first => line.extend(first),
        }
        line.extend(cell);
    }
    (!line.is_empty()).then(|| Element::of(Kind::Paragraph, line).node())
}

/// Adds a plain text to a line.
fn join(line: &mut Vec<Node>, text: &str) {
    match line.last_mut() {
        Some(Node::Element(Element { kind: Kind::Text, text: Some(last), marks: None, .. })) => last.push_str(text),
        _ => line.push(Element::text_of(text.to_owned(), Vec::new()).node()),
    }
}

/// A list: of tasks if each item is one and can be, else of items.
pub(super) fn list(first: Option<u64>, items: Vec<Item>) -> Node {
    if first.is_none() && items.iter().all(is_task) {
        return tasks(items);
    }
    let items = items.into_iter().map(|item| Element::of(Kind::ListItem, started(untasked(item))).node()).collect();
    match first {
        Some(first) => Element::of(Kind::OrderedList, items).with("order", first).node(),
        None => Element::of(Kind::BulletList, items).node(),
    }
}

/// A task is a line, and perhaps a list of tasks below it.
fn is_task(item: &Item) -> bool {
    let below = match &item.blocks[..] {
        [line] => line.is(&Kind::Paragraph),
        [line, below] => line.is(&Kind::Paragraph) && below.is(&Kind::TaskList),
        _ => false,
    };
    item.task.is_some() && below
}

fn tasks(items: Vec<Item>) -> Node {
    let mut nodes = Vec::new();
    for item in items {
        let mut blocks = item.blocks.into_iter();
        if let Some(Node::Element(line)) = blocks.next() {
            let state = if item.task == Some(true) { "DONE" } else { "TODO" };
            let task = Element::of(Kind::TaskItem, line.content.unwrap_or_default());
            nodes.push(task.with("localId", "").with("state", state).node());
        }
        nodes.extend(blocks);
    }
    Element::of(Kind::TaskList, nodes).with("localId", "").node()
}

/// An item's blocks, where it cannot be a task: its box is typed before its text.
pub(super) fn untasked(item: Item) -> Vec<Node> {
    let mut blocks: Vec<Node> = item
        .blocks
        .into_iter()
        .map(|node| match node {
            Node::Element(element) if element.kind == Kind::TaskList => untask(element),
            node => node,
        })
        .collect();
    if let Some(done) = item.task {
        boxed(done, &mut blocks);
    }
    blocks
}

fn boxed(done: bool, blocks: &mut Vec<Node>) {
    let mark = if done { "[x]" } else { "[ ]" };
    let mut line = Vec::new();
    if blocks.first().is_some_and(|block| block.is(&Kind::Paragraph))
        && let Node::Element(first) = blocks.remove(0)
    {
        let mut rest = first.content.unwrap_or_default().into_iter();
        join(&mut line, mark);
        join(&mut line, " ");
        match rest.next() {
            Some(Node::Element(text)) if text.kind == Kind::Text && text.marks.is_none() => {
                join(&mut line, text.text().unwrap_or_default());
            }
            first => line.extend(first),
        }
        line.extend(rest);
    } else {
        join(&mut line, mark);
    }
    blocks.insert(0, Element::of(Kind::Paragraph, line).node());
}

/// A list of tasks as one of items.
fn untask(list: Element) -> Node {
    let mut items: Vec<Vec<Node>> = Vec::new();
    for node in list.content.unwrap_or_default() {
        let Node::Element(element) = node else { continue };
        if element.kind == Kind::TaskList {
            let below = untask(element);
            items.last_mut().into_iter().for_each(|item| item.push(below.clone()));
            continue;
        }
        let done = element.spelled("state").as_deref() == Some("DONE");
        let mut blocks = vec![Element::of(Kind::Paragraph, element.content.unwrap_or_default()).node()];
        boxed(done, &mut blocks);
        items.push(blocks);
    }
    let items = items.into_iter().map(|blocks| Element::of(Kind::ListItem, blocks).node()).collect();
    Element::of(Kind::BulletList, items).node()
}

/// An item's blocks with a paragraph at their head, where they are none or begin with a list.
fn started(mut blocks: Vec<Node>) -> Vec<Node> {
    let starts = blocks.first().is_some_and(|block| block.is(&Kind::Paragraph) || block.is(&Kind::CodeBlock));
    if !starts {
        blocks.insert(0, Element::of(Kind::Paragraph, Vec::new()).node());
    }
    blocks
}

/// Gives tasks and their lists the names that they need within the document: their numbers in it.
pub(super) fn number(nodes: &mut [Node]) {
    let mut last = 0;
    number_from(nodes, &mut last);
}

fn number_from(nodes: &mut [Node], last: &mut u64) {
    for node in nodes {
        let Node::Element(element) = node else { continue };
        if matches!(element.kind, Kind::TaskList | Kind::TaskItem) {
            *last += 1;
            element
                .attrs
                .get_or_insert_default()
                .insert("localId".to_owned(), crate::RawJson::of(&last.to_string()).expect("a text is JSON"));
        }
        number_from(element.content.as_deref_mut().unwrap_or_default(), last);
    }
}
