//! A document as Markdown: its blocks.
//!
//! Whatever is written is read back as what it was: lists side by side differ in their markers, a paragraph is one line
//! but for its hard breaks, and letters that would mean something are escaped.

mod escape;
mod line;
mod list;
mod table;

use line::{Place, line, literal};
use list::Family;

use super::{
    kind::Kind,
    node::{Element, Node},
    words,
};

/// The document below a root.
pub(super) fn write(root: &Node) -> String {
    match root {
        Node::Element(root) if root.kind == Kind::Doc => blocks(root.children()),
        Node::Element(_) => blocks(std::slice::from_ref(root)),
        Node::Raw(raw) => wiki(&raw.read::<String>().unwrap_or_default()),
    }
}

/// Wiki text as the letters it is: its paragraphs, and their lines.
fn wiki(text: &str) -> String {
    let mut paragraphs = vec![Vec::new()];
    for line in text.lines().map(str::trim) {
        match paragraphs.last_mut() {
            Some(paragraph) if !line.is_empty() => paragraph.push(literal(line, Place::Paragraph)),
            _ => paragraphs.push(Vec::new()),
        }
    }
    paragraphs.retain(|lines| !lines.is_empty());
    paragraphs.iter().map(|lines| lines.join("\\\n")).collect::<Vec<_>>().join("\n\n")
}

/// Blocks below each other.
fn blocks(nodes: &[Node]) -> String {
    let mut blocks = Blocks::default();
    blocks.add(nodes);
    blocks.done.join("\n\n")
}

/// Blocks that were written so far.
#[derive(Default)]
struct Blocks {
    done: Vec<String>,
    /// Which list the last block is, and whether with the second of its two markers.
    last_list: Option<(Family, bool)>,
    /// Whether the first block is a list.
    begins_with_list: bool,
}

impl Blocks {
    fn add(&mut self, nodes: &[Node]) {
        let mut rest = nodes;
        while let Some(node) = rest.first() {
            let inline = rest.iter().take_while(|node| is_inline(node)).count();
            let (these, others) = rest.split_at(inline.max(1));
            if inline > 0 {
                self.push(line(these, Place::Paragraph));
            } else if let Node::Element(element) = node {
                self.block(element);
            }
            rest = others;
        }
    }

    fn push(&mut self, block: String) {
        if !block.is_empty() {
            self.done.push(block);
            self.last_list = None;
        }
    }

    fn block(&mut self, element: &Element) {
        match &element.kind {
            Kind::Paragraph | Kind::Caption => self.push(line(element.children(), Place::Paragraph)),
            Kind::Heading => self.push(heading(element)),
            Kind::BulletList | Kind::OrderedList | Kind::TaskList | Kind::DecisionList => self.list(element),
            Kind::Blockquote | Kind::Panel => self.push(quote(&blocks(element.children()))),
            Kind::CodeBlock => self.push(code(element)),
            Kind::Rule => self.push("---".to_owned()),
            Kind::Table => self.push(table::table(element)),
            Kind::Media | Kind::BlockCard | Kind::EmbedCard => self.push(leaf(element)),
            kind => {
                let said = words::said(kind, element.text(), &|name| element.spelled(name)).unwrap_or_default();
                self.push(literal(&said, Place::Paragraph));
                self.add(element.children());
            }
        }
    }

    fn list(&mut self, element: &Element) {
        let family = Family::of(&element.kind);
        let second = self.last_list == Some((family, false));
        let text = list::list(element, second);
        if !text.is_empty() {
            self.begins_with_list |= self.done.is_empty();
            self.done.push(text);
            self.last_list = Some((family, second));
        }
    }
}

fn is_inline(node: &Node) -> bool {
    node.element().is_some_and(|element| element.kind.is_inline())
}

fn heading(element: &Element) -> String {
    let level = element.read::<usize>("level").unwrap_or(1).clamp(1, 6);
    let text = line(element.children(), Place::Heading);
    if text.is_empty() { text } else { format!("{} {text}", "#".repeat(level)) }
}

fn quote(text: &str) -> String {
    let lines = text.split('\n').map(|line| if line.is_empty() { ">".to_owned() } else { format!("> {line}") });
    if text.is_empty() { String::new() } else { lines.collect::<Vec<_>>().join("\n") }
}

fn code(element: &Element) -> String {
    let text: String = element.children().iter().filter_map(|node| node.element()?.text()).collect();
    let fence = "`".repeat(escape::longest_run(&text).max(2) + 1);
    let language = element.spelled("language").unwrap_or_default();
    let language: String = language.chars().take_while(|c| super::reader::is_of_language(*c)).collect();
    let end = if text.is_empty() { "" } else { "\n" };
    format!("{fence}{language}\n{text}{end}{fence}")
}

/// A picture, or a link to what is shown as a card.
fn leaf(element: &Element) -> String {
    let alt = element.spelled("alt").filter(|alt| !alt.is_empty());
    match (element.spelled("url").filter(|url| !url.is_empty()), element.kind == Kind::Media) {
        (Some(url), true) => {
            let alt = literal(&alt.unwrap_or_default(), Place::Heading);
            format!("![{alt}]({})", escape::destination(&url))
        }
        (Some(url), false) => format!("[{}]({})", literal(&url, Place::Heading), escape::destination(&url)),
        (None, _) => literal(&alt.unwrap_or_default(), Place::Paragraph),
    }
}
