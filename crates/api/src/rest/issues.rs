//! `/issues`: searched, shown, and what hangs on one.

use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, Uri},
    response::Response,
};
use chrono::{NaiveDate, Utc};
use domain::{
    AccountId, Comment, History, Invalid, IssueLink, SprintId, StatusCategory,
    search::{FieldFilter, Handle, IssueFilter, Listed, Range},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Asking, page};
use crate::{
    House,
    problem::Problem,
    reading::{Query, Reader},
    tagged,
    usecases::{
        Error, Listing,
        issues::{self, Name, Part, Wanted},
    },
};

/// What issues are wanted. Parameters are joined by "and", the values of one that is given several times by "or".
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct IssueQuery {
    /// Sites, by their ids or names.
    instance: Vec<String>,
    /// Ids, keys or names.
    project: Vec<String>,
    /// Ids or names.
    status: Vec<String>,
    /// `new`, `indeterminate` or `done`.
    category: Vec<String>,
    /// Ids or names of issue types.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Vec<String>,
    /// Ids or names.
    priority: Vec<String>,
    /// Ids or names; `none` is unresolved.
    resolution: Vec<String>,
    /// Accounts; `none` is nobody.
    assignee: Vec<String>,
    /// Accounts.
    reporter: Vec<String>,
    /// At least one of these labels.
    label: Vec<String>,
    /// All of these labels.
    label_all: Vec<String>,
    /// Ids or keys.
    parent: Vec<String>,
    /// Ids of sprints.
    sprint: Vec<String>,
    /// Made at this time or later.
    created_from: Option<String>,
    /// Made before this time.
    created_before: Option<String>,
    /// Changed at this time or later.
    updated_from: Option<String>,
    /// Changed before this time.
    updated_before: Option<String>,
    /// Resolved at this time or later.
    resolved_from: Option<String>,
    /// Resolved before this time.
    resolved_before: Option<String>,
    /// Due on this day or later.
    due_from: Option<String>,
    /// Due before this day.
    due_before: Option<String>,
    /// Words of summary and description; a star at the end of one leaves it open.
    text: Option<String>,
    /// Custom fields: an id or a name, `=`, a text that it is or has.
    field: Vec<String>,
    /// A query in JQL, joined to the rest by "and".
    jql: Option<String>,
    /// Such as `-updated,key`; the query's own order, or the last change first, where absent.
    sort: Option<String>,
    /// 1 to 200; 50 where absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Whether the whole answer is counted, as far as 10,000.
    #[param(value_type = Option<bool>)]
    total: Option<String>,
}

/// On which site.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SiteQuery {
    /// The site, by its id or name; the tenant's only one where absent.
    pub(crate) instance: Option<String>,
}

/// On which site, and which portion.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// The site, by its id or name; the tenant's only one where absent.
    pub(crate) instance: Option<String>,
    /// 1 to 200; 50 where absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    pub(crate) limit: Option<String>,
    /// The `next` of the page before.
    pub(crate) cursor: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<House> {
    OpenApiRouter::default()
        .routes(routes!(search))
        .routes(routes!(show))
        .routes(routes!(comments))
        .routes(routes!(changelog))
        .routes(routes!(links))
}

/// Search issues.
#[utoipa::path(get, operation_id = "search_issues", path = "/issues", tag = "issues", params(IssueQuery), security(("key" = ["issues:read"])),
    responses((status = 200, description = "A page of issues, without their descriptions.", body = Listing<Listed>)))]
async fn search(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Query(query): Query<IssueQuery>,
) -> Result<Response, Problem> {
    page(&uri, issues::search(&house.context, &caller, query.read()?, Utc::now()).await.map_err(renamed)?)
}

/// Show an issue.
#[utoipa::path(get, operation_id = "show_issue", path = "/issues/{issue}", tag = "issues",
    params(("issue" = String, Path, description = "Jira's number of it, or a key that it has or had."), SiteQuery),
    security(("key" = ["issues:read"])),
    responses((status = 200, description = "The issue, whole, with its `ETag`.", body = Listed),
        (status = 304, description = "It is still the one that `If-None-Match` names.")))]
async fn show(
    State(house): State<House>,
    Extension(caller): Asking,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(query): Query<SiteQuery>,
) -> Result<Response, Problem> {
    let name = Name::parse(&name)?;
    tagged::answer(&headers, &issues::show(&house.context, &caller, query.instance.as_deref(), &name).await?)
}

/// List an issue's comments, the oldest first.
#[utoipa::path(get, operation_id = "list_comments", path = "/issues/{issue}/comments", tag = "issues",
    params(("issue" = String, Path, description = "Jira's number of it, or a key that it has or had."), PageQuery),
    security(("key" = ["issues:read"])),
    responses((status = 200, description = "A page of comments.", body = Listing<Comment>)))]
async fn comments(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Path(name): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let name = Name::parse(&name)?;
    page(&uri, issues::comments(&house.context, &caller, query.part(&name)?).await?)
}

/// List an issue's changelog, the oldest entry first.
#[utoipa::path(get, operation_id = "list_changelog", path = "/issues/{issue}/changelog", tag = "issues",
    params(("issue" = String, Path, description = "Jira's number of it, or a key that it has or had."), PageQuery),
    security(("key" = ["issues:read"])),
    responses((status = 200, description = "A page of entries.", body = Listing<History>)))]
async fn changelog(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Path(name): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let name = Name::parse(&name)?;
    page(&uri, issues::changelog(&house.context, &caller, query.part(&name)?).await?)
}

/// List an issue's links, in Jira's order.
#[utoipa::path(get, operation_id = "list_links", path = "/issues/{issue}/links", tag = "issues",
    params(("issue" = String, Path, description = "Jira's number of it, or a key that it has or had."), SiteQuery),
    security(("key" = ["issues:read"])),
    responses((status = 200, description = "All of its links.", body = Listing<IssueLink>)))]
async fn links(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Path(name): Path<String>,
    Query(query): Query<SiteQuery>,
) -> Result<Response, Problem> {
    let issue = &Name::parse(&name)?;
    let part = Part { site: query.instance.as_deref(), issue, paging: Default::default() };
    page(&uri, issues::links(&house.context, &caller, part).await?)
}

impl PageQuery {
    fn part<'r>(&'r self, issue: &'r Name) -> Result<Part<'r>, Error> {
        let mut reader = Reader::default();
        let paging = reader.paging(self.limit.as_deref(), self.cursor.clone());
        reader.end()?;
        Ok(Part { site: self.instance.as_deref(), issue, paging })
    }
}

impl IssueQuery {
    fn read(self) -> Result<Wanted, Error> {
        let mut reader = Reader::default();
        let filter = self.filter(&mut reader);
        let order = reader.order(self.sort.as_deref());
        let paging = reader.paging(self.limit.as_deref(), self.cursor);
        let counted = reader.flag("total", self.total.as_deref());
        reader.end()?;
        Ok(Wanted { instances: self.instance, filter, jql: self.jql, order, counted, paging })
    }

    fn filter(&self, reader: &mut Reader) -> IssueFilter {
        let time = "must be a time as 2026-01-31T12:00:00Z";
        let day = "must be a day as 2026-01-31";
        let mut times = |name: &str, from: &Option<String>, before: &Option<String>| Range {
            from: reader.one(&format!("{name}_from"), from.as_deref(), time),
            before: reader.one(&format!("{name}_before"), before.as_deref(), time),
        };
        let created = times("created", &self.created_from, &self.created_before);
        let updated = times("updated", &self.updated_from, &self.updated_before);
        let resolved = times("resolved", &self.resolved_from, &self.resolved_before);
        let due = Range::<NaiveDate> {
            from: reader.one("due_from", self.due_from.as_deref(), day),
            before: reader.one("due_before", self.due_before.as_deref(), day),
        };
        let account = |text: &String| AccountId(text.clone());
        IssueFilter {
            instances: Vec::new(),
            projects: handles(&self.project),
            statuses: handles(&self.status),
            categories: categories(&self.category, reader),
            types: handles(&self.kind),
            priorities: handles(&self.priority),
            resolutions: self.resolution.iter().map(|text| (text != NONE).then(|| handle(text))).collect(),
            assignees: self.assignee.iter().map(|text| (text != NONE).then(|| account(text))).collect(),
            reporters: self.reporter.iter().map(account).collect(),
            labels_any: self.label.clone(),
            labels_all: self.label_all.clone(),
            parents: handles(&self.parent),
            sprints: reader
                .all("sprint", &self.sprint, "must be a sprint's number")
                .into_iter()
                .map(SprintId)
                .collect(),
            created,
            updated,
            resolved,
            due,
            text: self.text.clone(),
            fields: fields(&self.field, reader),
        }
    }
}

/// Calls what is at fault in a filter as the query calls it.
fn renamed(error: Error) -> Error {
    let Error::Invalid(faults) = error else { return error };
    Error::Invalid(faults.into_iter().map(|fault| Invalid { what: parameter(fault.what), ..fault }).collect())
}

fn parameter(field: String) -> String {
    let known = match field.as_str() {
        "projects" => "project",
        "statuses" => "status",
        "types" => "type",
        "priorities" => "priority",
        "resolutions" => "resolution",
        "assignees" => "assignee",
        "reporters" => "reporter",
        "labels_any" => "label",
        "labels_all" => "label_all",
        "parents" => "parent",
        "sprints" => "sprint",
        "created" => "created_from",
        "updated" => "updated_from",
        "resolved" => "resolved_from",
        "due" => "due_from",
        other if other == "fields" || other.starts_with("fields.") => "field",
        _ => return field,
    };
    known.to_owned()
}

/// How "no value" is written.
const NONE: &str = "none";

fn handles(texts: &[String]) -> Vec<Handle> {
    texts.iter().map(|text| handle(text)).collect()
}

fn handle(text: &str) -> Handle {
    text.parse().map_or_else(|_| Handle::Name(text.to_owned()), Handle::Id)
}

fn categories(texts: &[String], reader: &mut Reader) -> Vec<StatusCategory> {
    let known = |text: &String| match StatusCategory::from_name(text) {
        StatusCategory::Undefined => None,
        category => Some(category),
    };
    let found: Vec<StatusCategory> = texts.iter().filter_map(known).collect();
    if found.len() < texts.len() {
        reader.fault("category", "must be new, indeterminate or done");
    }
    found
}

fn fields(texts: &[String], reader: &mut Reader) -> Vec<FieldFilter> {
    let mut filters: Vec<FieldFilter> = Vec::new();
    for text in texts {
        let Some((field, value)) = text.split_once('=') else {
            reader.fault("field", "must be a field's id or name, `=`, and a text");
            continue;
        };
        match filters.iter_mut().find(|filter| filter.field == field) {
            Some(filter) => filter.equals.push(value.to_owned()),
            None => {
                filters.push(FieldFilter { field: field.to_owned(), equals: vec![value.to_owned()], contains: None });
            }
        }
    }
    filters
}
