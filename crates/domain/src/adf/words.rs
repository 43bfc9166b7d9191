//! The words of a document: what a search index or a person wants of it.

use std::borrow::Cow;

use chrono::DateTime;
use serde_json::value::RawValue;

use super::{
    json::DEPTH,
    kind::Kind,
    node::{Element, Node, spelled},
};
use crate::{
    RawJson,
    walk::{Quoted, Walk},
};

/// The words of a document in JSON; see [`Document::plain_text`](super::Document::plain_text). Nothing is built on the way,
/// so this is the road for millions of them.
pub fn plain_text(document: &RawJson) -> String {
    let text = document.as_str();
    if text.starts_with('"') {
        return wiki(document);
    }
    let mut words = Words::default();
    if let Some(root) = Unbuilt::read(&mut Walk::over(text), DEPTH) {
        root.walk(&Kind::Doc, &mut words);
    }
    words.finish()
}

pub(super) fn of(root: &Node) -> String {
    match root {
        Node::Raw(raw) => wiki(raw),
        Node::Element(element) => {
            let mut words = Words::default();
            walk(element, &Kind::Doc, &mut words);
            words.finish()
        }
    }
}

/// Wiki text is words already.
fn wiki(raw: &RawJson) -> String {
    raw.read::<String>().map(|text| text.trim_end().to_owned()).unwrap_or_default()
}

/// What of a node has words in it.
#[derive(Default)]
struct Unbuilt<'t> {
    kind: Option<Quoted<'t>>,
    text: Option<Quoted<'t>>,
    attrs: Option<&'t str>,
    content: Option<Vec<Unbuilt<'t>>>,
}

impl<'t> Unbuilt<'t> {
    /// The node here; nothing of anything else, or where it nests too deep.
    fn read(walk: &mut Walk<'t>, depth: usize) -> Option<Self> {
        if depth == 0 || walk.next() != Some(b'{') {
            walk.skip();
            return None;
        }
        let mut node = Self::default();
        walk.object(|walk, name| match name.plain().as_ref() {
            "type" => node.kind = walk.text(),
            "text" => node.text = walk.text(),
            "attrs" => node.attrs = Some(walk.skip()),
            "content" => node.content = Self::list(walk, depth - 1),
            _ => {
                walk.skip();
            }
        });
        Some(node)
    }

    fn list(walk: &mut Walk<'t>, depth: usize) -> Option<Vec<Self>> {
        if walk.next() != Some(b'[') {
            walk.skip();
            return None;
        }
        let mut nodes = Vec::new();
        walk.list(|walk| nodes.extend(Self::read(walk, depth)));
        Some(nodes)
    }

    fn walk(&self, parent: &Kind, words: &mut Words) {
        let kind = Kind::of(self.kind.and_then(meant).as_deref().unwrap_or_default());
        let line = is_line(&kind, parent, self.content.is_some());
        let said = self.text.and_then(meant);
        words.open(&kind, line, said.as_deref(), &|name| attribute(self.attrs?, name));
        for child in self.content.iter().flatten() {
            child.walk(&kind, words);
        }
        words.close(&kind, line);
    }
}

/// What a text means; nothing where it is no text, as half of a surrogate pair is none.
fn meant(quoted: Quoted<'_>) -> Option<Cow<'_, str>> {
    if quoted.escaped { serde_json::from_str(quoted.written).ok() } else { Some(quoted.plain()) }
}

fn attribute(attrs: &str, name: &str) -> Option<String> {
    let attrs: std::collections::BTreeMap<String, &RawValue> = serde_json::from_str(attrs).ok()?;
    spelled(attrs.get(name)?.get())
}

fn walk(element: &Element, parent: &Kind, words: &mut Words) {
    let line = is_line(&element.kind, parent, element.content.is_some());
    words.open(&element.kind, line, element.text(), &|name| element.spelled(name));
    for child in element.children().iter().filter_map(Node::element) {
        walk(child, &element.kind, words);
    }
    words.close(&element.kind, line);
}

/// Whether a node stands on lines of its own. One that nobody knows does if it holds others and is not within a line.
fn is_line(kind: &Kind, parent: &Kind, holds: bool) -> bool {
    match kind {
        Kind::Other(_) => holds && !parent.holds_inline(),
        Kind::Media => parent != &Kind::Paragraph,
        Kind::Rule | Kind::Table | Kind::TableRow | Kind::BlockCard | Kind::EmbedCard | Kind::Extension => true,
        Kind::Expand | Kind::NestedExpand => true,
        kind => kind.holds_inline(),
    }
}

/// What a leaf says.
pub(super) fn said(kind: &Kind, text: Option<&str>, attr: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let filled = |name: &str| attr(name).filter(|value| !value.is_empty());
    match kind {
        Kind::Text => text.map(str::to_owned),
        Kind::Mention => {
            let name = filled("text").or_else(|| filled("id"))?;
            Some(if name.starts_with('@') { name } else { format!("@{name}") })
        }
        Kind::Emoji => filled("text").or_else(|| filled("shortName")),
        Kind::Date => filled("timestamp").map(|timestamp| day(&timestamp).unwrap_or(timestamp)),
        Kind::InlineCard | Kind::BlockCard | Kind::EmbedCard => filled("url"),
        Kind::Media | Kind::MediaInline => filled("alt"),
        Kind::Expand | Kind::NestedExpand => filled("title"),
        Kind::Status | Kind::Placeholder | Kind::Extension | Kind::InlineExtension => filled("text"),
        _ => None,
    }
}

/// The day of epoch milliseconds, `2026-02-01`.
fn day(milliseconds: &str) -> Option<String> {
    let instant = DateTime::from_timestamp_millis(milliseconds.parse().ok()?)?;
    Some(instant.date_naive().to_string())
}

/// Words being put together.
#[derive(Default)]
struct Words {
    out: String,
    /// How many cells of tables we are within: there, everything is one line.
    cells: usize,
    /// Whether the next cell is its row's first.
    first: bool,
}

impl Words {
    fn open(&mut self, kind: &Kind, line: bool, text: Option<&str>, attr: &dyn Fn(&str) -> Option<String>) {
        if line {
            self.end_line();
        }
        match kind {
            Kind::Text => self.push(text.unwrap_or_default()),
            Kind::HardBreak => self.push("\n"),
            Kind::TaskItem => self.push(if attr("state").as_deref() == Some("DONE") { "[x] " } else { "[ ] " }),
            Kind::TableRow => self.first = true,
            Kind::TableHeader | Kind::TableCell => self.open_cell(),
            _ => self.push(&said(kind, text, attr).unwrap_or_default()),
        }
        // A title stands above what it is the title of.
        if matches!(kind, Kind::Expand | Kind::NestedExpand) {
            self.end_line();
        }
    }

    fn close(&mut self, kind: &Kind, line: bool) {
        if kind.is_cell() {
            self.out.truncate(self.out.trim_end_matches(' ').len());
            self.cells = self.cells.saturating_sub(1);
        }
        if line {
            self.end_line();
        }
    }

    fn open_cell(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.out.push('\t');
        }
        self.cells += 1;
    }

    fn push(&mut self, text: &str) {
        if self.cells == 0 {
            self.out.push_str(text);
        } else {
            self.out.extend(text.chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }));
        }
    }

    fn end_line(&mut self) {
        let (end, ended): (char, &[char]) = if self.cells == 0 { ('\n', &['\n']) } else { (' ', &['\n', '\t', ' ']) };
        if !self.out.is_empty() && !self.out.ends_with(ended) {
            self.out.push(end);
        }
    }

    fn finish(mut self) -> String {
        self.out.truncate(self.out.trim_end().len());
        self.out
    }
}
