//! The tables of the schema `mirror` as SeaORM sees them: one file, one table.
//!
//! Documents (`raw`, `description`, a comment's `body` ..) are left out: they are written and read as text by `store`, so
//! that no number in them loses a digit.
#![expect(missing_docs, reason = "the columns are described where `migration` makes them")]

pub mod ai_call;
pub mod api_key;
pub mod audit_head;
pub mod audit_log;
pub mod census;
pub mod changelog;
pub mod comment;
pub mod custom_field;
pub mod house_key;
pub mod idempotency_key;
pub mod issue;
pub mod issue_key_alias;
pub mod issue_link;
pub mod jira_instance;
pub mod oauth_grant;
pub mod project;
pub mod roll_call;
pub mod sprint;
pub mod sync_watermark;
pub mod tenant;
pub mod tenant_key;
pub mod user;
pub mod webhook;
pub mod worklog;
