//! Searching issues: a question becomes one statement, an answer comes in pages.
//!
//! Names are looked up first (a project's key, an old key of an issue, a custom field's name), so that the statement itself
//! holds numbers, whose frequency the planner knows. What it reads is `mirror.shown_issues`: see the migration that made it.

mod condition;
mod keyset;
mod known;
mod statement;

use domain::{
    InstanceId,
    search::{Counting, Cursor, Limit, Listed, Page, PageRequest, Question, Total},
};
use sea_orm::{QueryResult, sqlx::Row};

use crate::{
    Error, TenantStore, TenantTx,
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

impl Issues<'_> {
    /// A page of the visible issues that a question asks for. Walking from page to page shows every issue that does not
    /// change meanwhile exactly once, and a page costs the same however deep it lies. A cursor of another question is refused.
    pub async fn search(&self, question: &Question, request: &PageRequest) -> Result<Page<Listed>, Error> {
        let keyset = Keyset::of(question.order());
        if let Some(cursor) = &request.after {
            keyset.check(cursor, question)?;
        }
        let mut tx = self.tenant.read().await?;
        let known = Known::of(&mut tx, question.condition()).await?;
        let mut items = tx.page_of(question, &keyset, &known, request).await?;
        let total = tx.total_of(question, &known, request.counting).await?;
        tx.rollback().await?;
        let next = cut(&mut items, request.limit).map(|last| keyset.cursor(question, last));
        Ok(Page { items, next, total })
    }
}

impl TenantTx {
    /// One issue more than the page has, where there is one.
    async fn page_of(
        &mut self,
        question: &Question,
        keyset: &Keyset,
        known: &Known,
        request: &PageRequest,
    ) -> Result<Vec<Listed>, Error> {
        let statement = page(self.tenant.0, question, keyset, known, request);
        let rows = statement.query()?.fetch_all(self.connection()).await?;
        rows.into_iter().map(|row| listed(&QueryResult::from(row))).collect()
    }

    async fn total_of(
        &mut self,
        question: &Question,
        known: &Known,
        counting: Counting,
    ) -> Result<Option<Total>, Error> {
        let Counting::UpTo(most) = counting else { return Ok(None) };
        let mut statement = Statement::new("/* search.total */ SELECT count(*) AS issues FROM (SELECT FROM ");
        from_where(&mut statement, self.tenant.0, question, known);
        statement.say(" LIMIT ").bind(i64::from(most) + 1).say(") AS found");
        let row = statement.query()?.fetch_one(self.connection()).await?;
        let found = u64::try_from(row.try_get::<i64, _>("issues")?).unwrap_or_default();
        Ok(Some(if found > u64::from(most) { Total::MoreThan(most.into()) } else { Total::Exactly(found) }))
    }
}

fn page(tenant: uuid::Uuid, question: &Question, keyset: &Keyset, known: &Known, request: &PageRequest) -> Statement {
    let mut statement = Statement::new(concat!("/* search.page */ SELECT ", listed_columns!(), " FROM "));
    from_where(&mut statement, tenant, question, known);
    if let Some(cursor) = &request.after {
        statement.say(" AND ");
        keyset.after(cursor, &mut statement);
    }
    statement.say(" ORDER BY ");
    keyset.order_by(&mut statement);
    statement.say(" LIMIT ").bind(i64::from(request.limit.get()) + 1);
    statement
}

fn from_where(statement: &mut Statement, tenant: uuid::Uuid, question: &Question, known: &Known) {
    statement.say("mirror.shown_issues i WHERE i.tenant = ").bind(tenant).say(" AND ");
    condition::render(question.condition(), known, statement);
}

/// Takes off what is too much; says after which issue it was, if it was anything.
fn cut(items: &mut Vec<Listed>, limit: Limit) -> Option<&Listed> {
    let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    if more { items.last() } else { None }
}

fn listed(row: &QueryResult) -> Result<Listed, Error> {
    let (issue, model) = read_issue(row)?;
    Ok(Listed { instance: InstanceId(model.instance_id), issue })
}

/// The refusal of a cursor that no page of this question ended with.
fn foreign(_: &Cursor) -> Error {
    Error::Invalid(domain::Invalid::new("cursor", "belongs to another question: ask for the first page again"))
}
