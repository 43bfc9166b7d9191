//! What Jira refuses to write, as far as it is known before asking.

use super::{
    Document,
    kind::{Kind, MarkKind},
    node::{Element, Node},
};

/// Why Jira would refuse the document: the rest of a sentence whose subject is the field.
pub(super) fn check(document: &Document, root: &Node) -> Result<(), String> {
    let Some(root) = root.element().filter(|root| is_document(root)) else {
        return Err(
            "must be an Atlassian document: an object of type doc, version 1, with a list of content".to_owned()
        );
    };
    nodes(root)?;
    let length = document.length();
    if length > Document::LONGEST {
        return Err(format!("must have at most {} characters of text, and has {length}", Document::LONGEST));
    }
    Ok(())
}

fn is_document(root: &Element) -> bool {
    let version = root.rest.get("version").and_then(|version| version.read::<u64>().ok());
    root.kind == Kind::Doc && version == Some(1) && root.content.is_some()
}

fn nodes(element: &Element) -> Result<(), String> {
    if element.kind == Kind::Text {
        return text(element);
    }
    element.children().iter().try_for_each(|node| match node {
        Node::Element(element) => nodes(element),
        Node::Raw(raw) if raw.as_str().starts_with('{') => {
            Err(format!("must not nest more than {} deep", super::json::DEPTH))
        }
        Node::Raw(_) => Err("must have only objects as its nodes".to_owned()),
    })
}

fn text(text: &Element) -> Result<(), String> {
    if text.text().is_none_or(str::is_empty) {
        return Err("must not have empty texts in it".to_owned());
    }
    let kinds: Vec<_> = text.marks().iter().map(|mark| mark.kind()).collect();
    let fits = |kind: &Option<&MarkKind>| matches!(kind, Some(MarkKind::Code | MarkKind::Link));
    if kinds.contains(&Some(&MarkKind::Code)) && !kinds.iter().all(fits) {
        return Err("must not have code that is marked as anything else but a link".to_owned());
    }
    Ok(())
}
