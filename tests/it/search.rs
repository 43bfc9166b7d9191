//! Searching the mirror: every filter against a model, pages that lose nothing, and the indexes that answer.

mod model;
mod sample;
mod shown;

use domain::{
    IssueKey, TenantId,
    search::{Counting, Direction, IssueFilter, Limit, PageRequest, Question, Sort, SortKey, Total},
};
use store::Error;

use crate::store::sample::register;
use sample::{Library, random_filter, random_order, rng};

/// What a search finds, in its order.
pub(crate) type Found = Vec<(domain::InstanceId, i64)>;

#[tokio::test]
async fn every_filter_finds_what_a_model_finds() {
    let library = Library::new(300).await;
    let mut rng = rng(1);
    let mut hits = 0;
    for round in 0..400 {
        let filter = random_filter(&library, &mut rng);
        let order = random_order(&mut rng);
        let question = Question::of_filter(&filter, &order).unwrap();
        let expected = library.model(&question);
        let found = library.walk(&library.mirror.tenant, &question, 37).await;
        assert_eq!(found, expected, "round {round}: {filter:?} {order:?}");
        hits += usize::from(!found.is_empty());
    }
    assert!(hits > 100, "only {hits} filters found anything");
}

#[tokio::test]
async fn an_answer_is_counted_as_far_as_asked() {
    let library = Library::new(60).await;
    let question = Question::of_filter(&IssueFilter::default(), &[]).unwrap();
    let all = u64::try_from(library.model(&question).len()).unwrap();
    let most = u32::try_from(all).unwrap();
    for (counting, total) in [
        (Counting::Skipped, None),
        (Counting::UpTo(most), Some(Total::Exactly(all))),
        (Counting::UpTo(most - 1), Some(Total::MoreThan(all - 1))),
    ] {
        let request = PageRequest { limit: Limit::new(1).unwrap(), counting, ..PageRequest::default() };
        let page = library.mirror.tenant.issues().search(&question, &request).await.unwrap();
        assert_eq!(page.total, total);
        assert!(page.items.len() == 1 && page.next.is_some());
    }
}

#[tokio::test]
async fn another_tenant_finds_nothing() {
    let library = Library::new(40).await;
    let (other, _) = register(&library.mirror.store, "other").await;
    let mut rng = rng(2);
    for _ in 0..40 {
        let question = Question::of_filter(&random_filter(&library, &mut rng), &[]).unwrap();
        assert!(library.walk(&other, &question, 200).await.is_empty());
    }
    let nobody = library.mirror.store.tenant(TenantId::generate());
    let all = Question::of_filter(&IssueFilter::default(), &[]).unwrap();
    assert!(library.walk(&nobody, &all, 200).await.is_empty());
}

#[tokio::test]
async fn a_cursor_belongs_to_its_question() {
    let library = Library::new(40).await;
    let issues = library.mirror.tenant.issues();
    let by = |by| [Sort { by, direction: Direction::Ascending }];
    let ask = |text: &str, order: &[Sort]| {
        Question::of_filter(&IssueFilter { text: Some(text.to_owned()), ..IssueFilter::default() }, order).unwrap()
    };
    let question = ask("a*", &by(SortKey::Created));
    let request = PageRequest { limit: Limit::new(1).unwrap(), ..PageRequest::default() };
    let next = issues.search(&question, &request).await.unwrap().next.unwrap();
    let mut wrong = next.clone();
    wrong.values = vec![domain::search::SortValue::Number(Some(1))];
    let mut short = next.clone();
    short.values.clear();
    for (question, cursor) in [
        (ask("b*", &by(SortKey::Created)), &next),
        (ask("a*", &by(SortKey::Updated)), &next),
        (question.clone(), &wrong),
        (question.clone(), &short),
    ] {
        let request = PageRequest { after: Some(cursor.clone()), ..PageRequest::default() };
        assert!(matches!(issues.search(&question, &request).await, Err(Error::Invalid(_))));
    }
    let request = PageRequest { after: Some(next), ..PageRequest::default() };
    assert!(!issues.search(&question, &request).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn an_old_key_and_an_old_parent_are_still_found() {
    let library = Library::new(40).await;
    let moved = &library.issues[0];
    let mut snapshot = moved.snapshot.clone();
    let old: IssueKey = snapshot.issue.key.clone();
    snapshot.issue.key = "MOVED-1".parse().unwrap();
    snapshot.observed_at += chrono::TimeDelta::hours(1);
    snapshot.content_hash = [7; 32];
    library.apply(moved.instance, &[snapshot]).await;
    let parents = vec![domain::search::Handle::Name(old.to_string().to_lowercase())];
    let question = Question::of_filter(&IssueFilter { parents, ..IssueFilter::default() }, &[]).unwrap();
    let children: Found = library.walk(&library.mirror.tenant, &question, 200).await;
    assert_eq!(children, library.model(&question));
}
