//! What can be asked about the mirror's issues, and how the answer is handed over.
//!
//! A filter (a form with a field for everything) and JQL (a language) both become one [`Question`]: a [`Condition`] in which
//! every negation stands at a single test, and an order. The store knows only questions.

mod condition;
mod document;
mod filter;
mod order;
mod page;
mod words;

use sha2::{Digest, Sha256};

pub use condition::{Attribute, Condition, FieldTest, Handle, Place, Relation, Sense, Test, TimeAttribute};
pub use document::{StoredDocument, search_document};
pub use filter::{FieldFilter, IssueFilter, Range};
pub use order::{Direction, Sort, SortKey};
pub use page::{Counting, Cursor, Limit, Listed, NameCursor, Page, PageRequest, SortValue, Total};
pub use words::{Word, WordEnd, words, words_asked};

use crate::Invalid;

/// A condition, the order of its answer, and what both were made of: a cursor belongs to one question.
#[derive(Clone, Debug)]
pub struct Question {
    condition: Condition,
    order: Vec<Sort>,
    asked: String,
}

impl Question {
    /// As many keys as an order may have.
    pub const LONGEST_ORDER: usize = 7;

    /// `asked` is the question as its author put it: relative days stay relative in it, so that the next page, asked for a
    /// minute later, is still a page of the same answer. An empty order is the one by update, newest first.
    pub(crate) fn new(condition: Condition, order: Vec<Sort>, asked: &str) -> Self {
        let order = if order.is_empty() { vec![Sort::default()] } else { order };
        Self { condition, order, asked: asked.to_owned() }
    }

    /// A filter's question. Every field at fault is named.
    pub fn of_filter(filter: &IssueFilter, order: &[Sort]) -> Result<Self, Vec<Invalid>> {
        let mut faults = filter.validate().err().unwrap_or_default();
        if order.len() > Self::LONGEST_ORDER {
            faults.push(Invalid::new("sort", format!("must have at most {} keys", Self::LONGEST_ORDER)));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let asked = serde_json::to_string(filter).map_err(|_| vec![Invalid::new("filter", "must be JSON")])?;
        Ok(Self::new(filter.condition(), order.to_vec(), &asked))
    }

    /// Issues that this question and the other one ask for, in this one's order.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let condition = Condition::All(vec![self.condition, other.condition]);
        Self { condition, order: self.order, asked: format!("{}\n{}", self.asked, other.asked) }
    }

    /// What issues must be.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Never empty.
    pub fn order(&self) -> &[Sort] {
        &self.order
    }

    /// Tells this question and its order from any other; 32 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.asked.as_bytes());
        for sort in &self.order {
            hash.update([0]);
            hash.update(sort.to_string().as_bytes());
        }
        let digest = hash.finalize();
        hex::encode(&digest[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_questions_and_orders_apart() {
        let ask = |text: Option<&str>, by| {
            let filter = IssueFilter { text: text.map(str::to_owned), ..IssueFilter::default() };
            let sort = Sort { by, direction: Direction::Descending };
            Question::of_filter(&filter, &[sort]).expect("a good filter").fingerprint()
        };
        assert_eq!(ask(None, SortKey::Updated), ask(None, SortKey::Updated));
        assert_ne!(ask(None, SortKey::Updated), ask(None, SortKey::Created));
        assert_ne!(ask(None, SortKey::Updated), ask(Some("a"), SortKey::Updated));
        assert_eq!(ask(None, SortKey::Updated).len(), 32);
    }
}
