//! Reading issues whole: what answers cut off, what spoils them, and what is withheld.

use domain::IssueSnapshot;
use jira::Hydrated;
use serde_json::Value;
use simulator::{Config, Fault, Route};
use tests::{FleetOptions, TestFleet};

use super::desk::{Desk, issue_id};

/// What the site itself has of an issue.
fn truth(desk: &Desk, snapshot: &IssueSnapshot) -> Value {
    desk.world.store_view(u64::try_from(snapshot.issue.id.0).unwrap()).unwrap()
}

/// The ids of a list of the site's, ascending.
fn ids(list: &Value) -> Vec<i64> {
    let id = |entry: &Value| entry["id"].as_str().unwrap().parse().unwrap();
    let mut ids: Vec<i64> = list.as_array().unwrap().iter().map(id).collect();
    ids.sort_unstable();
    ids
}

/// An embedded changelog holds the newest forty entries; the oldest are missing without a word.
#[tokio::test]
async fn p08_a_changelog_that_is_cut_is_completed() {
    let desk = Desk::start(Config { issues: 6, histories_per_issue: 90..=110, ..Default::default() }).await;
    let whole = |hydrated: &Hydrated| {
        assert_eq!(hydrated.snapshots.len(), 6, "{:?}", hydrated.failed);
        for snapshot in &hydrated.snapshots {
            let kept: Vec<i64> = snapshot.changelog.iter().map(|history| history.id.0).collect();
            assert!(kept.len() >= 90, "{}", kept.len());
            assert_eq!(kept, ids(&truth(&desk, snapshot)["changelog"]["histories"]));
        }
    };
    whole(&desk.client.hydrate(&desk.ids()).await.unwrap());
    let alone = || desk.world.requests().of(Route::IssueChangelog);
    assert_eq!(alone(), 0);
    // Where the bulk route is not to be had, each issue is asked for its own.
    desk.world.fail_next(Route::ChangelogBulkFetch, 1, &Fault::Status(403, None));
    whole(&desk.client.hydrate(&desk.ids()).await.unwrap());
    assert!(alone() >= 6);
}

/// Twenty comments come with an issue, or a hundred with a question for comments; the others are on later pages.
#[tokio::test]
async fn p09_comments_are_read_to_their_last_page() {
    let jira = Config { issues: 3, comments_per_issue: 230..=250, embedded_comment_cap: 20, ..Default::default() };
    let desk = Desk::start(jira).await;
    let hydrated = desk.client.hydrate(&desk.ids()).await.unwrap();
    assert_eq!(hydrated.snapshots.len(), 3);
    for snapshot in &hydrated.snapshots {
        let kept: Vec<i64> = snapshot.comments.iter().map(|comment| comment.id.0).collect();
        assert!(kept.len() >= 230);
        assert_eq!(kept, ids(&truth(&desk, snapshot)["fields"]["comment"]["comments"]));
    }
}

/// One issue makes Jira stumble with a 500 whenever it is on a page: the page is halved until the issue stands alone.
#[tokio::test]
async fn p14_an_issue_that_jira_stumbles_over_spoils_no_other() {
    let desk = Desk::start(Config { issues: 30, ..Default::default() }).await;
    let ids = desk.ids();
    desk.world.poison(u64::try_from(ids[17].0).unwrap());
    let hydrated = desk.client.hydrate(&ids).await.unwrap();
    let failed: Vec<_> = hydrated.failed.iter().map(|(id, _)| *id).collect();
    assert_eq!((failed, hydrated.snapshots.len(), hydrated.absent.len()), (vec![ids[17]], 29, 0));
    // The other form of it: an answer without the issue, and an error in its place.
    let fleet = TestFleet::start().await;
    let odd = fleet.jira().issue_ids()[7];
    fleet.jira().fail_fetch(odd, 2, "Duplicate key");
    fleet.backfill().await;
    assert_eq!(fleet.dead().await, 0, "asked for alone, it was given");
    fleet.assert_mirror_equals_jira().await;
}

/// A change from or to nothing is `null` in a changelog; read and written again on the way, entries were lost over it.
#[tokio::test]
async fn p18_a_null_in_a_changelog_stays_a_null_and_no_entry_is_lost() {
    let fleet = TestFleet::start().await;
    let (world, keys) = (fleet.jira(), fleet.jira().issue_keys());
    let account = world.accounts()[1].clone();
    for assignee in [None, Some(account), None] {
        world.edit(&keys[0], |issue| issue.assignee = assignee).unwrap();
    }
    world.edit(&keys[0], |issue| issue.description = None).unwrap();
    fleet.backfill().await;
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let (mut entries, mut nulls) = (0, 0);
    for id in world.issue_ids() {
        let document = world.store_view(id).unwrap();
        let rows = tenant.snapshots(fleet.instance.id, &[issue_id(id)]).await.unwrap();
        let histories = document["changelog"]["histories"].as_array().unwrap();
        assert_eq!(rows[0].changelog.len(), histories.len(), "issue {id}");
        for history in histories {
            let row = rows[0].changelog.iter().find(|row| history["id"] == row.id.to_string()).unwrap();
            let said: Vec<_> = history["items"].as_array().unwrap().iter().map(ends).collect();
            let kept: Vec<_> = row.changes.iter().map(|it| [it.from.as_deref(), it.to.as_deref()]).collect();
            assert_eq!(kept, said, "issue {id}");
            entries += said.len();
            nulls += said.iter().flatten().filter(|end| end.is_none()).count();
        }
    }
    assert!(entries > nulls && nulls > 2, "{entries} entries, {nulls} nulls");
}

/// From what to what something was changed.
fn ends(item: &Value) -> [Option<&str>; 2] {
    ["from", "to"].map(|end| item[end].as_str())
}

/// What is in no sprint and on no board is not seen by whoever reads issues through boards.
#[tokio::test]
async fn p19_issues_on_no_board_are_mirrored() {
    let fleet = TestFleet::start().await;
    let world = fleet.jira();
    let backlog = world.create(&world.project_keys()[2], "on nobody's board").unwrap();
    fleet.backfill().await;
    assert_eq!(fleet.row(&backlog).await.unwrap().sprints, []);
    fleet.assert_mirror_equals_jira().await;
    let asked = world.requests();
    assert_eq!((asked.of(Route::Boards), asked.of(Route::Sprints)), (0, 0));
    // Boards are for sprints, and one that has none by its kind is no failure.
    let desk = Desk::start(Config { issues: 3, ..Default::default() }).await;
    for board in desk.client.boards().await.unwrap() {
        let sprints = desk.client.sprints(board.id).await.unwrap();
        assert_eq!(sprints.is_some_and(|sprints| !sprints.is_empty()), board.kind != "kanban", "{board:?}");
    }
}

/// Some things change and `updated` does not: a poll is blind to them. A new key of a whole project shows in the roll
/// call of the day; what is inside an issue, in the nightly comparison, by chance sooner or later, and in a full reading.
#[tokio::test]
async fn p20_what_changes_without_an_update_is_found_all_the_same() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.lose_webhooks();
    let world = fleet.jira();
    let updated = fleet.row("ACME-1").await.unwrap().updated_at;
    world.rekey_project("ACME", "EMCA").unwrap();
    fleet.poll().await;
    assert!(fleet.row("EMCA-1").await.is_none());
    fleet.census().await;
    let row = fleet.row("EMCA-1").await.unwrap();
    assert_eq!((row.key.as_str(), row.updated_at), ("EMCA-1", updated));
    assert_eq!(fleet.row("ACME-1").await.unwrap().id, row.id, "the old key leads there, too");
    let keys = world.issue_keys();
    world.delete(&keys[40]).unwrap();
    fleet.census().await;
    fleet.reconcile(1000).await;
    fleet.assert_mirror_equals_jira().await;
}

/// A list that only administrators may read, or the comments of a single issue: refused, they stopped whole connectors.
#[tokio::test]
async fn p21_a_part_that_is_withheld_stops_nothing_else() {
    let jira = Config { issues: 40, comments_per_issue: 2..=4, embedded_comment_cap: 1, ..Default::default() };
    let fleet = TestFleet::with(FleetOptions { jira, ..Default::default() }).await;
    let world = fleet.jira();
    world.deny_project("WEB").unwrap();
    world.fail_next(Route::Users, 1, &Fault::Status(403, None));
    world.fail_next(Route::IssueComments, 1, &Fault::Status(403, None));
    fleet.backfill().await;
    assert_eq!(fleet.dead().await, 0);
    let readable = world.issue_keys();
    assert!(!readable.is_empty() && readable.iter().all(|key| !key.starts_with("WEB-")));
    fleet.assert_mirror_equals_jira().await;
    let desk = Desk::start(Config { issues: 3, ..Default::default() }).await;
    desk.world.fail_next(Route::Users, 1, &Fault::Status(403, None));
    assert!(desk.client.users().await.unwrap().withheld.is_some(), "and it is said that people are missing");
}
