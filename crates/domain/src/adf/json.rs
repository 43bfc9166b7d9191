//! A document from JSON and back: nothing is refused, nothing is lost.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{
    kind::{Kind, MarkKind},
    node::{Element, Mark, Members, Node},
};
use crate::RawJson;

/// How deep a document is read: deeper than any editor makes one, and far from where a stack ends. What lies deeper is kept
/// unread.
pub(super) const DEPTH: usize = 64;

/// Reads a node. Of a member that is there twice, the last counts, as everywhere.
pub(super) fn read(raw: &RawValue, depth: usize) -> Node {
    match members(raw).filter(|_| depth > 0) {
        Some(members) => Node::Element(element(members, depth)),
        None => Node::Raw(RawJson::from(raw.to_owned())),
    }
}

/// An object's members; `None` of anything else, and of names that are no text (halves of surrogate pairs).
fn members(raw: &RawValue) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(raw.get()).ok().filter(|_| raw.get().starts_with('{'))
}

fn element(members: BTreeMap<String, &RawValue>, depth: usize) -> Element {
    let mut element = Element::new(Kind::Other(String::new()));
    let mut typed = false;
    for (name, value) in members {
        let taken = match name.as_str() {
            "type" => text(value).map(|name| (element.kind, typed) = (Kind::of(&name), true)),
            "text" => text(value).map(|text| element.text = Some(text)),
            "attrs" => owned(value).map(|attrs| element.attrs = Some(attrs)),
            "content" => list(value).map(|nodes| {
                element.content = Some(nodes.into_iter().map(|node| read(node, depth - 1)).collect());
            }),
            "marks" => list(value).map(|marks| element.marks = Some(marks.into_iter().map(mark).collect())),
            _ => None,
        };
        if taken.is_none() {
            element.rest.insert(name, RawJson::from(value.to_owned()));
        }
    }
    // A type that is there and empty is told from one that is not there.
    if typed && element.kind.name().is_empty() {
        element.rest.insert("type".to_owned(), RawJson::from(quoted("")));
    }
    element
}

fn mark(raw: &RawValue) -> Mark {
    let Some(mut rest) = owned(raw) else { return Mark::Raw(RawJson::from(raw.to_owned())) };
    let kind = rest.get("type").and_then(|kind| kind.read::<String>().ok());
    let Some(kind) = kind else { return Mark::Raw(RawJson::from(raw.to_owned())) };
    rest.remove("type");
    let attrs = rest.get("attrs").and_then(|attrs| owned_text(attrs.as_str()));
    if attrs.is_some() {
        rest.remove("attrs");
    }
    Mark::Known { kind: MarkKind::of(&kind), attrs, rest }
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

fn owned(raw: &RawValue) -> Option<Members> {
    owned_text(raw.get())
}

fn owned_text(text: &str) -> Option<Members> {
    serde_json::from_str(text).ok().filter(|_| text.starts_with('{'))
}

fn quoted(text: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(text).expect("a text is JSON")
}

/// Writes a node.
pub(super) fn write(node: &Node, out: &mut String) {
    let element = match node {
        Node::Raw(raw) => return out.push_str(raw.as_str()),
        Node::Element(element) => element,
    };
    let mut object = Object::begin(out);
    if !element.kind.name().is_empty() {
        object.member("type").push_str(quoted(element.kind.name()).get());
    }
    if let Some(attrs) = &element.attrs {
        write_members(attrs, object.member("attrs"));
    }
    if let Some(content) = &element.content {
        write_list(content, object.member("content"), write);
    }
    if let Some(text) = &element.text {
        object.member("text").push_str(quoted(text).get());
    }
    if let Some(marks) = &element.marks {
        write_list(marks, object.member("marks"), write_mark);
    }
    object.rest(&element.rest);
}

fn write_mark(mark: &Mark, out: &mut String) {
    match mark {
        Mark::Raw(raw) => out.push_str(raw.as_str()),
        Mark::Known { kind, attrs, rest } => {
            let mut object = Object::begin(out);
            object.member("type").push_str(quoted(kind.name()).get());
            if let Some(attrs) = attrs {
                write_members(attrs, object.member("attrs"));
            }
            object.rest(rest);
        }
    }
}

fn write_list<T>(items: &[T], out: &mut String, write: fn(&T, &mut String)) {
    out.push('[');
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(']');
}

fn write_members(members: &Members, out: &mut String) {
    Object::begin(out).rest(members);
}

/// An object being written.
struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    /// Where the value of the next member goes.
    fn member(&mut self, name: &str) -> &mut String {
        if !std::mem::take(&mut self.empty) {
            self.out.push(',');
        }
        self.out.push_str(quoted(name).get());
        self.out.push(':');
        self.out
    }

    /// The last members, and the end.
    fn rest(mut self, members: &Members) {
        for (name, value) in members {
            self.member(name).push_str(value.as_str());
        }
        self.out.push('}');
    }
}
