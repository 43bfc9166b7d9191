//! What hangs on one issue, people and projects, page by page.

use domain::{
    IssueId,
    search::{Limit, NameCursor},
};
use store::Error;

use crate::store::sample::{Mirror, comment, moved, person, rich, said, seal};

fn limit(limit: u32) -> Limit {
    Limit::new(limit).unwrap()
}

#[tokio::test]
async fn the_parts_of_an_issue_come_in_pages() {
    let mirror = Mirror::new().await;
    let mut issue = rich(1);
    issue.comments = (1..=5).map(|id| comment(id, "word")).collect();
    issue.changelog.extend((20..25).map(|id| moved(id, "ACME-9", "ACME-1")));
    seal(&mut issue);
    mirror.apply(&[issue.clone(), said(2, (1, 1), "bare")]).await;
    let parts = mirror.tenant.issues().parts(mirror.instance, IssueId(1));

    let (mut comments, mut after) = (Vec::new(), None);
    loop {
        let page = parts.comments(after, limit(2)).await.unwrap();
        assert!(page.items.len() <= 2);
        comments.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(comments, issue.comments);

    let (mut changelog, mut after) = (Vec::new(), None);
    loop {
        let page = parts.changelog(after, limit(3)).await.unwrap();
        assert!(page.items.len() <= 3);
        changelog.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(changelog, issue.changelog);
    assert_eq!(parts.links().await.unwrap(), issue.links);

    let bare = mirror.tenant.issues().parts(mirror.instance, IssueId(2));
    assert!(bare.comments(None, limit(1)).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_hidden_issue_has_no_parts() {
    let mirror = Mirror::new().await;
    mirror.apply(&[rich(1)]).await;
    mirror.missing(1, 90).await;
    for id in [1, 2] {
        let parts = mirror.tenant.issues().parts(mirror.instance, IssueId(id));
        assert!(matches!(parts.comments(None, limit(1)).await, Err(Error::NotFound("issue"))));
        assert!(matches!(parts.changelog(None, limit(1)).await, Err(Error::NotFound("issue"))));
        assert!(matches!(parts.links().await, Err(Error::NotFound("issue"))));
    }
}

#[tokio::test]
async fn people_are_found_by_the_beginning_of_their_name() {
    let mirror = Mirror::new().await;
    let mut tx = mirror.tenant.begin().await.unwrap();
    let people = [("1", "Mia"), ("2", "mika"), ("3", "Mia"), ("4", "Ann"), ("5", "100%"), ("6", "1000")];
    let people: Vec<_> = people.iter().map(|(account, name)| person(account, name)).collect();
    tx.apply_users(mirror.instance, &people).await.unwrap();
    tx.commit().await.unwrap();
    let ask = async |beginning: &str| {
        let (mut accounts, mut after): (Vec<String>, Option<NameCursor>) = (Vec::new(), None);
        loop {
            let page = mirror.tenant.users_named(mirror.instance, beginning, after.as_ref(), limit(1)).await.unwrap();
            accounts.extend(page.items.into_iter().map(|user| user.account.0));
            after = page.next;
            if after.is_none() {
                return accounts;
            }
        }
    };
    assert_eq!(ask("MI").await, ["1", "3", "2"]);
    assert_eq!(ask("100%").await, ["5"]);
    assert_eq!(ask("").await.len(), 6);
    assert!(ask("x").await.is_empty());
    let mika = mirror.tenant.user(mirror.instance, &people[1].account).await.unwrap().unwrap();
    assert_eq!(mika.display_name.as_deref(), Some("mika"));
}

#[tokio::test]
async fn a_project_is_found_by_its_key() {
    let library = super::sample::Library::new(4).await;
    let tenant = &library.mirror.tenant;
    let by_key = async |key: &str| tenant.project_by_key(library.instances[1], &key.parse().unwrap()).await.unwrap();
    assert_eq!(by_key("OPS").await.map(|project| project.name).as_deref(), Some("Operations"));
    assert_eq!(by_key("NONE").await, None);
}
