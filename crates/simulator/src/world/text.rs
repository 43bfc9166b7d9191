//! Rich text in both of Jira's spellings: ADF documents for API v3, wiki markup for v2 and webhooks.
//! Made-up text is kept as the number it is drawn from, so that a large site stays small in memory.

use std::sync::Arc;

use rand::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::adf;
use super::vocabulary::{self, pick};

/// A description or a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// Drawn from this number, the same each time it is read.
    MadeUp(u64),
    /// Somebody's own words; blank lines part paragraphs.
    Written(String),
    /// A document as a client wrote it, kept letter for letter.
    Document(Arc<Value>),
}

impl From<&str> for Text {
    fn from(words: &str) -> Self {
        Self::Written(words.to_owned())
    }
}

impl From<String> for Text {
    fn from(words: String) -> Self {
        Self::Written(words)
    }
}

impl Text {
    /// The Atlassian document: `{"type":"doc","version":1,"content":[..]}`.
    pub fn adf(&self) -> impl Serialize + '_ {
        Adf(self)
    }

    /// The same as wiki markup.
    pub fn wiki(&self) -> String {
        if let Self::Document(document) = self {
            return adf::wiki(document);
        }
        let blocks: Vec<String> = self.blocks().iter().map(Block::wiki).collect();
        blocks.join("\n\n")
    }

    fn blocks(&self) -> Vec<Block> {
        match self {
            Self::MadeUp(seed) => made_up(&mut Xoshiro256PlusPlus::seed_from_u64(*seed)),
            Self::Written(words) => words
                .split("\n\n")
                .filter(|part| !part.trim().is_empty())
                .map(|part| Block::Paragraph(vec![Span::Plain(part.to_owned())]))
                .collect(),
            Self::Document(_) => Vec::new(),
        }
    }
}

enum Block {
    Heading(String),
    Paragraph(Vec<Span>),
    Bullets(Vec<String>),
    Code(String),
}

enum Span {
    Plain(String),
    Strong(String),
    Link(String),
}

impl Block {
    fn wiki(&self) -> String {
        match self {
            Self::Heading(words) => format!("h2. {words}"),
            Self::Paragraph(spans) => spans.iter().map(Span::wiki).collect(),
            Self::Bullets(items) => items.iter().map(|item| format!("* {item}")).collect::<Vec<_>>().join("\n"),
            Self::Code(text) => format!("{{code:rust}}{text}{{code}}"),
        }
    }
}

impl Span {
    fn wiki(&self) -> String {
        match self {
            Self::Plain(words) => words.clone(),
            Self::Strong(words) => format!("*{words}*"),
            Self::Link(href) => format!("[{href}]"),
        }
    }
}

/// A text as an Atlassian document, written out node by node: most of what a large site answers is such documents.
struct Adf<'t>(&'t Text);

impl Serialize for Adf<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Text::Document(document) => document.serialize(to),
            text => Document { r#type: "doc", version: 1, content: text.blocks() }.serialize(to),
        }
    }
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Heading(words) => {
                let attrs = Attrs { level: Some(2), ..Attrs::default() };
                Node { r#type: "heading", attrs: Some(attrs), content: [Leaf::plain(words)] }.serialize(to)
            }
            Self::Paragraph(spans) => Node::of("paragraph", spans).serialize(to),
            Self::Bullets(items) => {
                let item = |words| Node::of("listItem", [Node::of("paragraph", [Leaf::plain(words)])]);
                let items: Vec<_> = items.iter().map(|words| item(words.as_str())).collect();
                Node::of("bulletList", items).serialize(to)
            }
            Self::Code(text) => {
                let attrs = Attrs { language: Some("rust"), ..Attrs::default() };
                Node { r#type: "codeBlock", attrs: Some(attrs), content: [Leaf::plain(text)] }.serialize(to)
            }
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let marked = |text, r#type, attrs| Leaf { marks: Some([Mark { r#type, attrs }]), ..Leaf::plain(text) };
        match self {
            Self::Plain(words) => Leaf::plain(words).serialize(to),
            Self::Strong(words) => marked(words, "strong", None).serialize(to),
            Self::Link(href) => {
                let attrs = Attrs { href: Some(href), ..Attrs::default() };
                marked(href, "link", Some(attrs)).serialize(to)
            }
        }
    }
}

#[derive(Serialize)]
struct Document {
    r#type: &'static str,
    version: u8,
    content: Vec<Block>,
}

/// A node with children.
#[derive(Serialize)]
struct Node<'t, C> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attrs: Option<Attrs<'t>>,
    content: C,
}

#[derive(Serialize)]
struct Leaf<'t> {
    r#type: &'static str,
    text: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    marks: Option<[Mark<'t>; 1]>,
}

#[derive(Serialize)]
struct Mark<'t> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attrs: Option<Attrs<'t>>,
}

#[derive(Default, Serialize)]
struct Attrs<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<&'t str>,
}

impl<C> Node<'_, C> {
    fn of(r#type: &'static str, content: C) -> Self {
        Self { r#type, attrs: None, content }
    }
}

impl<'t> Leaf<'t> {
    fn plain(text: &'t str) -> Self {
        Self { r#type: "text", text, marks: None }
    }
}

fn made_up(rng: &mut Xoshiro256PlusPlus) -> Vec<Block> {
    let mut blocks = vec![Block::Paragraph(paragraph(rng))];
    if rng.random_bool(0.3) {
        blocks.push(Block::Heading(vocabulary::summary(rng)));
        blocks.push(Block::Bullets((0..rng.random_range(2..5)).map(|_| vocabulary::summary(rng)).collect()));
    }
    if rng.random_bool(0.15) {
        blocks.push(Block::Code(format!("let {} = {};", pick(rng, vocabulary::NOUNS), rng.random_range(0..1000))));
    }
    if rng.random_bool(0.4) {
        blocks.push(Block::Paragraph(paragraph(rng)));
    }
    blocks
}

fn paragraph(rng: &mut Xoshiro256PlusPlus) -> Vec<Span> {
    let mut spans = vec![Span::Plain(format!("{}. ", vocabulary::sentence(rng)))];
    if rng.random_bool(0.3) {
        spans.push(Span::Strong(pick(rng, vocabulary::NOUNS).to_owned()));
        spans.push(Span::Plain(format!(" {}. ", vocabulary::sentence(rng))));
    }
    if rng.random_bool(0.2) {
        spans.push(Span::Link(format!("https://wiki.example.com/{}", pick(rng, vocabulary::NOUNS))));
    }
    if rng.random_bool(0.25) {
        spans.push(Span::Plain(pick(rng, vocabulary::FOREIGN).to_owned()));
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adf(text: &Text) -> Value {
        serde_json::to_value(text.adf()).expect("JSON")
    }

    #[test]
    fn written_words_become_paragraphs_in_both_spellings() {
        let text = Text::from("Grüße aus 東京 🗼\n\nsecond");
        let adf = adf(&text);
        assert_eq!(adf["content"][0]["content"][0]["text"], "Grüße aus 東京 🗼");
        assert_eq!(adf["content"][1]["type"], "paragraph");
        assert_eq!(text.wiki(), "Grüße aus 東京 🗼\n\nsecond");
    }

    #[test]
    fn made_up_text_is_the_same_each_time_and_has_no_empty_leaf() {
        for seed in 0..200 {
            let text = Text::MadeUp(seed);
            assert_eq!(adf(&text), adf(&text));
            assert!(!adf(&text).to_string().contains(r#""text":"""#), "an empty text node is not valid ADF");
            assert!(!text.wiki().is_empty());
        }
    }
}
