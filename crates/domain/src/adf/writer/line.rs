//! Inline nodes in Markdown.
//!
//! Strong is `**`, emphasis `_`, so that two runs of the same delimiter never touch. Whether a run opens or closes depends
//! on the letters at its sides: where they would say otherwise they are written as numbers.

use super::escape::{self, Letters};
use crate::adf::{
    kind::{Kind, MarkKind},
    node::{Element, Node},
    words,
};

/// Where a line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// May go over several lines.
    Paragraph,
    /// One line.
    Heading,
    /// One line between pipes.
    Cell,
}

/// A mark that Markdown knows, in the order in which they enclose each other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Style {
    Link(String, String),
    Strong,
    Em,
    Strike,
}

/// A part of a line.
#[derive(PartialEq)]
enum Piece {
    Text(String, Vec<Style>),
    Code(String, Vec<Style>),
    Break,
}

/// What is written, in order.
enum Token {
    Text(String),
    /// Opens (true) or closes a style other than a link.
    Delimiter(&'static str, bool),
    /// Anything else; begins and ends with punctuation.
    Fixed(String),
    Break,
}

/// Inline nodes as one paragraph's worth of Markdown.
pub(super) fn line(nodes: &[Node], place: Place) -> String {
    let mut pieces = Vec::new();
    collect(nodes, &mut pieces);
    render(loosened(trimmed(pieces)), place)
}

/// A text as the letters it is.
pub(super) fn literal(text: &str, place: Place) -> String {
    let mut pieces = Vec::new();
    for (n, line) in text.lines().enumerate() {
        if n > 0 {
            pieces.push(Piece::Break);
        }
        push(line, &[], &mut pieces);
    }
    render(loosened(trimmed(pieces)), place)
}

fn collect(nodes: &[Node], pieces: &mut Vec<Piece>) {
    for element in nodes.iter().filter_map(Node::element) {
        match &element.kind {
            Kind::HardBreak => pieces.push(Piece::Break),
            Kind::Text if has_mark(element, &MarkKind::Code) => push_code(element, pieces),
            kind => {
                let said = words::said(kind, element.text(), &|name| element.spelled(name)).unwrap_or_default();
                push(&said, &styles(element), pieces);
                collect(element.children(), pieces);
            }
        }
    }
}

fn has_mark(element: &Element, kind: &MarkKind) -> bool {
    element.marks().iter().any(|mark| mark.kind() == Some(kind))
}

fn styles(element: &Element) -> Vec<Style> {
    let mut styles: Vec<Style> = element
        .marks()
        .iter()
        .filter_map(|mark| match mark.kind()? {
            MarkKind::Strong => Some(Style::Strong),
            MarkKind::Em => Some(Style::Em),
            MarkKind::Strike => Some(Style::Strike),
            MarkKind::Link => {
                let href = mark.attr("href").filter(|href| !href.is_empty())?;
                Some(Style::Link(href, mark.attr("title").unwrap_or_default()))
            }
            _ => None,
        })
        .collect();
    if element.kind == Kind::InlineCard {
        styles.extend(element.spelled("url").filter(|url| !url.is_empty()).map(|url| Style::Link(url, String::new())));
    }
    styles.sort();
    // One of each: a link within a link is none.
    styles.dedup_by(|b, a| std::mem::discriminant(a) == std::mem::discriminant(b));
    styles
}

fn links(styles: Vec<Style>) -> Vec<Style> {
    styles.into_iter().filter(|style| matches!(style, Style::Link(..))).collect()
}

fn push_code(element: &Element, pieces: &mut Vec<Piece>) {
    let (text, styles) = (element.text().unwrap_or_default(), links(styles(element)));
    match pieces.last_mut() {
        Some(Piece::Code(last, same)) if *same == styles => last.push_str(text),
        _ if text.is_empty() => {}
        _ => pieces.push(Piece::Code(text.to_owned(), styles)),
    }
}

fn push(text: &str, styles: &[Style], pieces: &mut Vec<Piece>) {
    match pieces.last_mut() {
        Some(Piece::Text(last, same)) if same == styles => last.push_str(text),
        _ if text.is_empty() => {}
        _ => pieces.push(Piece::Text(text.to_owned(), styles.to_vec())),
    }
}

/// Without hard breaks at either end, which nobody sees.
fn trimmed(mut pieces: Vec<Piece>) -> Vec<Piece> {
    while pieces.last() == Some(&Piece::Break) {
        pieces.pop();
    }
    let start = pieces.iter().take_while(|piece| **piece == Piece::Break).count();
    pieces.split_off(start)
}

/// Delimiters cannot stand beside blanks: between two texts, blanks have only the styles that go on from the one over all of
/// them to the other.
fn loosened(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut done = Vec::new();
    let mut last: Vec<Style> = Vec::new();
    let mut blanks: Vec<(String, Vec<Style>)> = Vec::new();
    for piece in pieces {
        let Piece::Text(text, styles) = piece else {
            settle(&last, &mut blanks, &[], &mut done);
            last = Vec::new();
            done.push(piece);
            continue;
        };
        let inner = text.trim();
        let start = if inner.is_empty() { text.len() } else { text.len() - text.trim_start().len() };
        blanks.push((text[..start].to_owned(), styles.clone()));
        if !inner.is_empty() {
            settle(&last, &mut blanks, &styles, &mut done);
            push(inner, &styles, &mut done);
            blanks.push((text[start + inner.len()..].to_owned(), styles.clone()));
            last = styles;
        }
    }
    settle(&last, &mut blanks, &[], &mut done);
    done
}

/// Adds blanks that stand between texts in two styles.
fn settle(before: &[Style], blanks: &mut Vec<(String, Vec<Style>)>, after: &[Style], done: &mut Vec<Piece>) {
    blanks.retain(|(text, _)| !text.is_empty());
    let others = blanks.iter().map(|(_, styles)| &styles[..]).chain([after]);
    let shared = others
        .fold(before.len(), |shared, styles| before[..shared].iter().zip(styles).take_while(|(a, b)| a == b).count());
    for (text, styles) in blanks.drain(..) {
        if shared > 0 {
            push(&text, &before[..shared], done);
        } else {
            push(&text, &links(styles), done);
        }
    }
}

fn render(pieces: Vec<Piece>, place: Place) -> String {
    let mut tokens = Vec::new();
    let mut open = Vec::new();
    for piece in pieces {
        let (token, styles) = match piece {
            Piece::Text(text, styles) => (Token::Text(text), styles),
            Piece::Code(text, styles) => (Token::Fixed(escape::code(&text, place)), styles),
            Piece::Break => (Token::Break, Vec::new()),
        };
        change(&mut open, &styles, &mut tokens);
        tokens.push(token);
    }
    change(&mut open, &[], &mut tokens);
    print(&tokens, place)
}

/// Closes what ends here and opens what begins.
fn change(open: &mut Vec<Style>, wanted: &[Style], tokens: &mut Vec<Token>) {
    let common = open.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    for style in open.drain(common..).rev() {
        tokens.push(match style {
            Style::Link(href, title) => {
                Token::Fixed(format!("]({}{})", escape::destination(&href), escape::title(&title)))
            }
            style => Token::Delimiter(delimiter(&style), false),
        });
    }
    for style in &wanted[common..] {
        tokens.push(match style {
            Style::Link(..) => Token::Fixed("[".to_owned()),
            style => Token::Delimiter(delimiter(style), true),
        });
        open.push(style.clone());
    }
}

fn delimiter(style: &Style) -> &'static str {
    match style {
        Style::Strong => "**",
        Style::Em => "_",
        Style::Strike => "~~",
        Style::Link(..) => "",
    }
}

fn print(tokens: &[Token], place: Place) -> String {
    let mut out = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        match token {
            Token::Text(text) => Letters {
                text,
                place,
                begins: matches!(before, None | Some(Token::Break)),
                ends: matches!(tokens.get(at + 1), None | Some(Token::Break)),
                veil_first: is_veiled(text.chars().next(), tokens, at, Side::Before),
                veil_last: is_veiled(text.chars().last(), tokens, at, Side::After),
            }
            .write(&mut out),
            Token::Delimiter(text, _) => out.push_str(text),
            Token::Fixed(text) => out.push_str(text),
            // A line that is blank but for a break would end the paragraph.
            Token::Break if place == Place::Paragraph && !matches!(before, Some(Token::Break)) => out.push_str("\\\n"),
            Token::Break => out.push_str("<br>"),
        }
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Whether a text's letter at this side would keep the delimiters there from opening or closing.
fn is_veiled(letter: Option<char>, tokens: &[Token], at: usize, side: Side) -> bool {
    let Some(letter) = letter else { return false };
    // At most three delimiters close and three open between two texts.
    let beyond: Vec<&Token> = match side {
        Side::Before => tokens[..at].iter().rev().take(7).collect(),
        Side::After => tokens[at + 1..].iter().take(7).collect(),
    };
    let run: Vec<_> = beyond
        .iter()
        .map_while(|token| match token {
            Token::Delimiter(text, opens) => Some((*text, *opens)),
            _ => None,
        })
        .collect();
    if run.is_empty() {
        return false;
    }
    // Before a text, what opens encloses it; after a text, what closes does.
    let inside = run.iter().any(|(_, opens)| *opens == (side == Side::Before));
    if inside || "*_~".contains(letter) {
        return letter.is_whitespace() || "*_~".contains(letter);
    }
    // One letter alone may be written as a number for what stands at its other side.
    let enclosed = match beyond.get(run.len()) {
        Some(Token::Text(text)) if text.chars().nth(1).is_none() => None,
        Some(Token::Text(text)) if side == Side::After => text.chars().next(),
        Some(Token::Text(text)) => text.chars().last(),
        _ => None,
    };
    let within_word = run.len() == 1 && run[0].0 != "_" && enclosed.is_some_and(char::is_alphanumeric);
    !(letter.is_ascii_whitespace() || letter.is_ascii_punctuation() || within_word)
}
