//! Boards and sprints: every project has a Scrum board with four sprints, and the first one a Kanban board as well.

use serde::Serialize;
use serde_json::{Value, json};

use super::people::Project;

/// The Kanban board's id; Scrum boards count from 1 in the order of their projects.
pub(crate) const KANBAN: usize = 9_000;

/// A sprint as the sprint field shows it; future ones have no dates.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sprint {
    pub(crate) id: u32,
    name: String,
    pub(crate) state: &'static str,
    board_id: u32,
    goal: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_date: Option<&'static str>,
}

impl Sprint {
    /// The last digit says how far a sprint is: 1 and 2 closed, 3 active, 4 future; the rest is the board.
    pub(crate) fn of(id: u32) -> Self {
        let (state, start_date, end_date, complete_date) = match id % 10 {
            1 | 2 => (
                "closed",
                Some("2025-06-02T08:00:00.000Z"),
                Some("2025-06-16T08:00:00.000Z"),
                Some("2025-06-16T09:12:44.882Z"),
            ),
            3 => ("active", Some("2025-12-01T08:00:00.000Z"), Some("2025-12-15T08:00:00.000Z"), None),
            _ => ("future", None, None, None),
        };
        let name = format!("Sprint {id}");
        Self { id, name, state, board_id: id / 10 + 1, goal: "", start_date, end_date, complete_date }
    }

    /// The sprints of the board of the project at this place.
    pub(crate) fn all_of(place: usize) -> Vec<Self> {
        let base = u32::try_from(place).unwrap_or(0) * 10;
        (1..=4).map(|n| Self::of(base + n)).collect()
    }

    /// Whether such a sprint is there, on a site with this many projects.
    pub(crate) fn exists(id: u32, projects: usize) -> bool {
        (1..=4).contains(&(id % 10)) && usize::try_from(id / 10).is_ok_and(|place| place < projects)
    }

    /// The sprint as the Agile API shows it: its board is called `originBoardId` there.
    pub(crate) fn agile(&self, host: &str) -> Value {
        let mut sprint = json!({
            "id": self.id, "self": format!("{host}/rest/agile/1.0/sprint/{}", self.id), "state": self.state,
            "name": self.name, "originBoardId": self.board_id, "goal": self.goal,
            "createdDate": "2024-01-08T08:00:00.000Z",
        });
        let dates = [("startDate", self.start_date), ("endDate", self.end_date), ("completeDate", self.complete_date)];
        for (name, date) in dates {
            if let (Some(date), Some(fields)) = (date, sprint.as_object_mut()) {
                fields.insert(name.into(), json!(date));
            }
        }
        sprint
    }
}

/// A board as the Agile API lists it.
pub(crate) fn board_json(host: &str, id: usize, kind: &str, project: &Project) -> Value {
    let (name, number) = (format!("{} ({})", project.name, project.key), project.id.parse::<u64>().unwrap_or(0));
    json!({
        "id": id, "self": format!("{host}/rest/agile/1.0/board/{id}"), "name": format!("{} board", project.key),
        "type": kind, "isPrivate": false,
        "location": {
            "projectId": number, "displayName": name, "projectName": project.name, "projectKey": project.key,
            "projectTypeKey": "software", "name": name,
        },
    })
}
