//! A statement in the making: words of ours, and values that are only ever bound.

use std::fmt::Write;

use sea_orm::sqlx::{
    self, Arguments, AssertSqlSafe, Encode, Postgres, Type, error::BoxDynError, postgres::PgArguments, query::Query,
};

use crate::Error;

/// Text of ours with numbered places, and what belongs there.
pub(crate) struct Statement {
    text: String,
    arguments: PgArguments,
    failure: Option<BoxDynError>,
    bound: usize,
}

impl Statement {
    pub(crate) fn new(text: &'static str) -> Self {
        Self { text: text.to_owned(), arguments: PgArguments::default(), failure: None, bound: 0 }
    }

    /// Adds words. Only what was written by us can be said.
    pub(crate) fn say(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a value, and its place in the text.
    pub(crate) fn bind<'v, T: Encode<'v, Postgres> + Type<Postgres>>(&mut self, value: T) -> &mut Self {
        self.bound += 1;
        // Writing to a text cannot fail.
        let _ = write!(self.text, "${}", self.bound);
        if let Err(error) = self.arguments.add(value) {
            self.failure = Some(error);
        }
        self
    }

    /// Says what each item says, with words between.
    pub(crate) fn join<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        between: &'static str,
        mut say: impl FnMut(T, &mut Self),
    ) -> &mut Self {
        for (n, item) in items.into_iter().enumerate() {
            if n > 0 {
                self.say(between);
            }
            say(item, self);
        }
        self
    }

    /// Ready to be sent, unnamed. Fails where a value was too long to be sent at all.
    pub(crate) fn query(self) -> Result<Query<'static, Postgres, PgArguments>, Error> {
        match self.failure {
            Some(error) => Err(sqlx::Error::Encode(error).into()),
            None => Ok(sqlx::query_with(AssertSqlSafe(self.text), self.arguments).persistent(false)),
        }
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}
