//! Letters that would mean something in Markdown.

use super::Place;

/// A text between two constructs, to be written letter by letter.
pub(super) struct Letters<'a> {
    pub(super) text: &'a str,
    pub(super) place: Place,
    /// Whether a line begins with it: blanks would be lost there, and more letters mean something.
    pub(super) begins: bool,
    /// Whether a line ends with it.
    pub(super) ends: bool,
    /// Whether its first letter has to be written as a number, for what stands before it.
    pub(super) veil_first: bool,
    /// Whether its last letter has to be.
    pub(super) veil_last: bool,
}

impl Letters<'_> {
    pub(super) fn write(&self, out: &mut String) {
        let letters: Vec<char> = self.text.chars().collect();
        for at in 0..letters.len() {
            self.letter(&letters, at, out);
        }
    }

    fn letter(&self, letters: &[char], at: usize, out: &mut String) {
        let (letter, next) = (letters[at], letters.get(at + 1).copied());
        if self.is_veiled(letters.len(), at) || self.is_lost(letter, at, letters.len()) {
            number(letter, out);
        } else if letter == '\0' {
            out.push(char::REPLACEMENT_CHARACTER);
        } else if letter == '`' || (letter == '|' && self.place == Place::Cell) {
            number(letter, out);
        } else {
            if self.means_something(letters, at) || (letter == '&' && begins_entity(next)) {
                out.push('\\');
            }
            out.push(letter);
        }
    }

    fn is_veiled(&self, length: usize, at: usize) -> bool {
        (self.veil_first && at == 0) || (self.veil_last && at + 1 == length)
    }

    /// Whether a letter would be taken for a blank that does not matter.
    fn is_lost(&self, letter: char, at: usize, length: usize) -> bool {
        let at_edge = (self.begins && at == 0) || (self.ends && at + 1 == length);
        letter != '\0' && (letter.is_ascii_control() || (at_edge && letter.is_whitespace()))
    }

    fn means_something(&self, letters: &[char], at: usize) -> bool {
        let before = at.checked_sub(1).map(|before| letters[before]);
        match letters[at] {
            '\\' | '*' | '[' | ']' | '<' | '~' => true,
            '_' => !(self.is_bare(letters, at.checked_sub(1)) && self.is_bare(letters, Some(at + 1))),
            '!' => at + 1 == letters.len(),
            '#' => self.place == Place::Heading || (self.begins && at == 0),
            '+' | '-' | '=' | '>' | ':' | '|' => self.begins && at == 0,
            '.' | ')' => self.begins && before.is_some() && letters[..at].iter().all(char::is_ascii_digit),
            _ => false,
        }
    }

    /// Whether an ASCII letter or digit stands there, and is written as such.
    fn is_bare(&self, letters: &[char], at: Option<usize>) -> bool {
        at.is_some_and(|at| {
            letters.get(at).is_some_and(char::is_ascii_alphanumeric) && !self.is_veiled(letters.len(), at)
        })
    }
}

fn begins_entity(next: Option<char>) -> bool {
    next.is_none_or(|next| next == '#' || next.is_ascii_alphanumeric())
}

fn number(letter: char, out: &mut String) {
    out.push_str(&format!("&#{};", u32::from(letter)));
}

/// Where a link leads, in its shortest form.
pub(super) fn destination(href: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:?#@!$'+,;=%".contains(c);
    if !href.is_empty() && href.chars().all(is_plain) { href.to_owned() } else { format!("<{}>", quoted(href)) }
}

/// A link's title.
pub(super) fn title(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!(" \"{}\"", quoted(title)) }
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '\0' => out.push(char::REPLACEMENT_CHARACTER),
            '\\' | '"' | '&' | '<' | '>' | '`' | '|' => number(letter, &mut out),
            letter if letter.is_ascii_control() => number(letter, &mut out),
            letter => out.push(letter),
        }
    }
    out
}

/// A piece of code within a line.
pub(super) fn code(text: &str, place: Place) -> String {
    let text = text.replace(['\n', '\r'], " ").replace('\0', "\u{fffd}");
    let fence = "`".repeat(longest_run(&text) + 1);
    let blank = text.chars().all(|c| c == ' ');
    let hides = text.starts_with('`') || text.ends_with('`') || (text.starts_with(' ') && text.ends_with(' '));
    let padding = if hides && !blank { " " } else { "" };
    let text = if place == Place::Cell { text.replace('|', "\\|") } else { text };
    format!("{fence}{padding}{text}{padding}{fence}")
}

/// The longest run of backticks.
pub(super) fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
