//! The view that searches read: the current tenant's issues, and nobody else's rights.

use sea_orm::{ConnectionTrait, Statement};

use super::sample::Library;
use crate::store::sample::connect;

async fn count(connection: &impl ConnectionTrait) -> i64 {
    let sql = "SELECT count(*) AS n FROM mirror.shown_issues";
    let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await;
    row.unwrap().unwrap().try_get("", "n").unwrap()
}

#[tokio::test]
async fn the_view_shows_the_current_tenants_visible_issues() {
    let library = Library::new(30).await;
    let mirror = &library.mirror;
    let shown = i64::try_from(library.issues.iter().filter(|issue| issue.visible).count()).unwrap();
    assert_eq!(count(&mirror.as_tenant(&mirror.database.app_url).await).await, shown);
    // Nobody is set: nothing is shown.
    assert_eq!(count(&connect(&mirror.database.app_url).await).await, 0);
    let (other, _) = crate::store::sample::register(&mirror.store, "other").await;
    let connection = mirror.as_tenant(&mirror.database.app_url).await;
    let sql = format!("SELECT set_config('app.current_tenant_id', '{}', true)", other.id());
    connection.execute_unprepared(&sql).await.unwrap();
    assert_eq!(count(&connection).await, 0);
}

#[tokio::test]
async fn what_was_there_before_is_filled_by_the_step() {
    let library = Library::new(120).await;
    let owner = &library.mirror.database.owner_url;
    // Down to the step before this one, whatever follows it.
    let steps = migration::status(owner).await.unwrap();
    let count = steps.iter().rev().position(|step| step.name == "m0007_search").unwrap() + 1;
    migration::down(owner, migration::Steps::Newest(u32::try_from(count).unwrap())).await.unwrap();
    migration::up(owner).await.unwrap();
    let mut rng = super::rng(3);
    for _ in 0..100 {
        let filter = super::random_filter(&library, &mut rng);
        let question = domain::search::Question::of_filter(&filter, &[]).unwrap();
        let found = library.walk(&library.mirror.tenant, &question, 100).await;
        assert_eq!(found, library.model(&question), "{filter:?}");
    }
}
