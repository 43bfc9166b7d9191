//! Rich text in both of Jira's spellings: ADF documents for API v3, wiki markup for v2 and webhooks.
//! Made-up text is kept as the number it is drawn from, so that a large site stays small in memory.

use std::sync::Arc;

use rand::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;
use serde_json::{Value, json};

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
    pub fn adf(&self) -> Value {
        if let Self::Document(document) = self {
            return Value::clone(document);
        }
        let content: Vec<Value> = self.blocks().iter().map(Block::adf).collect();
        json!({"type": "doc", "version": 1, "content": content})
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
    fn adf(&self) -> Value {
        match self {
            Self::Heading(words) => json!({"type": "heading", "attrs": {"level": 2}, "content": [leaf(words)]}),
            Self::Paragraph(spans) => {
                let content: Vec<Value> = spans.iter().map(Span::adf).collect();
                json!({"type": "paragraph", "content": content})
            }
            Self::Bullets(items) => {
                let content: Vec<Value> = items.iter().map(|item| list_item(item)).collect();
                json!({"type": "bulletList", "content": content})
            }
            Self::Code(text) => {
                json!({"type": "codeBlock", "attrs": {"language": "rust"}, "content": [leaf(text)]})
            }
        }
    }

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
    fn adf(&self) -> Value {
        match self {
            Self::Plain(words) => leaf(words),
            Self::Strong(words) => json!({"type": "text", "text": words, "marks": [{"type": "strong"}]}),
            Self::Link(href) => {
                json!({"type": "text", "text": href, "marks": [{"type": "link", "attrs": {"href": href}}]})
            }
        }
    }

    fn wiki(&self) -> String {
        match self {
            Self::Plain(words) => words.clone(),
            Self::Strong(words) => format!("*{words}*"),
            Self::Link(href) => format!("[{href}]"),
        }
    }
}

fn leaf(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

fn list_item(words: &str) -> Value {
    json!({"type": "listItem", "content": [{"type": "paragraph", "content": [leaf(words)]}]})
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

    #[test]
    fn written_words_become_paragraphs_in_both_spellings() {
        let text = Text::from("Grüße aus 東京 🗼\n\nsecond");
        let adf = text.adf();
        assert_eq!(adf["content"][0]["content"][0]["text"], "Grüße aus 東京 🗼");
        assert_eq!(adf["content"][1]["type"], "paragraph");
        assert_eq!(text.wiki(), "Grüße aus 東京 🗼\n\nsecond");
    }

    #[test]
    fn made_up_text_is_the_same_each_time_and_has_no_empty_leaf() {
        for seed in 0..200 {
            let text = Text::MadeUp(seed);
            assert_eq!(text.adf(), text.adf());
            assert!(!text.adf().to_string().contains(r#""text":"""#), "an empty text node is not valid ADF");
            assert!(!text.wiki().is_empty());
        }
    }
}
