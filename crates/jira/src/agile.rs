//! Boards and their sprints. A board's columns are not its project: issues are never read through boards.

use chrono::{DateTime, Utc};
use domain::{ProjectId, Sprint, SprintId};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Client, Error, lenient, meta::present, paging::Listing, reference::read, request::Request};

/// The most that Jira gives of boards or sprints at once.
const PAGE: usize = 50;

/// A board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Jira's number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// `scrum`, `kanban`, or `simple` in team-managed projects.
    pub kind: String,
    /// The project it stands in, where it stands in one.
    pub project: Option<ProjectId>,
}

impl Client {
    /// All boards that the account may see.
    pub async fn boards(&self) -> Result<Vec<Board>, Error> {
        let listing = Listing {
            route: "/agile/board",
            path: "/rest/agile/1.0/board",
            parameters: &[],
            size: PAGE,
            lists: &["values"],
        };
        self.all(&listing, board).await
    }

    /// All sprints of a board, closed ones too; `None` for a board that has none by its kind, or that is gone.
    pub async fn sprints(&self, board: i64) -> Result<Option<Vec<Sprint>>, Error> {
        let listing = Listing {
            route: "/agile/board/{id}/sprint",
            path: &format!("/rest/agile/1.0/board/{board}/sprint"),
            parameters: &[],
            size: PAGE,
            lists: &["values"],
        };
        match self.all(&listing, sprint).await {
            // "The board does not support sprints"
            Err(Error::Refused { status: 400, .. }) => Ok(None),
            sprints => present(sprints),
        }
    }
}

impl Client {
    /// One sprint, and when it was asked for; `None` for one that is gone or that the account may not see.
    pub async fn sprint(&self, id: SprintId) -> Result<Option<(Sprint, DateTime<Utc>)>, Error> {
        let url = self.at(&format!("/rest/agile/1.0/sprint/{id}"));
        match self.send(Request::get(url, "/agile/sprint/{id}")).await {
            Err(error) if error.is_absence() => Ok(None),
            answer => {
                let answer = answer?;
                let told = answer.tell(sprint(answer.read("a sprint")?))?;
                Ok(Some((told, answer.asked_at())))
            }
        }
    }
}

fn board(raw: &RawValue) -> Result<Board, Error> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default, deserialize_with = "lenient::id")]
        id: Option<i64>,
        #[serde(default, deserialize_with = "lenient::text")]
        name: Option<String>,
        #[serde(rename = "type", default, deserialize_with = "lenient::text")]
        kind: Option<String>,
        #[serde(default, deserialize_with = "lenient::part")]
        location: Option<Location>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Location {
        #[serde(default, deserialize_with = "lenient::id")]
        project_id: Option<i64>,
    }
    let wire: Wire = read(raw, "a board")?;
    Ok(Board {
        id: wire.id.ok_or_else(|| Error::malformed("a board without an id"))?,
        name: wire.name.unwrap_or_default(),
        kind: wire.kind.unwrap_or_default(),
        project: wire.location.and_then(|location| location.project_id).map(ProjectId),
    })
}

fn sprint(raw: &RawValue) -> Result<Sprint, Error> {
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
        origin_board_id: Option<i64>,
        #[serde(default, deserialize_with = "lenient::text")]
        goal: Option<String>,
        #[serde(default, deserialize_with = "lenient::time")]
        start_date: Option<DateTime<Utc>>,
        #[serde(default, deserialize_with = "lenient::time")]
        end_date: Option<DateTime<Utc>>,
        #[serde(default, deserialize_with = "lenient::time")]
        complete_date: Option<DateTime<Utc>>,
    }
    let wire: Wire = read(raw, "a sprint")?;
    Ok(Sprint {
        id: SprintId(wire.id.ok_or_else(|| Error::malformed("a sprint without an id"))?),
        name: wire.name.unwrap_or_default(),
        state: wire.state.unwrap_or_default(),
        board: wire.origin_board_id,
        goal: wire.goal.filter(|goal| !goal.is_empty()),
        starts_at: wire.start_date,
        ends_at: wire.end_date,
        completed_at: wire.complete_date,
    })
}
