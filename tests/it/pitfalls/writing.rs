//! Writing: texts that Jira does not take, words that it drops, and answers that never come.

use domain::{IssueId, ProjectId, RawJson, adf::Document};
use jira::{Error, Landed, Mark, NewComment, NewIssue, NewTransition, Visible};
use simulator::{Config, Fault, IssueLimits, Route, Status, TransitionComments};

use super::desk::Desk;

/// The transition that leads to `Done` from everywhere.
const DONE: &str = "31";

/// An issue to be made in the first project, with its title as the operation that makes it.
pub(super) async fn new_issue(desk: &Desk, title: &str) -> NewIssue {
    let project = ProjectId(10_000);
    let kinds = desk.client.creatable_types(project).await.unwrap().unwrap();
    NewIssue {
        project,
        kind: kinds.iter().find(|kind| kind.name == "Task").unwrap().id,
        summary: title.to_owned(),
        labels: Vec::new(),
        fields: Vec::new(),
        mark: Mark::new(title).unwrap(),
        visible: Visible::Label,
    }
}

fn words(text: &str) -> RawJson {
    Document::from_markdown(text).to_json()
}

fn comment(body: RawJson, operation: &str) -> NewComment {
    NewComment { body, visibility: None, mark: Mark::new(operation).unwrap() }
}

/// The bodies of an issue's comments, oldest first.
fn bodies(desk: &Desk, issue: IssueId) -> Vec<RawJson> {
    let document = desk.world.store_view(u64::try_from(issue.0).unwrap()).unwrap();
    let comments = document["fields"]["comment"]["comments"].as_array().unwrap().clone();
    comments.iter().map(|comment| RawJson::of(&comment["body"]).unwrap()).collect()
}

/// Jira wants documents where people write text, and drops the comment of a transition without a word when the screen
/// has no place for it.
#[tokio::test]
async fn p15_text_is_sent_as_a_document_and_a_dropped_comment_is_made_by_itself() {
    for (transition_comments, apart) in [(TransitionComments::Kept, false), (TransitionComments::Dropped, true)] {
        let jira = Config { issues: 3, comments_per_issue: 1..=1, transition_comments, ..Default::default() };
        let desk = Desk::start(jira).await;
        let (key, body) = (desk.world.issue_keys()[0].clone(), words("It *works* now, see `main`"));
        let issue = desk.id(&key);
        let refused = desk.client.comment(issue, &comment(RawJson::of(&"plain text").unwrap(), "plain")).await;
        assert!(matches!(refused, Err(Error::Refused { status: 400, .. })), "{refused:?}");
        desk.world.edit(&key, |issue| issue.status = Status::InProgress).unwrap();
        let along = Some(comment(body.clone(), "along"));
        let way = NewTransition { id: DONE.to_owned(), fields: Vec::new(), comment: along, mark: None };
        let landed = desk.client.transition(issue, &way).await.unwrap();
        assert_eq!(matches!(landed, Landed::Apart(_)), apart, "{landed:?}");
        assert!(!matches!(landed, Landed::NoComment));
        let bodies = bodies(&desk, issue);
        assert_eq!((bodies.len(), &bodies[1]), (2, &body), "once, whoever made it");
        assert!(desk.client.issue(issue).await.unwrap().unwrap().issue.is_done());
    }
}

/// A text of more than 32,767 characters is refused, by a sentence that not always names the field; and one issue takes
/// only so many comments.
#[tokio::test]
async fn p24_a_text_that_is_too_long_is_not_sent() {
    let issue_limits = IssueLimits { comments: 2, ..Default::default() };
    let desk = Desk::start(Config { issues: 3, comments_per_issue: 1..=1, issue_limits, ..Default::default() }).await;
    let (issue, longest) = (desk.ids()[0], "ä".repeat(32_767));
    let long = words(&format!("{longest}ä"));
    desk.client.myself().await.unwrap();
    let before = desk.world.requests().total;
    let fields = [("description".to_owned(), long.clone())];
    let mut new = new_issue(&desk, "too-long").await;
    new.fields = fields.to_vec();
    let asked = desk.world.requests().total;
    for refused in [
        desk.client.comment(issue, &comment(long, "long")).await.map(|_| ()),
        desk.client.edit(issue, &fields, None).await,
        desk.client.create(&new).await.map(|_| ()),
    ] {
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    assert!(asked > before, "Jira was reachable");
    assert_eq!(desk.world.requests().total, asked, "and was not asked");
    desk.client.comment(issue, &comment(words(&longest), "longest")).await.unwrap();
    let full = desk.client.comment(issue, &comment(words("one more"), "more")).await;
    assert!(matches!(full, Err(Error::Refused { status: 413, .. })), "{full:?}");
}

/// A write whose answer is lost has happened or has not: sent again blindly, it happens twice.
#[tokio::test]
async fn p25_a_write_whose_answer_is_lost_is_found_by_its_mark_and_not_sent_again() {
    let desk = Desk::start(Config { issues: 3, comments_per_issue: 0..=0, ..Default::default() }).await;
    let (client, world) = (&desk.client, &desk.world);
    let new = new_issue(&desk, "once").await;
    world.fail_next(Route::CreateIssue, 1, &Fault::CutAfter);
    let lost = client.create(&new).await;
    assert!(matches!(&lost, Err(Error::Unknown { settle, .. }) if settle.contains("label")), "{lost:?}");
    let found = client.find_issues(new.project, &new.mark).await.unwrap();
    assert_eq!((found.len(), world.issue_count(), world.requests().of(Route::CreateIssue)), (1, 4, 1));
    let said = comment(words("once"), "said-once");
    world.fail_next(Route::IssueComments, 1, &Fault::CutAfter);
    let lost = client.comment(found[0], &said).await;
    assert!(matches!(lost, Err(Error::Unknown { .. })), "{lost:?}");
    assert_eq!(client.find_comments(found[0], &said.mark).await.unwrap().unwrap().len(), 1);
    // One that surely did not happen leaves no mark.
    let never = new_issue(&desk, "never").await;
    world.fail_next(Route::CreateIssue, 1, &Fault::CutBefore);
    assert!(matches!(client.create(&never).await, Err(Error::Unknown { .. })));
    assert_eq!(client.find_issues(never.project, &never.mark).await.unwrap(), []);
    assert_eq!(bodies(&desk, found[0]).len(), 1);
    assert_eq!(world.issue_count(), 4);
}
