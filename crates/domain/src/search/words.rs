//! Texts as words, the same ones for what is stored and for what is asked.
//!
//! Sites mix languages, and one issue may too, so no language's endings are cut off and no word is too common to count: a
//! stemmer for the wrong language loses more than it finds. `test*` finds every word that begins so. Scripts without
//! blanks are read as single characters and pairs of neighbours.

use std::borrow::Cow;

/// A word that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// In lower case: letters and digits only.
    pub text: String,
    /// Whether it is the word itself or the beginning of one.
    pub end: WordEnd,
}

/// Where a word that is looked for ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordEnd {
    /// Where the text ends.
    Here,
    /// Anywhere.
    Open,
}

/// Characters of a word that count; what follows is cut off, in texts and in questions alike.
const LONGEST: usize = 40;

/// The words of a text, in its order.
pub fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    Runs(text).flat_map(|run| {
        let parts = if run.joined { singles_and_pairs(&run.text) } else { Vec::new() };
        (!run.joined).then(|| cut(run.text)).into_iter().chain(parts.into_iter().map(Cow::Owned))
    })
}

/// The words of a question: a star at a word's end leaves it open. None where it has neither letters nor digits.
pub fn words_asked(text: &str) -> Vec<Word> {
    let mut asked = Vec::new();
    for run in Runs(text) {
        if run.joined {
            let pairs = pairs(&run.text);
            let texts = if pairs.is_empty() { vec![run.text.into_owned()] } else { pairs };
            asked.extend(texts.into_iter().map(|text| Word { text, end: WordEnd::Here }));
        } else {
            let end = if run.starred { WordEnd::Open } else { WordEnd::Here };
            asked.push(Word { text: cut(run.text).into_owned(), end });
        }
    }
    asked
}

/// Letters and digits that follow each other, all of one kind of script, in lower case.
struct Run<'t> {
    text: Cow<'t, str>,
    joined: bool,
    starred: bool,
}

/// The runs of what is left of a text.
struct Runs<'t>(&'t str);

impl<'t> Iterator for Runs<'t> {
    type Item = Run<'t>;

    fn next(&mut self) -> Option<Run<'t>> {
        let rest = &self.0[self.0.find(char::is_alphanumeric)?..];
        let joined = rest.starts_with(is_joined);
        let end = rest.find(|letter: char| !letter.is_alphanumeric() || is_joined(letter) != joined);
        let (run, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.0 = rest;
        Some(Run { text: lower_case(run), joined, starred: rest.starts_with('*') })
    }
}

/// Most words are in lower case already.
fn lower_case(run: &str) -> Cow<'_, str> {
    if run.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return Cow::Borrowed(run);
    }
    // Some capitals become a letter and a mark, which is neither letter nor digit.
    let letters = run.chars().flat_map(char::to_lowercase);
    Cow::Owned(letters.filter(|letter| letter.is_alphanumeric()).collect())
}

/// Whether a script writes words without blanks between them: Chinese and Japanese.
fn is_joined(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn cut(word: Cow<'_, str>) -> Cow<'_, str> {
    // No character is shorter than a byte.
    let end = if word.len() > LONGEST { word.char_indices().nth(LONGEST) } else { None };
    match (end, word) {
        (None, word) => word,
        (Some((end, _)), Cow::Borrowed(word)) => Cow::Borrowed(&word[..end]),
        (Some((end, _)), Cow::Owned(word)) => Cow::Owned(word[..end].to_owned()),
    }
}

fn pairs(run: &str) -> Vec<String> {
    run.chars().zip(run.chars().skip(1)).map(|(one, next)| [one, next].into_iter().collect()).collect()
}

fn singles_and_pairs(run: &str) -> Vec<String> {
    run.chars().map(String::from).chain(pairs(run)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Vec<String> {
        words(text).map(Cow::into_owned).collect()
    }

    #[test]
    fn words_are_letters_and_digits() {
        assert_eq!(of("Fix: ACME-7's \"Größe\" (v2.10)"), ["fix", "acme", "7", "s", "größe", "v2", "10"]);
        assert_eq!(of(" -- *"), [""; 0]);
        assert_eq!(of(&"A".repeat(50)), ["a".repeat(40)]);
        assert_eq!(of("数据库x"), ["数", "据", "库", "数据", "据库", "x"]);
    }

    #[test]
    fn a_star_leaves_a_word_open() {
        let asked = |text| words_asked(text).into_iter().map(|word| (word.text, word.end)).collect::<Vec<_>>();
        assert_eq!(asked("Log* in"), [("log".to_owned(), WordEnd::Open), ("in".to_owned(), WordEnd::Here)]);
        assert_eq!(asked("数据库"), [("数据".to_owned(), WordEnd::Here), ("据库".to_owned(), WordEnd::Here)]);
        assert_eq!(asked("\"*\""), []);
    }

    proptest! {
        /// Whatever a text says can be asked for in the words of the text.
        #[test]
        fn a_text_has_the_words_it_is_asked_for(text in "\\PC{0,60}") {
            let held = of(&text);
            for word in words_asked(&text) {
                prop_assert!(held.contains(&word.text) || word.end == WordEnd::Open, "{word:?} not in {held:?}");
                prop_assert!(word.text.chars().all(char::is_alphanumeric));
            }
        }
    }
}
