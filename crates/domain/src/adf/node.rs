//! The tree of a document: nodes and marks, each with everything that was said about it.
//!
//! Attributes stay the JSON they came as and are read when they are asked for, so that no reading can lose one.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::kind::{Kind, MarkKind};
use crate::RawJson;

/// An object's members, unread.
pub(super) type Members = BTreeMap<String, RawJson>;

/// One node of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// An object, whatever its type.
    Element(Element),
    /// What is no object, or lies deeper than documents are read: kept as it is.
    Raw(RawJson),
}

/// A node that is an object. Two are equal when they say the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    pub(super) kind: Kind,
    pub(super) text: Option<String>,
    pub(super) attrs: Option<Members>,
    pub(super) content: Option<Vec<Node>>,
    pub(super) marks: Option<Vec<Mark>>,
    /// Members that have no place above, among them known ones of another type than they should be.
    pub(super) rest: Members,
}

/// How a text looks, or what it leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// An object with a type, whichever it is.
    Known {
        /// Its type.
        kind: MarkKind,
        /// Its attributes, unread.
        attrs: Option<BTreeMap<String, RawJson>>,
        /// Its other members, unread.
        rest: BTreeMap<String, RawJson>,
    },
    /// Of another shape: kept as it is.
    Raw(RawJson),
}

impl Node {
    /// The node as an object.
    pub fn element(&self) -> Option<&Element> {
        match self {
            Self::Element(element) => Some(element),
            Self::Raw(_) => None,
        }
    }

    pub(super) fn is(&self, kind: &Kind) -> bool {
        self.element().is_some_and(|element| element.kind == *kind)
    }
}

impl Element {
    /// A node with nothing in it.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, text: None, attrs: None, content: None, marks: None, rest: Members::new() }
    }

    /// A node with others in it.
    pub(super) fn of(kind: Kind, content: Vec<Node>) -> Self {
        Self { content: Some(content), ..Self::new(kind) }
    }

    /// A text; no marks are written as none at all.
    pub(super) fn text_of(text: String, marks: Vec<Mark>) -> Self {
        let marks = Some(marks).filter(|marks| !marks.is_empty());
        Self { text: Some(text), marks, ..Self::new(Kind::Text) }
    }

    /// The same with one attribute more.
    pub(super) fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.attrs.get_or_insert_default().insert(name.to_owned(), json(value));
        self
    }

    pub(super) fn node(self) -> Node {
        Node::Element(self)
    }

    /// What it is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The nodes in it.
    pub fn children(&self) -> &[Node] {
        self.content.as_deref().unwrap_or_default()
    }

    /// The text of a text node.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The marks on it.
    pub fn marks(&self) -> &[Mark] {
        self.marks.as_deref().unwrap_or_default()
    }

    /// An attribute, unread.
    pub fn attr(&self, name: &str) -> Option<&RawJson> {
        self.attrs.as_ref()?.get(name)
    }

    /// An attribute that is a text, or a number as it is spelled.
    pub(super) fn spelled(&self, name: &str) -> Option<String> {
        spelled(self.attr(name)?.as_str())
    }

    /// An attribute, if it is of this type.
    pub(super) fn read<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Option<T> {
        self.attr(name)?.read().ok()
    }
}

impl Mark {
    pub(super) fn plain(kind: MarkKind) -> Self {
        Self::Known { kind, attrs: None, rest: Members::new() }
    }

    pub(super) fn link(href: &str, title: &str) -> Self {
        let mut attrs = Members::from([("href".to_owned(), json(href))]);
        if !title.is_empty() {
            attrs.insert("title".to_owned(), json(title));
        }
        Self::Known { kind: MarkKind::Link, attrs: Some(attrs), rest: Members::new() }
    }

    /// Its type, if it has one.
    pub fn kind(&self) -> Option<&MarkKind> {
        match self {
            Self::Known { kind, .. } => Some(kind),
            Self::Raw(_) => None,
        }
    }

    /// One of its attributes, if it is a text.
    pub fn attr(&self, name: &str) -> Option<String> {
        match self {
            Self::Known { attrs: Some(attrs), .. } => attrs.get(name)?.read().ok(),
            _ => None,
        }
    }
}

/// A JSON text's text, or a number's spelling; of anything else nothing.
pub(super) fn spelled(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}

fn json(value: impl Into<serde_json::Value>) -> RawJson {
    RawJson::parse(value.into().to_string()).expect("a Value prints as JSON")
}
