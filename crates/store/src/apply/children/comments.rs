//! Comments.

use domain::{Comment, RawJson};

use super::Ready;
use crate::directory::column;

const ADD: &str = "/* comments.add */
INSERT INTO mirror.comments (tenant_id, instance_id, issue_id, id, author, update_author, body, visibility, jsd_public,
    reply_to, created_at, updated_at)
SELECT $1, $2, unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::text[]), unnest($7::text[]),
    unnest($8::text[])::jsonb, unnest($9::text[])::jsonb, unnest($10::bool[]), unnest($11::bigint[]),
    unnest($12::timestamptz[]), unnest($13::timestamptz[])
WHERE cardinality($3::bigint[]) = 0";

const REPLACE: &str = "/* comments.replace */
WITH page AS (
    SELECT unnest($4::bigint[]) AS issue_id, unnest($5::bigint[]) AS id, unnest($6::text[]) AS author,
        unnest($7::text[]) AS update_author, unnest($8::text[])::jsonb AS body, unnest($9::text[])::jsonb AS visibility,
        unnest($10::bool[]) AS jsd_public, unnest($11::bigint[]) AS reply_to, unnest($12::timestamptz[]) AS created_at,
        unnest($13::timestamptz[]) AS updated_at
), gone AS (
    DELETE FROM mirror.comments WHERE ctid = ANY (ARRAY (
        SELECT c.ctid FROM unnest($3::bigint[]) AS k (issue_id) CROSS JOIN LATERAL (
            SELECT ctid, issue_id, id FROM mirror.comments
            WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = k.issue_id OFFSET 0
        ) AS c
        WHERE (c.issue_id, c.id) NOT IN (SELECT issue_id, id FROM page)
    ))
)
INSERT INTO mirror.comments (tenant_id, instance_id, issue_id, id, author, update_author, body, visibility, jsd_public,
    reply_to, created_at, updated_at)
SELECT $1, $2, p.issue_id, p.id, p.author, p.update_author, p.body, p.visibility, p.jsd_public, p.reply_to, p.created_at,
    p.updated_at
FROM page p
WHERE NOT (p.issue_id = ANY ($3) AND EXISTS (
    SELECT FROM mirror.comments t
    WHERE t.tenant_id = $1 AND t.instance_id = $2 AND t.issue_id = p.issue_id AND t.id = p.id
        AND (t.author, t.update_author, t.body, t.visibility, t.jsd_public, t.reply_to, t.created_at, t.updated_at)
            IS NOT DISTINCT FROM
            (p.author, p.update_author, p.body, p.visibility, p.jsd_public, p.reply_to, p.created_at, p.updated_at)))
ORDER BY p.issue_id, p.id
ON CONFLICT (tenant_id, instance_id, issue_id, id) DO UPDATE SET
    author = excluded.author, update_author = excluded.update_author, body = excluded.body,
    visibility = excluded.visibility, jsd_public = excluded.jsd_public, reply_to = excluded.reply_to,
    created_at = excluded.created_at, updated_at = excluded.updated_at";

/// The statements, for issues whose rows are new and for others.
pub(super) const TEXTS: [&str; 2] = [ADD, REPLACE];

pub(super) fn rows(begun: Ready, rows: &[(i64, &Comment)]) -> Ready {
    begun
        .bind(column(rows, |(issue, _)| *issue))
        .bind(column(rows, |(_, comment)| comment.id.0))
        .bind(column(rows, |(_, comment)| comment.author.as_ref().map(|account| account.0.as_str())))
        .bind(column(rows, |(_, comment)| comment.update_author.as_ref().map(|account| account.0.as_str())))
        .bind(column(rows, |(_, comment)| comment.body.as_str()))
        .bind(column(rows, |(_, comment)| comment.visibility.as_ref().map(RawJson::as_str)))
        .bind(column(rows, |(_, comment)| comment.jsd_public))
        .bind(column(rows, |(_, comment)| comment.reply_to.map(|id| id.0)))
        .bind(column(rows, |(_, comment)| comment.created_at))
        .bind(column(rows, |(_, comment)| comment.updated_at))
}
