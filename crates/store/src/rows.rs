//! From rows to the words of `domain`.

use domain::{
    AccountId, Change, Comment, CommentId, History, HistoryId, Issue, IssueId, IssueKey, IssueLink, IssueRef,
    IssueType, LinkDirection, Named, ProjectId, RawJson, SprintId, Status, StatusCategory, Worklog, WorklogId,
};
use entity::{changelog, comment, issue, issue_link, worklog};
use sea_orm::{FromQueryResult, QueryResult, sqlx::postgres::PgRow};

use crate::Error;

/// The columns of an issue's row, its description as text.
macro_rules! issue_columns {
    () => {
        "i.tenant_id, i.instance_id, i.id, i.key, i.project_id, i.summary, i.description::text AS description,
        i.type_id, i.type_name, i.type_subtask, i.status_id, i.status_name, i.status_category, i.priority_id,
        i.priority_name, i.resolution_id, i.resolution_name, i.assignee, i.reporter, i.creator, i.labels, i.parent_id,
        i.parent_key, i.sprint_ids, i.created_at, i.updated_at, i.resolved_at, i.due_on, i.content_hash, i.observed_at,
        i.seen_at, i.gone_at, i.deleted_at, i.visible"
    };
}
pub(crate) use issue_columns;

/// The same of `mirror.shown_issues`, for lists: without the description, which is stored apart and would have to be fetched.
macro_rules! listed_columns {
    () => {
        "i.tenant AS tenant_id, i.instance_id, i.id, i.key, i.project_id, i.summary, NULL::text AS description,
        i.type_id, i.type_name, i.type_subtask, i.status_id, i.status_name, i.status_category, i.priority_id,
        i.priority_name, i.resolution_id, i.resolution_name, i.assignee, i.reporter, i.creator, i.labels, i.parent_id,
        i.parent_key, i.sprint_ids, i.created_at, i.updated_at, i.resolved_at, i.due_on, i.content_hash, i.observed_at,
        i.seen_at, i.gone_at, i.deleted_at, i.visible"
    };
}
pub(crate) use listed_columns;

/// An issue and its row, which knows when it was observed.
pub(crate) fn read_issue(row: &QueryResult) -> Result<(Issue, issue::Model), Error> {
    let model = issue::Model::from_query_result(row, "")?;
    let description = document(row, "description")?;
    let issue = to_issue(&model, description).ok_or(Error::Unreadable("issues"))?;
    Ok((issue, model))
}

/// `None` for a row without content, which no reader asks for.
fn to_issue(row: &issue::Model, description: Option<RawJson>) -> Option<Issue> {
    let status = Status {
        id: row.status_id?,
        name: row.status_name.clone()?,
        category: StatusCategory::from_name(row.status_category.as_deref()?),
    };
    Some(Issue {
        id: IssueId(row.id),
        key: key(row.key.as_deref()?)?,
        project: ProjectId(row.project_id?),
        summary: row.summary.clone()?,
        description,
        issue_type: IssueType { id: row.type_id?, name: row.type_name.clone()?, subtask: row.type_subtask? },
        status,
        priority: named(row.priority_id, row.priority_name.as_deref()),
        resolution: named(row.resolution_id, row.resolution_name.as_deref()),
        assignee: row.assignee.clone().map(AccountId),
        reporter: row.reporter.clone().map(AccountId),
        creator: row.creator.clone().map(AccountId),
        labels: row.labels.clone()?,
        parent: match (row.parent_id, row.parent_key.as_deref()) {
            (Some(id), Some(text)) => Some(IssueRef { id: IssueId(id), key: key(text)? }),
            _ => None,
        },
        sprints: row.sprint_ids.iter().flatten().copied().map(SprintId).collect(),
        created_at: row.created_at?,
        updated_at: row.updated_at?,
        resolved_at: row.resolved_at,
        due_on: row.due_on,
    })
}

/// A comment, and whose it is.
pub(crate) fn read_comment(row: PgRow) -> Result<(IssueId, Comment), Error> {
    let row = QueryResult::from(row);
    let model = comment::Model::from_query_result(&row, "")?;
    let comment = Comment {
        id: CommentId(model.id),
        author: model.author.map(AccountId),
        update_author: model.update_author.map(AccountId),
        body: document(&row, "body")?.ok_or(Error::Unreadable("comments.body"))?,
        visibility: document(&row, "visibility")?,
        jsd_public: model.jsd_public,
        reply_to: model.reply_to.map(CommentId),
        created_at: model.created_at,
        updated_at: model.updated_at,
    };
    Ok((IssueId(model.issue_id), comment))
}

/// An entry of time spent, and on what.
pub(crate) fn read_worklog(row: PgRow) -> Result<(IssueId, Worklog), Error> {
    let row = QueryResult::from(row);
    let model = worklog::Model::from_query_result(&row, "")?;
    let worklog = Worklog {
        id: WorklogId(model.id),
        author: model.author.map(AccountId),
        update_author: model.update_author.map(AccountId),
        started_at: model.started_at,
        seconds: model.seconds,
        comment: document(&row, "comment")?,
        visibility: document(&row, "visibility")?,
        created_at: model.created_at,
        updated_at: model.updated_at,
    };
    Ok((IssueId(model.issue_id), worklog))
}

/// A link, and whose it is.
pub(crate) fn read_link(row: PgRow) -> Result<(IssueId, IssueLink), Error> {
    let model = issue_link::Model::from_query_result(&QueryResult::from(row), "")?;
    let other_key = key(&model.other_key).ok_or(Error::Unreadable("issue_links.other_key"))?;
    let link = IssueLink {
        id: model.id,
        type_id: model.type_id,
        type_name: model.type_name,
        direction: LinkDirection::from_name(&model.direction),
        other: IssueRef { id: IssueId(model.other_id), key: other_key },
    };
    Ok((IssueId(model.issue_id), link))
}

/// An entry of a changelog with one of its changes, or with none, and whose it is.
pub(crate) fn read_history(row: PgRow) -> Result<(IssueId, History), Error> {
    let row = QueryResult::from(row);
    let model = changelog::Model::from_query_result(&row, "")?;
    let more = document(&row, "more")?;
    let change = model.field.map(|field| Change {
        field,
        field_id: model.field_id,
        field_type: model.field_type,
        from: model.from_value,
        from_text: model.from_text,
        to: model.to_value,
        to_text: model.to_text,
        more,
    });
    let history = History {
        id: HistoryId(model.id),
        author: model.author.map(AccountId),
        created_at: model.created_at,
        changes: change.into_iter().collect(),
        more: document(&row, "history_more")?,
    };
    Ok((IssueId(model.issue_id), history))
}

/// A document that was selected as text.
pub(crate) fn document(row: &QueryResult, column: &'static str) -> Result<Option<RawJson>, Error> {
    let text: Option<String> = row.try_get("", column)?;
    text.map(RawJson::parse).transpose().map_err(|_| Error::Unreadable(column))
}

fn key(text: &str) -> Option<IssueKey> {
    text.parse().ok()
}

fn named(id: Option<i64>, name: Option<&str>) -> Option<Named> {
    Some(Named { id: id?, name: name?.to_owned() })
}
