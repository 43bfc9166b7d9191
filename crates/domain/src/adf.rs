//! The Atlassian document format (ADF): descriptions and comments, read as words or Markdown, and written from Markdown.
//!
//! Reading takes everything: the format grows without notice, and older answers hold wiki text, a JSON text, in a
//! document's place. What is not known is kept as it came. Writing yields only what Jira takes.

mod json;
mod kind;
mod node;
mod reader;
mod rules;
mod words;
mod writer;

#[cfg(test)]
mod tests;

pub use kind::{Kind, MarkKind};
pub use node::{Element, Mark, Node};
pub use words::plain_text;

use crate::{Invalid, RawJson};

/// A document, or whatever stood in its place. Two are equal when they say the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    root: Node,
}

impl Document {
    /// As many characters as Jira takes in a description, a comment or another text field.
    pub const LONGEST: usize = 32_767;

    /// Reads a document. Nothing is refused: of what is no document, or nests more than 64 deep, the JSON is kept.
    pub fn parse(json: &RawJson) -> Self {
        let root = match json.read() {
            Ok(raw) => json::read(raw, json::DEPTH),
            Err(_) => Node::Raw(json.clone()),
        };
        Self { root }
    }

    /// The document that says what a text in GitHub's flavour of Markdown says. Jira takes it: what it does not allow
    /// somewhere (a heading in a list, say) becomes what comes nearest. HTML is text, except `<br>`.
    pub fn from_markdown(markdown: &str) -> Self {
        Self { root: reader::read(markdown) }
    }

    /// The document in JSON, with everything that was read.
    pub fn to_json(&self) -> RawJson {
        let mut out = String::new();
        json::write(&self.root, &mut out);
        RawJson::parse(out).expect("made of JSON, member by member")
    }

    /// The words: a line for each paragraph, people as `@name`, days as `2026-02-01`, cells between tabs, tasks as `[ ]` or
    /// `[x]`, of nodes that nobody knows the text in them. Wiki text is returned as it is.
    pub fn plain_text(&self) -> String {
        words::of(&self.root)
    }

    /// The document in GitHub's flavour of Markdown, which [`from_markdown`](Self::from_markdown) reads back; what Markdown
    /// cannot say is left out, its words are not. Wiki text is quoted letter by letter.
    pub fn markdown(&self) -> String {
        writer::write(&self.root)
    }

    /// The nodes of the document; none of wiki text.
    pub fn nodes(&self) -> &[Node] {
        self.root.element().map_or(&[], Element::children)
    }

    /// How many characters of plain text it has. Jira says that it takes 32,767, not which it counts.
    pub fn length(&self) -> usize {
        self.plain_text().chars().count()
    }

    /// Refuses what Jira would refuse to write, in words about the field it was meant for: a text where a document must be,
    /// more than [`LONGEST`](Self::LONGEST) characters, empty texts, code with other marks than a link.
    pub fn check(&self, field: &str) -> Result<(), Invalid> {
        rules::check(self, &self.root).map_err(|why| Invalid::new(field, why))
    }
}
