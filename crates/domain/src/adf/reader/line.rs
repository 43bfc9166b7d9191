//! A line being read: texts, their marks, hard breaks.

use crate::adf::{
    kind::{Kind, MarkKind},
    node::{Element, Mark, Node},
};

/// What was read of a line, and what encloses the next text.
#[derive(Default)]
pub(super) struct Line {
    nodes: Vec<Element>,
    pub(super) strong: usize,
    pub(super) em: usize,
    pub(super) strike: usize,
    /// Links and images that are open, with their titles. The outermost counts.
    links: Vec<(String, String)>,
    /// For each open image, whether something was said in its place.
    images: Vec<bool>,
}

impl Line {
    pub(super) fn text(&mut self, text: &str) {
        let mut marks: Vec<Mark> = self.link().into_iter().collect();
        for (depth, kind) in [(self.strong, MarkKind::Strong), (self.em, MarkKind::Em), (self.strike, MarkKind::Strike)]
        {
            if depth > 0 {
                marks.push(Mark::plain(kind));
            }
        }
        self.push(text, marks);
    }

    /// Code is marked as nothing else but a link.
    pub(super) fn code(&mut self, text: &str) {
        let marks = self.link().into_iter().chain([Mark::plain(MarkKind::Code)]).collect();
        self.push(text, marks);
    }

    /// A line's end, or HTML as the letters it is.
    pub(super) fn html(&mut self, html: &str) {
        let name = html.trim_matches(|c: char| matches!(c, '<' | '>' | '/') || c.is_ascii_whitespace());
        if html.starts_with('<') && !html.starts_with("</") && name.eq_ignore_ascii_case("br") {
            self.hard_break();
        } else {
            self.text(html);
        }
    }

    /// None at the beginning: nobody sees it there.
    pub(super) fn hard_break(&mut self) {
        if !self.nodes.is_empty() {
            self.nodes.push(Element::new(Kind::HardBreak));
        }
    }

    pub(super) fn open_link(&mut self, href: &str, title: &str) {
        self.links.push((href.to_owned(), title.to_owned()));
    }

    pub(super) fn close_link(&mut self) {
        self.links.pop();
    }

    /// A picture becomes a link to it: Jira shows those that it holds itself, and it does not hold this one.
    pub(super) fn open_image(&mut self, source: &str, title: &str) {
        self.open_link(source, title);
        self.images.push(false);
    }

    pub(super) fn close_image(&mut self) {
        if self.images.pop() == Some(false) {
            let source = self.links.last().map(|(source, _)| source.clone()).unwrap_or_default();
            self.text(&source);
        }
        self.close_link();
    }

    /// What is on the line; the next begins.
    pub(super) fn take(&mut self) -> Vec<Node> {
        let mut nodes = std::mem::take(&mut self.nodes);
        while nodes.last().is_some_and(|node| node.kind == Kind::HardBreak) {
            nodes.pop();
        }
        nodes.into_iter().map(Element::node).collect()
    }

    fn link(&self) -> Option<Mark> {
        let (href, title) = self.links.iter().find(|(href, _)| !href.is_empty())?;
        Some(Mark::link(href, title))
    }

    fn push(&mut self, text: &str, marks: Vec<Mark>) {
        if text.is_empty() {
            return;
        }
        self.images.iter_mut().for_each(|said| *said = true);
        match self.nodes.last_mut() {
            Some(Element { kind: Kind::Text, text: Some(last), marks: same, .. })
                if same.as_deref().unwrap_or_default() == marks =>
            {
                last.push_str(text);
            }
            _ => self.nodes.push(Element::text_of(text.to_owned(), marks)),
        }
    }
}
