//! The routes of the site, as faults and counts name them: `/rest/api/2` and `/rest/api/3` are one.

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
    /// `GET /rest/api/3/project`, all at once
    AllProjects,
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
    /// `/rest/webhooks/1.0/webhook`, with or without an id
    AdminWebhooks,
    /// `/rest/api/3/webhook` and what is below it
    DynamicWebhooks,
    /// `POST /oauth/token`
    OauthToken,
    /// `GET /oauth/token/accessible-resources`
    AccessibleResources,
    /// `GET /_edge/tenant_info`
    TenantInfo,
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
            "/rest/api/3/project" => Self::AllProjects,
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
            "/rest/webhooks/1.0/webhook" | "/rest/webhooks/1.0/webhook/{id}" => Self::AdminWebhooks,
            "/rest/api/3/webhook" | "/rest/api/3/webhook/refresh" | "/rest/api/3/webhook/failed" => {
                Self::DynamicWebhooks
            }
            "/oauth/token" => Self::OauthToken,
            "/oauth/token/accessible-resources" => Self::AccessibleResources,
            "/_edge/tenant_info" => Self::TenantInfo,
            _ => Self::Unknown,
        }
    }
}
