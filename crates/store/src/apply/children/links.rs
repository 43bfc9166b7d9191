//! Links, in the order in which the issue lists them.

use domain::IssueLink;

use super::Ready;
use crate::directory::column;

const ADD: &str = "/* links.add */
INSERT INTO mirror.issue_links (tenant_id, instance_id, issue_id, id, direction, position, type_id, type_name, other_id,
    other_key)
SELECT $1, $2, unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::text[]), unnest($7::integer[]),
    unnest($8::bigint[]), unnest($9::text[]), unnest($10::bigint[]), unnest($11::text[])
WHERE cardinality($3::bigint[]) = 0";

const REPLACE: &str = "/* links.replace */
WITH page AS (
    SELECT unnest($4::bigint[]) AS issue_id, unnest($5::bigint[]) AS id, unnest($6::text[]) AS direction,
        unnest($7::integer[]) AS position, unnest($8::bigint[]) AS type_id, unnest($9::text[]) AS type_name,
        unnest($10::bigint[]) AS other_id, unnest($11::text[]) AS other_key
), gone AS (
    DELETE FROM mirror.issue_links WHERE ctid = ANY (ARRAY (
        SELECT c.ctid FROM unnest($3::bigint[]) AS k (issue_id) CROSS JOIN LATERAL (
            SELECT ctid, issue_id, id, direction FROM mirror.issue_links
            WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = k.issue_id OFFSET 0
        ) AS c
        WHERE (c.issue_id, c.id, c.direction) NOT IN (SELECT issue_id, id, direction FROM page)
    ))
)
INSERT INTO mirror.issue_links (tenant_id, instance_id, issue_id, id, direction, position, type_id, type_name, other_id,
    other_key)
SELECT $1, $2, p.issue_id, p.id, p.direction, p.position, p.type_id, p.type_name, p.other_id, p.other_key
FROM page p
WHERE NOT (p.issue_id = ANY ($3) AND EXISTS (
    SELECT FROM mirror.issue_links t
    WHERE t.tenant_id = $1 AND t.instance_id = $2 AND t.issue_id = p.issue_id AND t.id = p.id
        AND t.direction = p.direction
        AND (t.position, t.type_id, t.type_name, t.other_id, t.other_key)
            IS NOT DISTINCT FROM (p.position, p.type_id, p.type_name, p.other_id, p.other_key)))
ORDER BY p.issue_id, p.id, p.direction
ON CONFLICT (tenant_id, instance_id, issue_id, id, direction) DO UPDATE SET
    position = excluded.position, type_id = excluded.type_id, type_name = excluded.type_name,
    other_id = excluded.other_id, other_key = excluded.other_key";

/// The statements, for issues whose rows are new and for others.
pub(super) const TEXTS: [&str; 2] = [ADD, REPLACE];

pub(super) fn rows(begun: Ready, rows: &[(i64, i32, &IssueLink)]) -> Ready {
    begun
        .bind(column(rows, |(issue, ..)| *issue))
        .bind(column(rows, |(.., link)| link.id))
        .bind(column(rows, |(.., link)| link.direction.name()))
        .bind(column(rows, |(_, position, _)| *position))
        .bind(column(rows, |(.., link)| link.type_id))
        .bind(column(rows, |(.., link)| link.type_name.as_str()))
        .bind(column(rows, |(.., link)| link.other.id.0))
        .bind(column(rows, |(.., link)| link.other.key.as_str()))
}
