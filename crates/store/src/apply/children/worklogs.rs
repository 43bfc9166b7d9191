//! Time that was written down.

use domain::{RawJson, Worklog};

use super::Ready;
use crate::directory::column;

const ADD: &str = "/* worklogs.add */
INSERT INTO mirror.worklogs (tenant_id, instance_id, issue_id, id, author, update_author, started_at, seconds, comment,
    visibility, created_at, updated_at)
SELECT $1, $2, unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::text[]), unnest($7::text[]),
    unnest($8::timestamptz[]), unnest($9::bigint[]), unnest($10::text[])::jsonb, unnest($11::text[])::jsonb,
    unnest($12::timestamptz[]), unnest($13::timestamptz[])
WHERE cardinality($3::bigint[]) = 0";

const REPLACE: &str = "/* worklogs.replace */
WITH page AS (
    SELECT unnest($4::bigint[]) AS issue_id, unnest($5::bigint[]) AS id, unnest($6::text[]) AS author,
        unnest($7::text[]) AS update_author, unnest($8::timestamptz[]) AS started_at, unnest($9::bigint[]) AS seconds,
        unnest($10::text[])::jsonb AS comment, unnest($11::text[])::jsonb AS visibility,
        unnest($12::timestamptz[]) AS created_at, unnest($13::timestamptz[]) AS updated_at
), gone AS (
    DELETE FROM mirror.worklogs WHERE ctid = ANY (ARRAY (
        SELECT w.ctid FROM unnest($3::bigint[]) AS k (issue_id) CROSS JOIN LATERAL (
            SELECT ctid, issue_id, id FROM mirror.worklogs
            WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = k.issue_id OFFSET 0
        ) AS w
        WHERE (w.issue_id, w.id) NOT IN (SELECT issue_id, id FROM page)
    ))
)
INSERT INTO mirror.worklogs (tenant_id, instance_id, issue_id, id, author, update_author, started_at, seconds, comment,
    visibility, created_at, updated_at)
SELECT $1, $2, p.issue_id, p.id, p.author, p.update_author, p.started_at, p.seconds, p.comment, p.visibility,
    p.created_at, p.updated_at
FROM page p
WHERE NOT (p.issue_id = ANY ($3) AND EXISTS (
    SELECT FROM mirror.worklogs t
    WHERE t.tenant_id = $1 AND t.instance_id = $2 AND t.issue_id = p.issue_id AND t.id = p.id
        AND (t.author, t.update_author, t.started_at, t.seconds, t.comment, t.visibility, t.created_at, t.updated_at)
            IS NOT DISTINCT FROM
            (p.author, p.update_author, p.started_at, p.seconds, p.comment, p.visibility, p.created_at, p.updated_at)))
ORDER BY p.issue_id, p.id
ON CONFLICT (tenant_id, instance_id, issue_id, id) DO UPDATE SET
    author = excluded.author, update_author = excluded.update_author, started_at = excluded.started_at,
    seconds = excluded.seconds, comment = excluded.comment, visibility = excluded.visibility,
    created_at = excluded.created_at, updated_at = excluded.updated_at";

/// The statements, for issues whose rows are new and for others.
pub(super) const TEXTS: [&str; 2] = [ADD, REPLACE];

pub(super) fn rows(begun: Ready, rows: &[(i64, &Worklog)]) -> Ready {
    begun
        .bind(column(rows, |(issue, _)| *issue))
        .bind(column(rows, |(_, worklog)| worklog.id.0))
        .bind(column(rows, |(_, worklog)| worklog.author.as_ref().map(|account| account.0.as_str())))
        .bind(column(rows, |(_, worklog)| worklog.update_author.as_ref().map(|account| account.0.as_str())))
        .bind(column(rows, |(_, worklog)| worklog.started_at))
        .bind(column(rows, |(_, worklog)| worklog.seconds))
        .bind(column(rows, |(_, worklog)| worklog.comment.as_ref().map(RawJson::as_str)))
        .bind(column(rows, |(_, worklog)| worklog.visibility.as_ref().map(RawJson::as_str)))
        .bind(column(rows, |(_, worklog)| worklog.created_at))
        .bind(column(rows, |(_, worklog)| worklog.updated_at))
}
