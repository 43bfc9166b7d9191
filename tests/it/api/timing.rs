//! How long a refusal takes tells nothing about the key.

use std::time::Duration;

use domain::Scope;
use reqwest::StatusCode;
use store::{ApiToken, NewApiKey};
use tests::TestFleet;
use tokio::time::Instant;

use super::Desk;

/// Keys of each kind that are shown in one round, each once: an answer that is remembered would tell of itself only.
const SHOWN: usize = 150;
/// On a busy machine a round may be disturbed; a difference that is there is there in every round.
const ROUNDS: usize = 6;
const TOLERANCE: f64 = 0.05;

/// A key that was good and is revoked: everything about it is known.
async fn revoked(desk: &Desk, name: String) -> ApiToken {
    let tenant = desk.fleet.store.tenant(desk.fleet.instance.tenant);
    let new = NewApiKey {
        name: name.clone(),
        environment: "test".to_owned(),
        scopes: vec![Scope::ReadIssues],
        networks: Vec::new(),
        expires_at: None,
    };
    let token = tenant.create_api_key(new).await.unwrap().1;
    tenant.revoke_api_key(&name).await.unwrap();
    token
}

/// How long it takes until it is refused.
async fn refused(desk: &Desk, token: &ApiToken) -> Duration {
    let begun = Instant::now();
    let response = desk.client.get(desk.url("/tenants/me")).bearer_auth(token.expose()).send().await.unwrap();
    let status = response.status();
    response.bytes().await.unwrap();
    let took = begun.elapsed();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    took
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

#[tokio::test]
async fn an_unknown_key_is_refused_no_sooner_than_one_that_was_good() {
    let desk = Desk::on(TestFleet::start().await).await;
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let (mut known, mut unknown) = (Vec::with_capacity(SHOWN), Vec::with_capacity(SHOWN));
        for number in 0..SHOWN {
            known.push(revoked(&desk, format!("key-{round}-{number}")).await);
            unknown.push(ApiToken::generate("test").unwrap());
        }
        let (mut of_known, mut of_unknown) = (Vec::with_capacity(SHOWN), Vec::with_capacity(SHOWN));
        for (number, (known, unknown)) in known.iter().zip(&unknown).enumerate() {
            // Whoever goes first goes second the next time.
            if number % 2 == 0 {
                of_known.push(refused(&desk, known).await);
                of_unknown.push(refused(&desk, unknown).await);
            } else {
                of_unknown.push(refused(&desk, unknown).await);
                of_known.push(refused(&desk, known).await);
            }
        }
        let ratio = median(of_unknown) / median(of_known);
        if (ratio - 1.0).abs() <= TOLERANCE {
            return;
        }
        ratios.push(ratio);
    }
    panic!("an unknown key takes {ratios:?} times as long as one that was good");
}
