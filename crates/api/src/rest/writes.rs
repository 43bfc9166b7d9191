//! Writes: issues are made, changed, moved and commented in Jira, and the mirror shows it at once.

use std::time::Duration;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{FromRequest, Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{AddComment, CreateIssue, TransitionIssue, UpdateIssue, Written, search::Listed};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Asking, PREFIX};
use crate::{
    House,
    problem::Problem,
    reading::{Query, Reader},
    tagged,
    usecases::{
        Caller, Error,
        issues::Name,
        once::{Once, Told},
        version::Belief,
        writing::{self, Answer, Intent, Plan, Target},
    },
};

/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(10);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Where and whether.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WriteQuery {
    /// The site, by its id or name; the tenant's only one where absent.
    instance: Option<String>,
    /// Whether the command is only checked: nothing is done.
    #[param(value_type = Option<bool>)]
    dry_run: Option<String>,
}

/// Whether.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CreateQuery {
    /// Whether the command is only checked: nothing is done.
    #[param(value_type = Option<bool>)]
    dry_run: Option<String>,
}

/// What was done, or would be.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Outcome {
    /// It was done.
    Written(Box<Written>),
    /// It would be.
    Plan(Plan),
}

/// A command in the body.
pub(super) struct Command<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Command<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !matches!(essence, "application/json" | "application/merge-patch+json") {
            return Err(Problem::WrongType);
        }
        let read = tokio::time::timeout(BODY, Bytes::from_request(request, state)).await;
        let bytes = read.map_err(|_| Problem::SlowBody)?.map_err(|_| Problem::TooLarge)?;
        // A list would be taken for the members in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::Body("it must be an object".to_owned()));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Problem::Body(error.to_string()))
    }
}

pub(super) fn routes() -> OpenApiRouter<House> {
    OpenApiRouter::default()
        .routes(routes!(create))
        .routes(routes!(update))
        .routes(routes!(transition))
        .routes(routes!(comment))
}

/// Make an issue in Jira.
#[utoipa::path(post, operation_id = "create_issue", path = "/issues", tag = "writing", request_body = CreateIssue, security(("key" = ["issues:write"])),
    params(CreateQuery, ("Idempotency-Key" = Option<String>, Header, description = "Makes it happen once in 24 hours.")),
    responses((status = 201, description = "It was made; `Location` names it.", body = Written),
        (status = 200, description = "`dry_run`: it would be made.", body = Plan)))]
async fn create(
    State(house): State<House>,
    Extension(caller): Asking,
    headers: HeaderMap,
    Query(query): Query<CreateQuery>,
    Command(command): Command<CreateIssue>,
) -> Result<Response, Problem> {
    let intent = intent(&caller, &headers, query.dry_run.as_deref(), "POST /issues", &command)?;
    let answer = writing::create(&house.context, &caller, &command, intent).await?;
    let made = StatusCode::CREATED;
    told(answer, made)
}

/// Change fields of an issue in Jira, all or none of them.
#[utoipa::path(patch, operation_id = "update_issue", path = "/issues/{issue}", tag = "writing", request_body = UpdateIssue,
    security(("key" = ["issues:write"])),
    params(("issue" = String, Path, description = "Jira's number of it, or a key that it has or had."), WriteQuery,
        ("If-Match" = String, Header, description = "The `ETag` of the issue as it was read, or `*`.")),
    responses((status = 200, description = "It was changed, or with `dry_run` would be.", body = Outcome)))]
async fn update(
    State(house): State<House>,
    Extension(caller): Asking,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(query): Query<WriteQuery>,
    Command(command): Command<UpdateIssue>,
) -> Result<Response, Problem> {
    let issue = &Name::parse(&name)?;
    let belief = belief(&headers)?;
    let intent = intent(&caller, &headers, query.dry_run.as_deref(), &format!("PATCH /issues/{name}"), &command)?;
    let target = Target { site: query.instance.as_deref(), issue };
    told(writing::update(&house.context, &caller, &target, &command, &belief, intent).await?, StatusCode::OK)
}

/// Move an issue to another status in Jira.
#[utoipa::path(post, operation_id = "transition_issue", path = "/issues/{issue}/transitions", tag = "writing", request_body = TransitionIssue,
    security(("key" = ["issues:write"])),
    params(("issue" = String, Path, description = "Jira's number of it, or a key that it has or had."), WriteQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it happen once in 24 hours.")),
    responses((status = 200, description = "It was moved, or with `dry_run` would be.", body = Outcome)))]
async fn transition(
    State(house): State<House>,
    Extension(caller): Asking,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(query): Query<WriteQuery>,
    Command(command): Command<TransitionIssue>,
) -> Result<Response, Problem> {
    let issue = &Name::parse(&name)?;
    let address = format!("POST /issues/{name}/transitions");
    let intent = intent(&caller, &headers, query.dry_run.as_deref(), &address, &command)?;
    let target = Target { site: query.instance.as_deref(), issue };
    told(writing::transition(&house.context, &caller, &target, &command, intent).await?, StatusCode::OK)
}

/// Comment an issue in Jira.
#[utoipa::path(post, operation_id = "add_comment", path = "/issues/{issue}/comments", tag = "writing", request_body = AddComment,
    security(("key" = ["issues:write"])),
    params(("issue" = String, Path, description = "Jira's number of it, or a key that it has or had."), WriteQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it happen once in 24 hours.")),
    responses((status = 201, description = "The comment was made.", body = Written),
        (status = 200, description = "`dry_run`: it would be made.", body = Plan)))]
async fn comment(
    State(house): State<House>,
    Extension(caller): Asking,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(query): Query<WriteQuery>,
    Command(command): Command<AddComment>,
) -> Result<Response, Problem> {
    let issue = &Name::parse(&name)?;
    let address = format!("POST /issues/{name}/comments");
    let intent = intent(&caller, &headers, query.dry_run.as_deref(), &address, &command)?;
    let target = Target { site: query.instance.as_deref(), issue };
    told(writing::comment(&house.context, &caller, &target, &command, intent).await?, StatusCode::CREATED)
}

fn intent<C: Serialize>(
    caller: &Caller,
    headers: &HeaderMap,
    dry_run: Option<&str>,
    address: &str,
    command: &C,
) -> Result<Intent, Error> {
    let mut reader = Reader::default();
    let checked = reader.flag("dry_run", dry_run);
    reader.end()?;
    if checked {
        return Ok(Intent::Checked);
    }
    let key = headers.get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap_or_default());
    Ok(Intent::Done(key.map(|key| Once::new(&caller.actor.id, key, address, command)).transpose()?))
}

fn belief(headers: &HeaderMap) -> Result<Belief, Error> {
    let mut lines = headers.get_all(header::IF_MATCH).iter().filter_map(|line| line.to_str().ok()).peekable();
    if lines.peek().is_none() {
        return Err(Error::Unconditional);
    }
    let tags: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    if tags.contains(&"*") {
        return Ok(Belief::Anything);
    }
    Ok(Belief::Versions(tags.into_iter().map(|tag| tag.trim_matches('"').to_owned()).collect()))
}

/// What was done, with the issue's tag and address.
fn told(answer: Answer, done: StatusCode) -> Result<Response, Problem> {
    let Told { written, again } = match answer {
        Answer::Plan(plan) => return Ok(Json(Outcome::Plan(plan)).into_response()),
        Answer::Told(told) => *told,
    };
    let tag = match &written.issue {
        Some(issue) => Some(tagged::tag(&Listed { instance: written.instance, issue: issue.clone() })?),
        None => None,
    };
    let place = format!("{PREFIX}/issues/{}?instance={}", written.id, written.instance);
    let mut response = (done, Json(Outcome::Written(Box::new(written)))).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::LOCATION, tagged::value(&place)?);
    if let Some(tag) = tag {
        headers.insert(header::ETAG, tagged::value(&tag)?);
    }
    if again {
        headers.insert(HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));
    }
    Ok(response)
}
