//! The description of REST is committed, true, and complete.

use std::{collections::BTreeSet, fs, path::Path};

use domain::Scope;
use reqwest::{Method, StatusCode};

use super::{Desk, key, problem};

#[test]
fn the_committed_description_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let generated = format!("{:#}\n", api::openapi());
    if fs::read_to_string(path).ok().as_ref() != Some(&generated) {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
        fs::write(&fresh, &generated).unwrap();
        panic!("docs/openapi.json is not what `jirafleet openapi` prints, which is in {} now", fresh.display());
    }
    let described = api::openapi();
    assert_eq!(described["openapi"], "3.1.0");
    let paths = described["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let names: Vec<&str> = paths.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(
        names.iter().collect::<BTreeSet<_>>().len(),
        names.len(),
        "every operation has a name of its own: {names:?}"
    );
}

/// Every operation: its method, an address with something in the place of parameters, and its scope.
fn operations() -> Vec<(Method, String, Option<Scope>)> {
    let document = api::openapi();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/api/v1").unwrap().replace("{issue}", "ACME-1").replace("{project}", "ACME");
        let path = path.replace("{tenant}", "acme");
        for (method, operation) in methods.as_object().unwrap() {
            let scopes = operation["security"][0]["key"].as_array().expect("every operation names its scope");
            let scope = scopes.first().map(|scope| scope.as_str().unwrap().parse().unwrap());
            operations.push((method.to_uppercase().parse().unwrap(), path.clone(), scope));
        }
    }
    operations
}

#[tokio::test]
async fn every_operation_wants_a_key_and_the_scope_that_it_names() {
    let desk = Desk::open().await;
    let tenant = desk.fleet.instance.tenant;
    let operations = operations();
    assert!(operations.len() >= 15, "{operations:?}");
    for (method, path, scope) in operations {
        let bare = desk.client.request(method.clone(), desk.url(&path)).send().await.unwrap();
        problem(bare, StatusCode::UNAUTHORIZED, "unauthorized").await;
        let Some(scope) = scope else { continue };
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        let without = key(&desk.fleet, tenant, &others).await;
        let refused = desk.ask_with(method.clone(), &path, &without).send().await.unwrap();
        problem(refused, StatusCode::FORBIDDEN, "forbidden").await;
        let with = key(&desk.fleet, tenant, &[scope]).await;
        let answered = desk.ask_with(method.clone(), &path, &with).send().await.unwrap();
        assert_ne!(answered.status(), StatusCode::FORBIDDEN, "{method} {path}");
    }
}
