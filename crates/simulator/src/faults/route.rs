//! The routes of the site, as faults and counts name them.

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
    /// `GET /rest/api/3/issue/{idOrKey}`
    Issue,
    /// `GET /rest/api/3/issue/{idOrKey}/changelog`
    IssueChangelog,
    /// `GET /rest/api/3/issue/{idOrKey}/comment`
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
