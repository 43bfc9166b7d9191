//! What goes wrong on purpose, and what was asked: faults scripted per route, the state of the token, counts.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::world::World;

/// A route of the simulated site, as faults and counts name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// `GET|POST /rest/api/3/search/jql`
    Search,
    /// `POST /rest/api/3/search/approximate-count`
    ApproximateCount,
    /// `POST /rest/api/3/issue/bulkfetch`
    BulkFetch,
    /// `POST /rest/api/3/changelog/bulkfetch`
    ChangelogBulkFetch,
    /// `GET|PUT|DELETE /rest/api/3/issue/{idOrKey}`
    Issue,
    /// `GET /rest/api/3/issue/{idOrKey}/changelog`
    IssueChangelog,
    /// `GET|POST /rest/api/3/issue/{idOrKey}/comment`
    IssueComments,
    /// `GET /rest/api/3/project/search`
    Projects,
    /// `GET /rest/api/3/users/search`
    Users,
    /// `GET /rest/api/3/field`
    Fields,
    /// `GET /rest/api/3/myself`
    Myself,
    /// `GET /rest/api/3/serverInfo`
    ServerInfo,
    /// `POST /rest/api/3/comment/list`
    CommentList,
    /// `POST /rest/api/3/issue`
    CreateIssue,
    /// `POST /rest/api/3/issue/bulk`
    CreateIssues,
    /// `PUT /rest/api/3/issue/archive`
    Archive,
    /// `PUT /rest/api/3/issue/unarchive`
    Unarchive,
    /// `PUT /rest/api/3/issue/{id}/assignee`
    Assignee,
    /// `GET|POST /rest/api/3/issue/{id}/transitions`
    Transitions,
    /// `GET|PUT|DELETE /rest/api/3/issue/{id}/comment/{comment}`
    IssueComment,
    /// `GET|POST /rest/api/3/issue/{id}/worklog`
    IssueWorklogs,
    /// `GET|PUT|DELETE /rest/api/3/issue/{id}/worklog/{worklog}`
    IssueWorklog,
    /// `GET /rest/api/3/worklog/updated`
    WorklogsUpdated,
    /// `GET /rest/api/3/worklog/deleted`
    WorklogsDeleted,
    /// `POST /rest/api/3/worklog/list`
    WorklogList,
    /// `GET|POST|DELETE /rest/api/3/issue/{id}/remotelink`
    RemoteLinks,
    /// `GET|DELETE /rest/api/3/issue/{id}/remotelink/{link}`
    RemoteLink,
    /// `POST /rest/api/3/issueLink`
    CreateLink,
    /// `GET|DELETE /rest/api/3/issueLink/{link}`
    Link,
    /// `GET /rest/api/3/issueLinkType`
    LinkTypes,
    /// `GET /rest/api/3/project/{id}`
    Project,
    /// `GET /rest/api/3/project/{id}/statuses`
    ProjectStatuses,
    /// `GET /rest/api/3/user`
    User,
    /// `GET /rest/api/3/user/bulk`
    UserBulk,
    /// `GET /rest/api/3/mypermissions`
    Permissions,
    /// `GET /rest/api/3/status`
    Statuses,
    /// `GET /rest/api/3/statuses/search`
    StatusSearch,
    /// `GET /rest/api/3/issuetype`
    IssueTypes,
    /// `GET /rest/api/3/priority`
    Priorities,
    /// `GET /rest/api/3/priority/search`
    PrioritySearch,
    /// `GET /rest/api/3/issue/createmeta/{project}/issuetypes`
    CreateTypes,
    /// `GET /rest/api/3/issue/createmeta/{project}/issuetypes/{kind}`
    CreateFields,
    /// `POST /rest/api/3/jql/match`
    JqlMatch,
    /// `GET /rest/agile/1.0/board`
    Boards,
    /// `GET /rest/agile/1.0/board/{board}/sprint`
    Sprints,
    /// `GET /rest/agile/1.0/sprint/{sprint}`
    Sprint,
    /// `GET|POST /rest/api/3/search`, which is gone
    OldSearch,
    /// Everything else
    Unknown,
}

impl Route {
    /// The route a path template belongs to.
    pub(crate) fn of(path: &str) -> Self {
        match path {
            "/rest/api/3/search/jql" => Self::Search,
            "/rest/api/3/search/approximate-count" => Self::ApproximateCount,
            "/rest/api/3/issue/bulkfetch" => Self::BulkFetch,
            "/rest/api/3/changelog/bulkfetch" => Self::ChangelogBulkFetch,
            "/rest/api/3/issue/{id}" => Self::Issue,
            "/rest/api/3/issue/{id}/changelog" => Self::IssueChangelog,
            "/rest/api/3/issue/{id}/comment" => Self::IssueComments,
            "/rest/api/3/project/search" => Self::Projects,
            "/rest/api/3/users/search" => Self::Users,
            "/rest/api/3/field" => Self::Fields,
            "/rest/api/3/myself" => Self::Myself,
            "/rest/api/3/serverInfo" => Self::ServerInfo,
            "/rest/api/3/comment/list" => Self::CommentList,
            "/rest/api/3/issue" => Self::CreateIssue,
            "/rest/api/3/issue/bulk" => Self::CreateIssues,
            "/rest/api/3/issue/archive" => Self::Archive,
            "/rest/api/3/issue/unarchive" => Self::Unarchive,
            "/rest/api/3/issue/{id}/assignee" => Self::Assignee,
            "/rest/api/3/issue/{id}/transitions" => Self::Transitions,
            "/rest/api/3/issue/{id}/comment/{comment}" => Self::IssueComment,
            "/rest/api/3/issue/{id}/worklog" => Self::IssueWorklogs,
            "/rest/api/3/issue/{id}/worklog/{worklog}" => Self::IssueWorklog,
            "/rest/api/3/worklog/updated" => Self::WorklogsUpdated,
            "/rest/api/3/worklog/deleted" => Self::WorklogsDeleted,
            "/rest/api/3/worklog/list" => Self::WorklogList,
            "/rest/api/3/issue/{id}/remotelink" => Self::RemoteLinks,
            "/rest/api/3/issue/{id}/remotelink/{link}" => Self::RemoteLink,
            "/rest/api/3/issueLink" => Self::CreateLink,
            "/rest/api/3/issueLink/{link}" => Self::Link,
            "/rest/api/3/issueLinkType" => Self::LinkTypes,
            "/rest/api/3/project/{id}" => Self::Project,
            "/rest/api/3/project/{id}/statuses" => Self::ProjectStatuses,
            "/rest/api/3/user" => Self::User,
            "/rest/api/3/user/bulk" => Self::UserBulk,
            "/rest/api/3/mypermissions" => Self::Permissions,
            "/rest/api/3/status" => Self::Statuses,
            "/rest/api/3/statuses/search" => Self::StatusSearch,
            "/rest/api/3/issuetype" => Self::IssueTypes,
            "/rest/api/3/priority" => Self::Priorities,
            "/rest/api/3/priority/search" => Self::PrioritySearch,
            "/rest/api/3/issue/createmeta/{project}/issuetypes" => Self::CreateTypes,
            "/rest/api/3/issue/createmeta/{project}/issuetypes/{kind}" => Self::CreateFields,
            "/rest/api/3/jql/match" => Self::JqlMatch,
            "/rest/agile/1.0/board" => Self::Boards,
            "/rest/agile/1.0/board/{board}/sprint" => Self::Sprints,
            "/rest/agile/1.0/sprint/{sprint}" => Self::Sprint,
            "/rest/api/3/search" => Self::OldSearch,
            _ => Self::Unknown,
        }
    }
}

/// What happens to a request instead of (or before) its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 by the burst limit, with `Retry-After` in whole seconds or without.
    RateLimited(Option<Duration>),
    /// This status (500, 502, 503 ..) with Jira's error body, with `Retry-After` or without.
    Status(u16, Option<Duration>),
    /// The right answer, this much later.
    Slow(Duration),
    /// The connection breaks off in the middle of the answer.
    Cut,
}

/// How often what was asked since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// All requests, refused ones included.
    pub total: u64,
    /// The same by route.
    pub by_route: BTreeMap<Route, u64>,
}

impl Requests {
    /// Requests of one route.
    pub fn of(&self, route: Route) -> u64 {
        self.by_route.get(&route).copied().unwrap_or(0)
    }
}

/// What the site thinks of the credentials it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Token {
    #[default]
    Valid,
    /// Answered as nobody: 200 and empty lists.
    Expired,
    /// Answered with 401.
    Refused,
    /// Locked out until somebody solves a CAPTCHA: 403.
    LockedOut,
}

/// The mutable part of the front door.
#[derive(Default)]
pub(crate) struct Door {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    requests: Requests,
    token: Token,
    /// In place of the configured one.
    replaced: Option<String>,
    faults: HashMap<Route, VecDeque<Fault>>,
    any: VecDeque<Fault>,
    poisoned: BTreeSet<u64>,
}

impl Door {
    /// Counts a request and takes the fault that was scripted for it, its own before those for any route.
    pub(crate) fn enter(&self, route: Route) -> (Token, Option<Fault>) {
        let mut inner = self.lock();
        inner.requests.total += 1;
        *inner.requests.by_route.entry(route).or_default() += 1;
        let own = inner.faults.get_mut(&route).and_then(VecDeque::pop_front);
        let fault = own.or_else(|| inner.any.pop_front());
        (inner.token, fault)
    }

    /// Whether any of these issues makes the site stumble.
    pub(crate) fn is_poisoned(&self, mut ids: impl Iterator<Item = u64>) -> bool {
        let inner = self.lock();
        !inner.poisoned.is_empty() && ids.any(|id| inner.poisoned.contains(&id))
    }

    /// The token that is taken now, where it is not the configured one.
    pub(crate) fn replaced_token(&self) -> Option<String> {
        self.lock().replaced.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// Requests seen so far.
    pub fn requests(&self) -> Requests {
        self.door.lock().requests.clone()
    }

    /// The token stops working the quiet way: reads answer 200 and empty lists, `/myself` 401.
    pub fn expire_token(&self) {
        self.door.lock().token = Token::Expired;
    }

    /// The token stops working the loud way: 401 on every route.
    pub fn require_auth_401(&self) {
        self.door.lock().token = Token::Refused;
    }

    /// The account is locked out by a CAPTCHA: 403 on every route.
    pub fn lock_out(&self) {
        self.door.lock().token = Token::LockedOut;
    }

    /// From now on only this token is taken.
    pub fn replace_token(&self, token: &str) {
        self.door.lock().replaced = Some(token.to_owned());
    }

    /// The token works again.
    pub fn restore_token(&self) {
        self.door.lock().token = Token::Valid;
    }

    /// The next `times` requests of this route meet this fault, after those scripted before.
    pub fn fail_next(&self, route: Route, times: usize, fault: &Fault) {
        let mut inner = self.door.lock();
        inner.faults.entry(route).or_default().extend(std::iter::repeat_n(fault.clone(), times));
    }

    /// The next `times` requests of any route meet this fault.
    pub fn fail_any(&self, times: usize, fault: &Fault) {
        self.door.lock().any.extend(std::iter::repeat_n(fault.clone(), times));
    }

    /// Forgets every scripted fault; poisoned issues stay poisoned.
    pub fn clear_faults(&self) {
        let mut inner = self.door.lock();
        inner.faults.clear();
        inner.any.clear();
    }

    /// Any read that holds this issue answers 500 from now on.
    pub fn poison(&self, id: u64) {
        self.door.lock().poisoned.insert(id);
    }

    /// The issue can be read again.
    pub fn cure(&self, id: u64) {
        self.door.lock().poisoned.remove(&id);
    }
}
