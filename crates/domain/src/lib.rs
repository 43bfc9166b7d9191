//! The words of the mirror: what an issue is, what Jira said about it, and what is allowed.
//!
//! Pure: no I/O, no runtime, no clock. Everything else in the workspace speaks in these types.

pub mod adf;
mod canonical;
mod changelog;
mod command;
mod comment;
mod field;
mod id;
mod instance;
mod issue;
pub mod jql;
mod jsonb;
mod key;
mod link;
mod operation;
mod project;
mod raw_json;
mod scope;
pub mod search;
mod snapshot;
mod sprint;
mod storable;
mod time;
mod user;
mod walk;
mod watermark;
mod webhook;
mod webhook_health;
mod workflow;
mod worklog;

pub use adf::plain_text;
pub use changelog::{Change, History};
pub use command::{AddComment, ChangeTenant, CreateIssue, CreateTenant, RichText, TransitionIssue, UpdateIssue};
pub use comment::Comment;
pub use field::Field;
pub use id::{AccountId, CommentId, HistoryId, InstanceId, IssueId, ProjectId, SprintId, TenantId, WorklogId};
pub use instance::{Instance, InstanceState, Invalid, Site, SiteRules, Tenant, valid_name};
pub use issue::{Issue, IssueType, Named};
pub use key::{IssueKey, IssueRef, ProjectKey, is_valid_issue_key};
pub use link::{IssueLink, LinkDirection};
pub use operation::{Came, Written, announced};
pub use project::{Lifecycle, Project};
pub use raw_json::RawJson;
pub use scope::Scope;
pub use snapshot::{IssueSnapshot, content_hash};
pub use sprint::Sprint;
pub use storable::storable_json;
pub use time::parse_jira_time;
pub use user::{EmailAddress, User};
pub use watermark::Watermark;
pub use webhook::{WebhookEvent, WebhookUnreadable};
pub use webhook_health::WebhookHealth;
pub use workflow::{Status, StatusCategory};
pub use worklog::Worklog;
