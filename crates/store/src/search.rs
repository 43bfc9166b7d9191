//! Searching issues: a question becomes one statement, an answer comes in pages.
//!
//! Names are looked up first (a project's key, an old key of an issue, a custom field's name), so that the statement itself
//! holds numbers, whose frequency the planner knows. What it reads is `mirror.shown_issues`: see the migration that made it.

mod condition;
mod keyset;
mod known;
mod statement;

use domain::{
    InstanceId, Invalid,
    search::{Counting, Listed, Page, PageRequest, Question, Total},
};
use sea_orm::{QueryResult, sqlx::Row};
use uuid::Uuid;

use crate::{
    Error, TenantStore, TenantTx,
    parts::paged,
    rows::{listed_columns, read_issue},
};
use keyset::Keyset;
use known::Known;
use statement::Statement;

/// A tenant's issues, to be read.
#[derive(Clone, Copy)]
pub struct Issues<'s> {
    pub(crate) tenant: &'s TenantStore,
}

impl TenantStore {
    /// A tenant's issues, to be read.
    pub fn issues(&self) -> Issues<'_> {
        Issues { tenant: self }
    }
}

/// A question with all that its statements need.
struct Asked<'q> {
    tenant: Uuid,
    question: &'q Question,
    keyset: Keyset,
    known: Known,
}

impl Issues<'_> {
    /// A page of the visible issues that a question asks for. Walking from page to page shows every issue that does not
    /// change meanwhile exactly once, and a page costs the same however deep it lies. A cursor of another question is refused.
    pub async fn search(&self, question: &Question, request: &PageRequest) -> Result<Page<Listed>, Error> {
        let mut tx = self.tenant.read().await?;
        let asked = Asked::of(&mut tx, question, request).await?;
        let rows = asked.page("", request).query()?.fetch_all(tx.connection()).await?;
        let total = asked.total(&mut tx, request.counting).await?;
        tx.rollback().await?;
        let items = rows.into_iter().map(|row| listed(&QueryResult::from(row))).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { total, ..paged(items, request.limit, |last| asked.keyset.cursor(question, last)) })
    }

    /// How PostgreSQL would go about the page, one step a line, without doing it: for whoever wonders why a question is slow.
    pub async fn explain(&self, question: &Question, request: &PageRequest) -> Result<String, Error> {
        let mut tx = self.tenant.read().await?;
        let asked = Asked::of(&mut tx, question, request).await?;
        let rows = asked.page("EXPLAIN ", request).query()?.fetch_all(tx.connection()).await?;
        tx.rollback().await?;
        let lines = rows.iter().map(|row| Ok(row.try_get::<String, _>(0)?)).collect::<Result<Vec<_>, Error>>()?;
        Ok(lines.join("\n"))
    }
}

impl<'q> Asked<'q> {
    async fn of(tx: &mut TenantTx, question: &'q Question, request: &PageRequest) -> Result<Self, Error> {
        let keyset = Keyset::of(question.order());
        if let Some(cursor) = &request.after {
            keyset.check(cursor, question)?;
        }
        let known = Known::of(tx, question.condition()).await?;
        Ok(Self { tenant: tx.tenant.0, question, keyset, known })
    }

    /// One issue more than the page has, where there is one.
    fn page(&self, lead: &'static str, request: &PageRequest) -> Statement {
        let mut statement = Statement::default();
        statement.say(lead).say(concat!("/* search.page */ SELECT ", listed_columns!(), " FROM "));
        self.say_source(&mut statement);
        if let Some(cursor) = &request.after {
            statement.say(" AND ");
            self.keyset.after(cursor, &mut statement);
        }
        statement.say(" ORDER BY ");
        self.keyset.order_by(&mut statement);
        statement.say(" LIMIT ").bind(i64::from(request.limit.get()) + 1);
        statement
    }

    async fn total(&self, tx: &mut TenantTx, counting: Counting) -> Result<Option<Total>, Error> {
        let Counting::UpTo(most) = counting else { return Ok(None) };
        let mut statement = Statement::default();
        statement.say("/* search.total */ SELECT count(*) AS issues FROM (SELECT FROM ");
        self.say_source(&mut statement);
        statement.say(" LIMIT ").bind(i64::from(most) + 1).say(") AS found");
        let row = statement.query()?.fetch_one(tx.connection()).await?;
        let found = u64::try_from(row.try_get::<i64, _>("issues")?).unwrap_or_default();
        Ok(Some(if found > u64::from(most) { Total::MoreThan(most.into()) } else { Total::Exactly(found) }))
    }

    fn say_source(&self, statement: &mut Statement) {
        statement.say("mirror.shown_issues i WHERE i.tenant = ").bind(self.tenant).say(" AND ");
        condition::render(self.question.condition(), &self.known, statement);
    }
}

fn listed(row: &QueryResult) -> Result<Listed, Error> {
    let (issue, model) = read_issue(row)?;
    Ok(Listed { instance: InstanceId(model.instance_id), issue })
}

/// The refusal of a cursor that no page of this question ended with.
fn foreign() -> Error {
    Error::Invalid(Invalid::new("cursor", "belongs to another question: ask for the first page again"))
}
