//! What hangs on one issue, in pages: comments, changelog, links.

use domain::{
    Comment, CommentId, History, HistoryId, InstanceId, IssueId, IssueLink,
    search::{Limit, Page},
};
use sea_orm::sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use crate::{
    Error, TenantTx,
    orm::sql,
    rows::{read_comment, read_history, read_link},
    search::Issues,
};

/// One visible issue, whose parts are to be read.
#[derive(Clone, Copy)]
pub struct Parts<'s> {
    issues: Issues<'s>,
    instance: InstanceId,
    id: IssueId,
}

impl<'s> Issues<'s> {
    /// The parts of an issue. Each read fails with [`Error::NotFound`] where there is no such visible issue.
    pub fn parts(self, instance: InstanceId, id: IssueId) -> Parts<'s> {
        Parts { issues: self, instance, id }
    }
}

impl Parts<'_> {
    /// Its comments in the order of their ids, which is that of their creation.
    pub async fn comments(&self, after: Option<CommentId>, limit: Limit) -> Result<Page<Comment, CommentId>, Error> {
        let rows = self
            .page(
                "/* parts.comments */ SELECT tenant_id, instance_id, issue_id, id, author, update_author,
                    body::text AS body, visibility::text AS visibility, jsd_public, reply_to, created_at, updated_at
                FROM mirror.comments
                WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = $3 AND id > $4 ORDER BY id LIMIT $5",
                after.map_or(i64::MIN, |id| id.0),
                limit,
            )
            .await?;
        let comments = rows.into_iter().map(|row| Ok(read_comment(row)?.1)).collect::<Result<Vec<_>, Error>>()?;
        Ok(paged(comments, limit, |comment| comment.id))
    }

    /// The entries of its changelog in the order of their ids, which is that of the changes.
    pub async fn changelog(&self, after: Option<HistoryId>, limit: Limit) -> Result<Page<History, HistoryId>, Error> {
        let rows = self
            .page(
                "/* parts.changelog */ SELECT tenant_id, instance_id, issue_id, id, item_no, author, created_at, field,
                    field_id, field_type, from_value, from_text, to_value, to_text, more::text AS more,
                    history_more::text AS history_more
                FROM mirror.changelogs
                WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = $3 AND id = ANY (ARRAY (
                    SELECT DISTINCT id FROM mirror.changelogs
                    WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = $3 AND id > $4 ORDER BY id LIMIT $5
                ))
                ORDER BY id, item_no",
                after.map_or(i64::MIN, |id| id.0),
                limit,
            )
            .await?;
        let mut entries: Vec<History> = Vec::new();
        for row in rows {
            let (_, entry) = read_history(row)?;
            match entries.last_mut() {
                Some(last) if last.id == entry.id => last.changes.extend(entry.changes),
                _ => entries.push(entry),
            }
        }
        Ok(paged(entries, limit, |entry| entry.id))
    }

    /// All of its links, in Jira's order.
    pub async fn links(&self) -> Result<Vec<IssueLink>, Error> {
        let text = "/* parts.links */ SELECT tenant_id, instance_id, issue_id, id, direction, position, type_id,
                type_name, other_id, other_key
            FROM mirror.issue_links WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = $3 ORDER BY position";
        let rows = self.rows(self.of_issue(text)).await?;
        rows.into_iter().map(|row| Ok(read_link(row)?.1)).collect()
    }

    /// One row more than the page has, where there is one.
    async fn page(&self, text: &'static str, after: i64, limit: Limit) -> Result<Vec<PgRow>, Error> {
        self.rows(self.of_issue(text).bind(after).bind(i64::from(limit.get()) + 1)).await
    }

    fn of_issue(&self, text: &'static str) -> Query<'static, Postgres, PgArguments> {
        sql(text).bind(self.issues.tenant.id().0).bind(self.instance.0).bind(self.id.0)
    }

    async fn rows(&self, query: Query<'static, Postgres, PgArguments>) -> Result<Vec<PgRow>, Error> {
        let mut tx = self.issues.tenant.read().await?;
        tx.must_show(self.instance, self.id).await?;
        let rows = query.fetch_all(tx.connection()).await?;
        tx.rollback().await?;
        Ok(rows)
    }
}

impl TenantTx {
    async fn must_show(&mut self, instance: InstanceId, id: IssueId) -> Result<(), Error> {
        let shown = sql("/* parts.issue */ SELECT FROM mirror.issues
            WHERE tenant_id = $1 AND instance_id = $2 AND id = $3 AND visible")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(id.0)
        .fetch_optional(self.connection())
        .await?;
        shown.map(|_| ()).ok_or(Error::NotFound("issue"))
    }
}

/// A page of what may be one too many.
pub(crate) fn paged<T, C>(mut items: Vec<T>, limit: Limit, cursor: impl Fn(&T) -> C) -> Page<T, C> {
    let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(cursor) } else { None };
    Page { items, next, total: None }
}
