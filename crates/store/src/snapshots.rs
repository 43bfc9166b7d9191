//! Issues read back whole, as they were applied: to compare them with Jira.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{AccountId, Comment, History, InstanceId, IssueId, IssueLink, IssueSnapshot, SprintId, User, Worklog};
use sea_orm::{QueryResult, sqlx::postgres::PgRow};

use crate::{
    Error, TenantStore, TenantTx,
    apply::to_sprint,
    directory::users_of,
    orm::sql,
    rows::{document, issue_columns, read_comment, read_history, read_issue, read_link, read_worklog},
};

impl TenantStore {
    /// The visible ones among these issues, in the order of their ids. E-mail addresses are not kept, so people have none.
    pub async fn snapshots(&self, instance: InstanceId, ids: &[IssueId]) -> Result<Vec<IssueSnapshot>, Error> {
        let mut tx = self.read().await?;
        let mut snapshots = tx.bare_snapshots(instance, ids).await?;
        let shown: Vec<i64> = snapshots.iter().map(|snapshot| snapshot.issue.id.0).collect();
        let mut comments = tx.comments(instance, &shown).await?;
        let mut worklogs = tx.worklogs(instance, &shown).await?;
        let mut histories = tx.histories(instance, &shown).await?;
        let mut links = tx.links(instance, &shown).await?;
        for snapshot in &mut snapshots {
            let id = snapshot.issue.id;
            snapshot.comments = comments.remove(&id).unwrap_or_default();
            snapshot.worklogs = worklogs.remove(&id).unwrap_or_default();
            snapshot.changelog = histories.remove(&id).unwrap_or_default();
            snapshot.links = links.remove(&id).unwrap_or_default();
        }
        tx.add_people(instance, &mut snapshots).await?;
        tx.add_sprints(instance, &mut snapshots).await?;
        tx.rollback().await?;
        Ok(snapshots)
    }
}

impl TenantTx {
    async fn bare_snapshots(&mut self, instance: InstanceId, ids: &[IssueId]) -> Result<Vec<IssueSnapshot>, Error> {
        let text = concat!(
            "/* snapshots.issues */ SELECT ",
            issue_columns!(),
            ", coalesce(i.raw_exact, i.raw::text) AS raw FROM unnest($3::bigint[]) AS p (id) CROSS JOIN LATERAL (
                SELECT * FROM mirror.issues WHERE tenant_id = $1 AND instance_id = $2 AND id = p.id OFFSET 0
            ) AS i
            WHERE i.visible ORDER BY i.id"
        );
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let rows = self.of_issues(text, instance, &ids).await?;
        rows.into_iter().map(bare_snapshot).collect()
    }

    async fn comments(&mut self, of: InstanceId, ids: &[i64]) -> Result<HashMap<IssueId, Vec<Comment>>, Error> {
        let text = "/* snapshots.comments */ SELECT tenant_id, instance_id, issue_id, id, author, update_author,
                body::text AS body, visibility::text AS visibility, jsd_public, reply_to, created_at, updated_at
            FROM unnest($3::bigint[]) AS p (wanted) CROSS JOIN LATERAL (
                SELECT * FROM mirror.comments WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = p.wanted OFFSET 0
            ) AS c
            ORDER BY issue_id, id";
        let mut comments: HashMap<IssueId, Vec<Comment>> = HashMap::new();
        for row in self.of_issues(text, of, ids).await? {
            let (issue, comment) = read_comment(row)?;
            comments.entry(issue).or_default().push(comment);
        }
        Ok(comments)
    }

    async fn worklogs(&mut self, of: InstanceId, ids: &[i64]) -> Result<HashMap<IssueId, Vec<Worklog>>, Error> {
        let text =
            "/* snapshots.worklogs */ SELECT tenant_id, instance_id, issue_id, id, author, update_author, started_at,
                seconds, comment::text AS comment, visibility::text AS visibility, created_at, updated_at
            FROM unnest($3::bigint[]) AS p (wanted) CROSS JOIN LATERAL (
                SELECT * FROM mirror.worklogs WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = p.wanted OFFSET 0
            ) AS w
            ORDER BY issue_id, id";
        let mut worklogs: HashMap<IssueId, Vec<Worklog>> = HashMap::new();
        for row in self.of_issues(text, of, ids).await? {
            let (issue, worklog) = read_worklog(row)?;
            worklogs.entry(issue).or_default().push(worklog);
        }
        Ok(worklogs)
    }

    /// The rows of one entry follow each other and become one again.
    async fn histories(&mut self, of: InstanceId, ids: &[i64]) -> Result<HashMap<IssueId, Vec<History>>, Error> {
        let text =
            "/* snapshots.changelogs */ SELECT tenant_id, instance_id, issue_id, id, item_no, author, created_at,
                field, field_id, field_type, from_value, from_text, to_value, to_text, more::text AS more, history_more::text AS history_more
            FROM unnest($3::bigint[]) AS p (wanted) CROSS JOIN LATERAL (
                SELECT * FROM mirror.changelogs WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = p.wanted OFFSET 0
            ) AS c
            ORDER BY issue_id, id, item_no";
        let mut histories: HashMap<IssueId, Vec<History>> = HashMap::new();
        for row in self.of_issues(text, of, ids).await? {
            let (issue, history) = read_history(row)?;
            let known = histories.entry(issue).or_default();
            match known.last_mut() {
                Some(last) if last.id == history.id => last.changes.extend(history.changes),
                _ => known.push(history),
            }
        }
        Ok(histories)
    }

    async fn links(&mut self, of: InstanceId, ids: &[i64]) -> Result<HashMap<IssueId, Vec<IssueLink>>, Error> {
        let text = "/* snapshots.links */ SELECT tenant_id, instance_id, issue_id, id, direction, position, type_id,
                type_name, other_id, other_key
            FROM unnest($3::bigint[]) AS p (wanted) CROSS JOIN LATERAL (
                SELECT * FROM mirror.issue_links WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = p.wanted OFFSET 0
            ) AS c
            ORDER BY issue_id, position";
        let mut links: HashMap<IssueId, Vec<IssueLink>> = HashMap::new();
        for row in self.of_issues(text, of, ids).await? {
            let (issue, link) = read_link(row)?;
            links.entry(issue).or_default().push(link);
        }
        Ok(links)
    }

    async fn add_people(&mut self, instance: InstanceId, snapshots: &mut [IssueSnapshot]) -> Result<(), Error> {
        let all: BTreeSet<&AccountId> = snapshots.iter().flat_map(named_people).collect();
        let all: Vec<String> = all.into_iter().map(|account| account.0.clone()).collect();
        let users = users_of(self, instance, &all).await?;
        let users: BTreeMap<AccountId, User> = users.into_iter().map(|user| (user.account.clone(), user)).collect();
        for snapshot in snapshots {
            let people: BTreeSet<&AccountId> = named_people(snapshot).into_iter().collect();
            let people = people.into_iter().filter_map(|account| users.get(account)).cloned().collect();
            snapshot.people = people;
        }
        Ok(())
    }

    /// What is known of the sprints by now, which may be newer than what the issues told.
    async fn add_sprints(&mut self, instance: InstanceId, snapshots: &mut [IssueSnapshot]) -> Result<(), Error> {
        let all: BTreeSet<i64> =
            snapshots.iter().flat_map(|snapshot| &snapshot.issue.sprints).map(|sprint| sprint.0).collect();
        let rows = self.sprint_rows(instance, &all.into_iter().collect::<Vec<_>>()).await?;
        let sprints: BTreeMap<SprintId, _> = rows.into_iter().map(|row| (SprintId(row.id), to_sprint(row))).collect();
        for snapshot in snapshots {
            let ids = snapshot.issue.sprints.iter();
            snapshot.sprints = ids.filter_map(|id| sprints.get(id)).cloned().collect();
        }
        Ok(())
    }

    async fn of_issues(&mut self, text: &'static str, instance: InstanceId, ids: &[i64]) -> Result<Vec<PgRow>, Error> {
        let query = sql(text).bind(self.tenant.0).bind(instance.0).bind(ids);
        Ok(query.fetch_all(self.connection()).await?)
    }
}

fn bare_snapshot(row: PgRow) -> Result<IssueSnapshot, Error> {
    let row = QueryResult::from(row);
    let (issue, model) = read_issue(&row)?;
    let hash = model.content_hash.and_then(|hash| hash.try_into().ok());
    Ok(IssueSnapshot {
        issue,
        comments: Vec::new(),
        worklogs: Vec::new(),
        changelog: Vec::new(),
        links: Vec::new(),
        sprints: Vec::new(),
        people: Vec::new(),
        raw: document(&row, "raw")?.ok_or(Error::Unreadable("issues.raw"))?,
        observed_at: model.observed_at.ok_or(Error::Unreadable("issues.observed_at"))?,
        content_hash: hash.ok_or(Error::Unreadable("issues.content_hash"))?,
    })
}

/// Everybody whom the issue, its comments, worklogs or changelog name.
fn named_people(snapshot: &IssueSnapshot) -> Vec<&AccountId> {
    let issue = &snapshot.issue;
    let own = [&issue.assignee, &issue.reporter, &issue.creator];
    let comments = snapshot.comments.iter().flat_map(|comment| [&comment.author, &comment.update_author]);
    let changes = snapshot.changelog.iter().map(|history| &history.author);
    let worklogs = snapshot.worklogs.iter().flat_map(|worklog| [&worklog.author, &worklog.update_author]);
    own.into_iter().chain(comments).chain(worklogs).chain(changes).flatten().collect()
}
