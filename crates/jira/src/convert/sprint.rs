//! The sprints that an issue tells of. The field's number differs from site to site, its shape does not: a list of objects
//! with id, state and board, or of GreenHopper's old texts.

use std::collections::BTreeMap;

use domain::{Sprint, SprintId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::read;
use crate::{Error, lenient, lenient::Members};

/// What GreenHopper's texts begin with.
const OLD: &str = "com.atlassian.greenhopper.service.sprint.Sprint@";

/// The members that GreenHopper's texts may have. Anything else after a comma belongs to the value before it.
const OLD_MEMBERS: [&str; 12] = [
    "id",
    "rapidViewId",
    "state",
    "name",
    "startDate",
    "endDate",
    "completeDate",
    "activatedDate",
    "sequence",
    "goal",
    "synced",
    "autoStartStop",
];

/// All sprints that an issue was ever in, each once.
pub(super) fn sprints(fields: &Members<'_>) -> Result<Vec<Sprint>, Error> {
    let mut sprints: Vec<Sprint> = Vec::new();
    let tells = |value: &RawValue| ["oardId\"", "rapidViewId="].iter().any(|mark| value.get().contains(mark));
    let lists = fields
        .0
        .iter()
        .filter(|(name, value)| name.starts_with("customfield_") && value.get().starts_with('[') && tells(value));
    for (_, value) in lists {
        let entries: Vec<&RawValue> = read(value.get(), "a list")?;
        for sprint in entries.into_iter().filter_map(sprint) {
            if sprints.iter().all(|known| known.id != sprint.id) {
                sprints.push(sprint);
            }
        }
    }
    Ok(sprints)
}

fn sprint(entry: &RawValue) -> Option<Sprint> {
    if entry.get().starts_with('"') {
        return old(&lenient::spelled(entry)?);
    }
    let sprint: Wire = serde_json::from_str(entry.get()).ok()?;
    let board = sprint.board_id.or(sprint.origin_board_id)?;
    Some(Sprint {
        id: SprintId(sprint.id?),
        name: sprint.name.unwrap_or_default(),
        state: sprint.state?.to_lowercase(),
        board: Some(board),
        goal: sprint.goal.filter(|goal| !goal.is_empty()),
        starts_at: sprint.start_date,
        ends_at: sprint.end_date,
        completed_at: sprint.complete_date,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    state: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    board_id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::id")]
    origin_board_id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    goal: Option<String>,
    #[serde(default, deserialize_with = "lenient::time")]
    start_date: Option<chrono::DateTime<chrono::Utc>>,
    #[serde(default, deserialize_with = "lenient::time")]
    end_date: Option<chrono::DateTime<chrono::Utc>>,
    #[serde(default, deserialize_with = "lenient::time")]
    complete_date: Option<chrono::DateTime<chrono::Utc>>,
}

/// `..Sprint@38c6[id=9,rapidViewId=2,state=ACTIVE,name=One, two,startDate=<null>]`
fn old(text: &str) -> Option<Sprint> {
    let inside = text.strip_prefix(OLD)?.split_once('[')?.1;
    let members = old_members(inside.strip_suffix(']').unwrap_or(inside));
    let told = |name: &str| members.get(name).filter(|value| !value.is_empty() && *value != "<null>");
    let time = |name: &str| told(name).and_then(|value| domain::parse_jira_time(value));
    Some(Sprint {
        id: SprintId(told("id")?.parse().ok()?),
        name: told("name").cloned().unwrap_or_default(),
        state: told("state").map(|state| state.to_lowercase()).unwrap_or_default(),
        board: told("rapidViewId").and_then(|board| board.parse().ok()),
        goal: told("goal").cloned(),
        starts_at: time("startDate"),
        ends_at: time("endDate"),
        completed_at: time("completeDate"),
    })
}

/// Names and goals may contain commas, so a part that begins with no known member goes on where the last one stopped.
fn old_members(inside: &str) -> BTreeMap<&str, String> {
    let mut members: BTreeMap<&str, String> = BTreeMap::new();
    let mut last = None;
    for part in inside.split(',') {
        match part.split_once('=').filter(|(name, _)| OLD_MEMBERS.contains(name) && !members.contains_key(name)) {
            Some((name, value)) => {
                members.insert(name, value.to_owned());
                last = Some(name);
            }
            None => {
                if let Some(value) = last.and_then(|name| members.get_mut(name)) {
                    value.push(',');
                    value.push_str(part);
                }
            }
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_text_tells_everything() {
        let text = "com.atlassian.greenhopper.service.sprint.Sprint@1f[id=9,rapidViewId=2,state=CLOSED,name=One, two,\
                    startDate=2019-03-01T09:00:00.000Z,endDate=<null>,completeDate=<null>,sequence=9,goal=a=b, c]";
        let sprint = old(text).expect("a sprint");
        assert_eq!((sprint.id.0, sprint.name.as_str(), sprint.state.as_str()), (9, "One, two", "closed"));
        assert_eq!((sprint.board, sprint.goal.as_deref()), (Some(2), Some("a=b, c")));
        assert!(sprint.starts_at.is_some() && sprint.ends_at.is_none() && sprint.completed_at.is_none());
        assert!(old("com.atlassian.greenhopper.service.sprint.Sprint@1f[name=x]").is_none());
        assert!(old("another text").is_none());
    }
}
