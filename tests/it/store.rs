//! The mirror: what goes in comes out, newer wins in whatever order answers come, and gone is gone.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{
    AccountId, EmailAddress, Field, InstanceState, IssueId, IssueKey, IssueSnapshot, Lifecycle, LinkDirection, Project,
    ProjectId, User, Watermark,
};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use secrecy::ExposeSecret;
use store::{Applied, Credentials, Error, NewInstance};

mod backfill;
mod census;
mod known;
pub(crate) mod sample;

use sample::{
    Mirror, at, comment, json, link, moved, new_instance, person, register, rich, said, seal, sprint, worklog,
};

const EVERYTHING: [&str; 6] = ["issues", "comments", "worklogs", "changelogs", "issue_links", "sprints"];

fn written(written: usize) -> Applied {
    Applied { written, ..Applied::default() }
}

fn key(text: &str) -> IssueKey {
    text.parse().unwrap()
}

#[tokio::test]
async fn what_goes_in_comes_out() {
    let mirror = Mirror::new().await;
    let (rich, bare) = (rich(1), said(2, (1, 1), ""));
    assert_eq!(mirror.apply(&[bare.clone(), rich.clone()]).await, written(2));
    let rows = mirror.tenant.snapshots(mirror.instance, &[IssueId(1), IssueId(2), IssueId(3)]).await.unwrap();
    assert_eq!(rows.len(), 2);
    for (said, row) in [(&rich, &rows[0]), (&bare, &rows[1])] {
        assert_eq!(said.differences(row), Vec::<&str>::new());
        assert_eq!(said.raw, row.raw);
        assert_eq!((said.observed_at, said.content_hash), (row.observed_at, row.content_hash));
        assert_eq!(said.people, row.people);
        assert_eq!(said.sprints, row.sprints);
    }
    let counts = mirror.tenant.counts(mirror.instance).await.unwrap();
    assert_eq!((counts.issues, counts.comments, counts.histories), (2, 2, 3));
    assert_eq!(mirror.tenant.count_issues(mirror.instance).await.unwrap(), 2);
    assert_eq!(mirror.tenant.issue_by_id(mirror.instance, IssueId(1)).await.unwrap(), Some(rich.issue));
}

/// Longer ones are written in parts, each made while the one before is written.
#[tokio::test]
async fn a_long_page_comes_out_whole_whoever_writes_beside_it() {
    let mirror = Mirror::new().await;
    let newer = |id: i64| IssueSnapshot { comments: vec![comment(9, "newer")], ..said(id, (11, 21), "newer") };
    let long: Vec<IssueSnapshot> = (1..=600).map(rich).collect();
    let beside: Vec<IssueSnapshot> = (1..=600).step_by(2).map(newer).collect();
    tokio::join!(mirror.apply(&long), mirror.apply(&beside));
    let ids: Vec<IssueId> = (1..=600).map(IssueId).collect();
    let rows = mirror.tenant.snapshots(mirror.instance, &ids).await.unwrap();
    assert_eq!(rows.len(), 600);
    for ((id, said), row) in (1..).zip(&long).zip(&rows) {
        let expected = if id % 2 == 1 { newer(id) } else { said.clone() };
        assert_eq!(expected.differences(row), Vec::<&str>::new(), "issue {id}");
    }
    assert_eq!(mirror.apply(&long).await, Applied { unchanged: 300, refused: 300, written: 0 });
}

#[tokio::test]
async fn newer_wins() {
    let mirror = Mirror::new().await;
    mirror.apply(&[said(1, (5, 5), "b")]).await;
    assert_eq!(mirror.apply(&[said(1, (4, 9), "a")]).await, Applied { refused: 1, ..Applied::default() });
    assert_eq!(mirror.summary(1).await.unwrap(), "b");
    assert_eq!(mirror.apply(&[said(1, (6, 6), "c")]).await, written(1));
    assert_eq!(mirror.summary(1).await.unwrap(), "c");
    // Not every change moves Jira's time: then the later look counts.
    assert_eq!(mirror.apply(&[said(1, (6, 8), "d")]).await, written(1));
    assert_eq!(mirror.apply(&[said(1, (6, 7), "e")]).await, Applied { refused: 1, ..Applied::default() });
    assert_eq!(mirror.summary(1).await.unwrap(), "d");
}

#[tokio::test]
async fn a_confirmed_answer_beats_a_late_one() {
    let mirror = Mirror::new().await;
    mirror.apply(&[said(1, (1, 1), "a")]).await;
    assert_eq!(mirror.apply(&[said(1, (1, 3), "a")]).await, Applied { unchanged: 1, ..Applied::default() });
    assert_eq!(mirror.apply(&[said(1, (1, 2), "b")]).await, Applied { refused: 1, ..Applied::default() });
    assert_eq!(mirror.summary(1).await.unwrap(), "a");
}

#[tokio::test]
async fn a_page_that_lists_an_issue_twice_means_its_newest() {
    let mirror = Mirror::new().await;
    let page = [said(1, (2, 2), "new"), said(1, (1, 4), "old"), said(1, (2, 1), "same time, seen earlier")];
    assert_eq!(mirror.apply(&page).await, Applied { written: 1, unchanged: 0, refused: 2 });
    assert_eq!(mirror.summary(1).await.unwrap(), "new");
    // Seen at 4, so an absence of 3 came too late.
    mirror.missing(1, 3).await;
    assert!(mirror.shown(1).await.is_some());
}

#[tokio::test]
async fn missing_hides_until_it_is_seen_again() {
    let mirror = Mirror::new().await;
    mirror.apply(&[said(1, (1, 1), "a")]).await;
    assert_eq!(mirror.missing(1, 5).await, 1);
    assert_eq!(mirror.missing(1, 5).await, 0);
    assert!(mirror.shown(1).await.is_none());
    assert_eq!(mirror.tenant.count_issues(mirror.instance).await.unwrap(), 0);
    // A page that was asked for before the absence comes late, even with newer content.
    mirror.apply(&[said(1, (3, 4), "b")]).await;
    assert!(mirror.shown(1).await.is_none());
    mirror.apply(&[said(1, (3, 6), "b")]).await;
    assert_eq!(mirror.summary(1).await.unwrap(), "b");
}

#[tokio::test]
async fn an_absence_of_an_issue_never_seen_is_remembered() {
    let mirror = Mirror::new().await;
    assert_eq!(mirror.missing(1, 5).await, 1);
    mirror.apply(&[said(1, (1, 4), "late")]).await;
    assert!(mirror.shown(1).await.is_none());
    mirror.apply(&[said(1, (1, 6), "late")]).await;
    assert!(mirror.shown(1).await.is_some());
}

#[tokio::test]
async fn deleted_holds_against_everything_but_a_later_sighting() {
    let mirror = Mirror::new().await;
    mirror.apply(&[said(1, (1, 1), "a")]).await;
    assert_eq!(mirror.deleted(1, 5).await, 1);
    assert_eq!(mirror.deleted(1, 5).await, 0);
    mirror.deleted(2, 5).await;
    let before = mirror.rows(&EVERYTHING).await;
    let late = [said(1, (9, 5), "b"), said(2, (9, 4), "b")];
    assert_eq!(mirror.apply(&late).await, Applied { refused: 2, ..Applied::default() });
    assert_eq!(mirror.rows(&EVERYTHING).await, before);
    assert!(mirror.shown(1).await.is_none());
    // It was only hidden: Jira gives no id twice.
    assert_eq!(mirror.apply(&[said(1, (1, 6), "a"), said(2, (1, 6), "c")]).await.unchanged, 1);
    assert_eq!((mirror.summary(1).await.unwrap(), mirror.summary(2).await.unwrap()), ("a".into(), "c".into()));
    assert_eq!(mirror.deleted(1, 6).await, 0, "seen when it was said to be gone");
    assert_eq!((mirror.deleted(1, 8).await, mirror.missing(1, 7).await), (1, 1));
    mirror.apply(&[said(1, (1, 9), "a")]).await;
    assert!(mirror.shown(1).await.is_some());
}

#[tokio::test]
async fn an_old_key_still_leads_to_its_issue() {
    let mirror = Mirror::new().await;
    let mut issue = said(1, (1, 1), "a");
    mirror.apply(std::slice::from_ref(&issue)).await;
    issue = said(1, (2, 2), "a");
    issue.issue.key = key("NEW-1");
    issue.changelog = vec![moved(3, "OLDEST-4", "ACME-1")];
    seal(&mut issue);
    mirror.apply(&[issue]).await;
    for known in ["NEW-1", "ACME-1", "OLDEST-4"] {
        let found = mirror.tenant.issue_by_key(mirror.instance, &key(known)).await.unwrap();
        assert_eq!(found.map(|issue| issue.id), Some(IssueId(1)), "{known}");
        assert_eq!(mirror.tenant.issue_id(mirror.instance, &key(known)).await.unwrap(), Some(IssueId(1)));
    }
    assert_eq!(mirror.tenant.issue_by_key(mirror.instance, &key("ACME-2")).await.unwrap(), None);
    // Whoever has the key now comes first.
    let mut heir = said(2, (3, 3), "b");
    heir.issue.key = key("ACME-1");
    mirror.apply(&[heir]).await;
    let found = mirror.tenant.issue_by_key(mirror.instance, &key("ACME-1")).await.unwrap();
    assert_eq!(found.map(|issue| issue.id), Some(IssueId(2)));
}

#[tokio::test]
async fn two_issues_may_swap_their_keys_in_one_page() {
    let mirror = Mirror::new().await;
    mirror.apply(&[said(1, (1, 1), "a"), said(2, (1, 1), "b")]).await;
    let (mut one, mut two) = (said(1, (2, 2), "a"), said(2, (2, 2), "b"));
    (one.issue.key, two.issue.key) = (two.issue.key, one.issue.key);
    mirror.apply(&[one, two]).await;
    for (known, id) in [("ACME-2", 1), ("ACME-1", 2)] {
        let found = mirror.tenant.issue_by_key(mirror.instance, &key(known)).await.unwrap();
        assert_eq!(found.map(|issue| issue.id), Some(IssueId(id)));
    }
}

#[tokio::test]
async fn what_a_snapshot_does_not_list_is_gone() {
    let mirror = Mirror::new().await;
    mirror.apply(&[rich(1), rich(2)]).await;
    let mut later = rich(1);
    later.observed_at = at(30);
    later.comments = vec![comment(2, "changed"), comment(3, "new")];
    later.links = vec![link(80, LinkDirection::Inward, 9), link(70, LinkDirection::Outward, 5)];
    later.changelog.remove(0);
    later.worklogs = vec![worklog(4, 61), worklog(5, 1)];
    seal(&mut later);
    assert_eq!(mirror.apply(std::slice::from_ref(&later)).await, written(1));
    assert_eq!(later.differences(&mirror.shown(1).await.unwrap()), Vec::<&str>::new());
    assert_eq!(rich(2).differences(&mirror.shown(2).await.unwrap()), Vec::<&str>::new());
    (later.comments, later.links, later.changelog) = (Vec::new(), Vec::new(), Vec::new());
    later.worklogs.clear();
    later.observed_at = at(40);
    seal(&mut later);
    mirror.apply(std::slice::from_ref(&later)).await;
    assert_eq!(later.differences(&mirror.shown(1).await.unwrap()), Vec::<&str>::new());
}

#[tokio::test]
async fn a_child_listed_twice_is_one() {
    let mirror = Mirror::new().await;
    let mut twice = rich(1);
    twice.comments.push(twice.comments[0].clone());
    twice.changelog.push(twice.changelog[0].clone());
    twice.worklogs.push(twice.worklogs[0].clone());
    twice.links.push(twice.links[0].clone());
    mirror.apply(&[twice]).await;
    assert_eq!(rich(1).differences(&mirror.shown(1).await.unwrap()), Vec::<&str>::new());
}

#[tokio::test]
async fn a_sprint_is_known_by_the_latest_word() {
    let mirror = Mirror::new().await;
    mirror.apply(&[rich(1)]).await;
    let boards = |state: &'static str, minute: i64| {
        let mirror = &mirror;
        async move {
            let mut tx = mirror.tenant.begin().await.unwrap();
            tx.apply_sprints(mirror.instance, &[sprint(4, state)], at(minute)).await.unwrap();
            tx.commit().await.unwrap();
            mirror.shown(1).await.unwrap().sprints[0].state.clone()
        }
    };
    assert_eq!(boards("future", 19).await, "active", "the issue told of it at minute 20");
    assert_eq!(boards("closed", 21).await, "closed");
    let mut other = said(2, (30, 40), "a");
    (other.sprints, other.observed_at) = (vec![sprint(4, "active")], at(20));
    mirror.apply(&[other]).await;
    assert_eq!(mirror.shown(1).await.unwrap().sprints[0].state, "closed");
}

#[tokio::test]
async fn a_placeholder_never_takes_the_place_of_a_profile() {
    let mirror = Mirror::new().await;
    let mut issue = said(1, (1, 1), "a");
    issue.issue.assignee = Some(AccountId("mia".to_owned()));
    issue.people = vec![person("mia", "Mia"), person("new", "Former user")];
    mirror.apply(&[issue]).await;
    let mut later = said(1, (2, 2), "b");
    let silent = User { display_name: None, active: Some(false), account_type: None, ..person("new", "") };
    later.people = vec![person("mia", "Former user"), silent];
    mirror.apply(&[later]).await;
    let accounts = [AccountId("mia".to_owned()), AccountId("new".to_owned())];
    let people = mirror.tenant.users(mirror.instance, &accounts).await.unwrap();
    assert_eq!(people[0].display_name.as_deref(), Some("Mia"));
    assert_eq!((people[1].display_name.as_deref(), people[1].active), (Some("Former user"), Some(false)));
    let mut latest = said(1, (3, 3), "c");
    latest.people = vec![person("mia", "Mia B."), person("new", "Newman")];
    mirror.apply(&[latest]).await;
    let people = mirror.tenant.users(mirror.instance, &accounts).await.unwrap();
    assert_eq!(
        people.iter().map(|one| one.display_name.as_deref()).collect::<Vec<_>>(),
        [Some("Mia B."), Some("Newman")]
    );
}

#[tokio::test]
async fn the_directory_is_kept() {
    let mirror = Mirror::new().await;
    let project = Project {
        id: ProjectId(7),
        key: "ACME".parse().unwrap(),
        name: "Größe".to_owned(),
        project_type: Some("software".to_owned()),
        lifecycle: Lifecycle::Live,
        lead: Some(AccountId("mia".to_owned())),
        issue_count: Some(12),
        raw: json(r#"{"id":"7","n":9007199254740993}"#),
    };
    let old =
        Project { id: ProjectId(8), key: "OLD".parse().unwrap(), lifecycle: Lifecycle::Archived, ..project.clone() };
    let field = Field {
        id: "customfield_10020".to_owned(),
        name: "Sprint".to_owned(),
        custom: true,
        custom_type: Some("com.pyxis.greenhopper.jira:gh-sprint".to_owned()),
        raw: json(r#"{"id":"customfield_10020"}"#),
    };
    let mia = User { email: EmailAddress::new("Mia@acme.test"), ..person("mia", "Mia") };
    for _ in 0..2 {
        let mut tx = mirror.tenant.begin().await.unwrap();
        tx.apply_projects(mirror.instance, &[old.clone(), project.clone()]).await.unwrap();
        tx.apply_users(mirror.instance, std::slice::from_ref(&mia)).await.unwrap();
        tx.apply_fields(mirror.instance, std::slice::from_ref(&field)).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(mirror.tenant.projects(mirror.instance).await.unwrap(), [project.clone(), old]);
    assert_eq!(mirror.tenant.project_keys(mirror.instance).await.unwrap(), [project.key]);
    assert_eq!(mirror.tenant.fields(mirror.instance).await.unwrap(), [field]);
    let row = mirror.rows(&["users"]).await;
    assert!(row.contains("Mia") && !row.to_lowercase().contains("acme.test"), "{row}");
}

#[tokio::test]
async fn the_poll_learns_what_is_newer() {
    let mirror = Mirror::new().await;
    let page: Vec<_> = (1..=4).map(|id| said(id, (5, 5), "a")).collect();
    mirror.apply(&page).await;
    mirror.missing(3, 9).await;
    mirror.deleted(4, 9).await;
    let asked = [(1, 5), (2, 6), (3, 5), (4, 7), (5, 1), (1, 4)].map(|(id, minute)| (IssueId(id), at(minute)));
    let newer = mirror.tenant.newer(mirror.instance, &asked).await.unwrap();
    assert_eq!(newer, [IssueId(2), IssueId(3), IssueId(4), IssueId(5)]);
}

#[tokio::test]
async fn the_polls_mark_never_goes_back() {
    let mirror = Mirror::new().await;
    assert_eq!(mirror.tenant.poll_mark(mirror.instance).await.unwrap(), None);
    for minute in [3, 9, 6] {
        mirror.tenant.advance_poll_mark(mirror.instance, Watermark(at(minute))).await.unwrap();
    }
    assert_eq!(mirror.tenant.poll_mark(mirror.instance).await.unwrap(), Some(Watermark(at(9))));
}

#[tokio::test]
async fn instances_keep_their_secrets() {
    let mirror = Mirror::new().await;
    let (tenant, id) = (&mirror.tenant, mirror.instance);
    let login = async || match tenant.credentials(id).await.unwrap() {
        Credentials::Basic(login) => (login.email, login.token.expose_secret().to_owned()),
        other => panic!("{other:?}"),
    };
    assert_eq!(login().await, ("robot@acme.test".to_owned(), "token of acme".to_owned()));
    assert_eq!(tenant.webhook_secret(id).await.unwrap().expose_secret(), "secret of acme");
    tenant.rotate_token(id, "another".into()).await.unwrap();
    assert_eq!(login().await, ("robot@acme.test".to_owned(), "another".to_owned()));
    let rows = mirror.rows(&["jira_instances"]).await;
    assert!(!rows.contains("another") && !rows.contains("robot"), "{rows}");
}

#[tokio::test]
async fn instances_change_and_go() {
    let mirror = Mirror::new().await;
    let (tenant, id, system) = (&mirror.tenant, mirror.instance, mirror.store.system());
    tenant.set_account(id, &AccountId("robot".to_owned())).await.unwrap();
    let state = InstanceState::Suspended { reason: "the token expired".to_owned() };
    tenant.set_state(id, &state).await.unwrap();
    let found = system.instance_by_name("acme").await.unwrap().unwrap();
    assert_eq!((found.id, found.account.unwrap().0.as_str(), &found.state), (id, "robot", &state));
    assert_eq!(found.poll_interval, Duration::from_secs(300));
    assert_eq!(system.instance(id).await.unwrap(), tenant.instances().await.unwrap().pop());
    let taken = tenant.add_instance(new_instance("acme")).await;
    assert!(matches!(taken, Err(Error::Conflict(_))), "{taken:?}");
    let bad = tenant.add_instance(NewInstance { name: "Not a name".to_owned(), ..new_instance("x") }).await;
    assert!(matches!(bad, Err(Error::Invalid(_))), "{bad:?}");
    mirror.apply(&[rich(1)]).await;
    tenant.remove_instance(id).await.unwrap();
    assert_eq!(mirror.rows(&EVERYTHING).await, "");
    assert!(system.instances().await.unwrap().is_empty());
    assert!(matches!(tenant.remove_instance(id).await, Err(Error::NotFound(_))));
    assert!(matches!(tenant.credentials(id).await, Err(Error::NotFound(_))));
    assert!(matches!(tenant.set_state(id, &state).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn tenants_come_and_rest() {
    let mirror = Mirror::new().await;
    let system = mirror.store.system();
    assert!(matches!(system.create_tenant("acme").await, Err(Error::Conflict(_))));
    register(&mirror.store, "beta").await;
    let names: Vec<_> = system.tenants().await.unwrap().into_iter().map(|tenant| tenant.name).collect();
    assert_eq!(names, ["acme", "beta"]);
    system.suspend_tenant(mirror.tenant.id(), true).await.unwrap();
    assert!(system.tenant_by_name("acme").await.unwrap().unwrap().suspended);
    assert!(!system.tenant_by_name("beta").await.unwrap().unwrap().suspended);
    assert_eq!(system.tenant_by_name("gamma").await.unwrap(), None);
}

/// What Jira may have told, each at a time of its own.
#[derive(Clone)]
enum Told {
    Seen(Box<IssueSnapshot>),
    Absent(i64, DateTime<Utc>),
}

/// Few versions and many ties: half the changes do not move Jira's time.
fn told(rng: &mut StdRng) -> Vec<Told> {
    use rand::RngExt;
    let told = (0..40).map(|observed| {
        let id = rng.random_range(1..=4);
        if rng.random_bool(0.2) {
            return Told::Absent(id, at(observed));
        }
        let word = ["a", "b", "c"][rng.random_range(0..3)];
        let mut snapshot = said(id, (observed / 10, observed), word);
        let children = rng.random_range(0..3);
        snapshot.comments = (0..children).map(|n| comment(n, word)).collect();
        snapshot.links = (0..children).map(|n| link(n, LinkDirection::Inward, n + 50)).collect();
        seal(&mut snapshot);
        Told::Seen(Box::new(snapshot))
    });
    told.collect()
}

async fn tell(mirror: &Mirror, page: &[Told]) -> Result<(), Error> {
    let mut tx = mirror.tenant.begin().await?;
    let seen: Vec<_> =
        page.iter().filter_map(|one| if let Told::Seen(seen) = one { Some((**seen).clone()) } else { None }).collect();
    tx.apply(mirror.instance, &seen).await?;
    for one in page {
        if let Told::Absent(id, at) = one {
            tx.mark_missing(mirror.instance, &[IssueId(*id)], *at).await?;
        }
    }
    tx.commit().await
}

#[tokio::test]
async fn every_order_leads_to_the_same_rows() {
    for seed in 0..6 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut messages = told(&mut rng);
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            let mirror = Mirror::new().await;
            for page in messages.chunks(7) {
                tell(&mirror, page).await.unwrap();
            }
            let ids = mirror.rows(&EVERYTHING).await.replace(&mirror.tenant.id().to_string(), "tenant");
            outcomes.push(ids.replace(&mirror.instance.to_string(), "instance"));
            messages.shuffle(&mut rng);
        }
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}: {outcomes:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_once_lead_to_the_same_rows() {
    let messages = told(&mut StdRng::seed_from_u64(99));
    let (alone, crowd) = (Mirror::new().await, Mirror::new().await);
    for page in messages.chunks(5) {
        tell(&alone, page).await.unwrap();
    }
    let writers = (0..4).map(|seed| {
        let (mut messages, crowd) = (messages.clone(), &crowd);
        messages.shuffle(&mut StdRng::seed_from_u64(seed));
        async move {
            for page in messages.chunks(5) {
                // Whoever loses a deadlock comes again, as a job would.
                while let Err(error) = tell(crowd, page).await {
                    assert!(error.is_transient(), "{error}");
                }
            }
        }
    });
    futures::future::join_all(writers).await;
    for id in 1..=4 {
        let (one, other) = (alone.shown(id).await, crowd.shown(id).await);
        assert_eq!(one.is_some(), other.is_some(), "issue {id}");
        if let (Some(one), Some(other)) = (one, other) {
            assert_eq!(one.differences(&other), Vec::<&str>::new(), "issue {id}");
            assert_eq!(one.observed_at, other.observed_at, "issue {id}");
        }
    }
}
