//! A document from Markdown: what the parser says, put together.

mod fit;
mod line;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::{
    kind::Kind,
    node::{Element, Members, Node},
};
use crate::RawJson;
use fit::Item;
use line::Line;

/// How deep lists may nest before deeper ones are taken as part of the item they are in; no stack is in danger, and the
/// document can be read back.
const LISTS: usize = 24;

/// The root of the document that says what the Markdown says.
pub(super) fn read(markdown: &str) -> Node {
    let text = markdown.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}");
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut builder = Builder { frames: vec![Frame::new(Holds::Document)], line: Line::default() };
    for event in Parser::new_ext(&text, options) {
        builder.event(event);
    }
    root(builder.close())
}

/// A root around blocks, whose tasks get their names.
pub(super) fn root(mut nodes: Vec<Node>) -> Node {
    fit::number(&mut nodes);
    let mut root = Element::of(Kind::Doc, nodes);
    root.rest = Members::from([("version".to_owned(), one())]);
    root.node()
}

fn one() -> RawJson {
    RawJson::of(&1).expect("a number is JSON")
}

/// Whether a letter may be part of a code block's language.
pub(super) fn is_of_language(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "+-#._".contains(letter)
}

/// A block that is not finished.
struct Frame {
    holds: Holds,
    nodes: Vec<Node>,
    /// Of a list: what was finished of it.
    items: Vec<Item>,
}

/// What an unfinished block is.
enum Holds {
    Document,
    Quote,
    List(Option<u64>),
    Item(Option<bool>),
    Table,
    Row,
    /// Code in a language, or HTML.
    Letters(Option<String>, String),
}

impl Frame {
    fn new(holds: Holds) -> Self {
        Self { holds, nodes: Vec::new(), items: Vec::new() }
    }
}

struct Builder {
    /// Never empty: the document is the first.
    frames: Vec<Frame>,
    line: Line,
}

impl Builder {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) => match self.frames.last_mut() {
                Some(Frame { holds: Holds::Letters(_, letters), .. }) => letters.push_str(&text),
                _ => self.line.text(&text),
            },
            Event::InlineHtml(html) => self.line.html(&html),
            Event::Code(code) => self.line.code(&code),
            Event::SoftBreak => self.line.text(" "),
            Event::HardBreak => self.line.hard_break(),
            Event::Rule => self.block(Element::new(Kind::Rule).node()),
            Event::TaskListMarker(done) => {
                if let Some(Frame { holds: Holds::Item(task), .. }) = self.frames.last_mut() {
                    *task = Some(done);
                }
            }
            // Not asked for.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.line.text(&text);
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let holds = match tag {
            Tag::Emphasis => return self.line.em += 1,
            Tag::Strong => return self.line.strong += 1,
            Tag::Strikethrough => return self.line.strike += 1,
            Tag::Link { dest_url, title, .. } => return self.line.open_link(&dest_url, &title),
            Tag::Image { dest_url, title, .. } => return self.line.open_image(&dest_url, &title),
            Tag::BlockQuote(_) => Holds::Quote,
            Tag::List(first) => Holds::List(first),
            Tag::Item => Holds::Item(None),
            Tag::Table(_) => Holds::Table,
            Tag::TableHead | Tag::TableRow => Holds::Row,
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => {
                let language: String = info.chars().take_while(|c| is_of_language(*c)).collect();
                Holds::Letters(Some(language).filter(|language| !language.is_empty()), String::new())
            }
            Tag::CodeBlock(CodeBlockKind::Indented) | Tag::HtmlBlock => Holds::Letters(None, String::new()),
            // Paragraphs, headings and cells are lines; nothing else was asked for.
            _ => return self.flush(),
        };
        self.flush();
        self.frames.push(Frame::new(holds));
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Emphasis => self.line.em -= 1,
            TagEnd::Strong => self.line.strong -= 1,
            TagEnd::Strikethrough => self.line.strike -= 1,
            TagEnd::Link => self.line.close_link(),
            TagEnd::Image => self.line.close_image(),
            TagEnd::Heading(level) => {
                let line = self.line.take();
                if !line.is_empty() {
                    self.block(Element::of(Kind::Heading, line).with("level", level as u8).node());
                }
            }
            TagEnd::TableCell => {
                let line = self.line.take();
                self.add(Element::of(Kind::Paragraph, line).node());
            }
            TagEnd::BlockQuote(_)
            | TagEnd::List(_)
            | TagEnd::Item
            | TagEnd::Table
            | TagEnd::TableHead
            | TagEnd::TableRow => self.finish(),
            TagEnd::CodeBlock => self.finish_code(),
            TagEnd::HtmlBlock => self.finish_html(),
            _ => self.flush(),
        }
    }

    /// Makes a paragraph of the line, if there is anything on it.
    fn flush(&mut self) {
        let line = self.line.take();
        if !line.is_empty() {
            self.block(Element::of(Kind::Paragraph, line).node());
        }
    }

    /// Adds a block, as its place allows.
    fn block(&mut self, node: Node) {
        match self.frames.last().map(|frame| &frame.holds) {
            Some(Holds::Item(_)) => fit::narrow(node, fit::Place::Item).into_iter().for_each(|node| self.add(node)),
            Some(Holds::Quote) => fit::narrow(node, fit::Place::Quote).into_iter().for_each(|node| self.add(node)),
            _ => self.add(node),
        }
    }

    fn add(&mut self, node: Node) {
        if let Some(frame) = self.frames.last_mut() {
            frame.nodes.push(node);
        }
    }

    fn finish(&mut self) {
        self.flush();
        let Some(frame) = self.frames.pop() else { return };
        match frame.holds {
            Holds::Item(task) => {
                if let Some(list) = self.frames.last_mut() {
                    list.items.push(Item { task, blocks: frame.nodes });
                }
            }
            Holds::List(first) => self.finish_list(first, frame.items),
            Holds::Quote if frame.nodes.is_empty() => {}
            Holds::Quote => self.block(Element::of(Kind::Blockquote, frame.nodes).node()),
            Holds::Row => {
                let header = self.frames.last().is_some_and(|table| table.nodes.is_empty());
                let kind = if header { Kind::TableHeader } else { Kind::TableCell };
                let cells = frame.nodes.into_iter().map(|line| Element::of(kind.clone(), vec![line]).node()).collect();
                self.add(Element::of(Kind::TableRow, cells).node());
            }
            Holds::Table => self.block(Element::of(Kind::Table, frame.nodes).node()),
            Holds::Document | Holds::Letters(..) => {}
        }
    }

    fn finish_list(&mut self, first: Option<u64>, items: Vec<Item>) {
        let depth = self.frames.iter().filter(|frame| matches!(frame.holds, Holds::List(_))).count();
        if depth < LISTS {
            self.block(fit::list(first, items));
        } else {
            for node in items.into_iter().flat_map(fit::untasked) {
                self.block(node);
            }
        }
    }

    fn finish_code(&mut self) {
        let Some(Frame { holds: Holds::Letters(language, code), .. }) = self.frames.pop() else { return };
        let code = code.strip_suffix('\n').unwrap_or(&code);
        let text = Some(code).filter(|code| !code.is_empty());
        let text = text.map(|code| Element::text_of(code.to_owned(), Vec::new()).node());
        let block = Element::of(Kind::CodeBlock, text.into_iter().collect());
        self.block(match language {
            Some(language) => block.with("language", language).node(),
            None => block.node(),
        });
    }

    /// HTML is shown as what was typed.
    fn finish_html(&mut self) {
        let Some(Frame { holds: Holds::Letters(_, html), .. }) = self.frames.pop() else { return };
        for line in html.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.line.html(line);
            self.line.hard_break();
        }
        self.flush();
    }

    fn close(mut self) -> Vec<Node> {
        self.flush();
        self.frames.into_iter().next().map(|document| document.nodes).unwrap_or_default()
    }
}
