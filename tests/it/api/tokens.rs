//! Tokens, ours and others': what they open, and everything that makes one worth nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, routing::get};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::Utc;
use domain::Scope;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use jwks::KeySet;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use store::AuditFilter;
use tests::TestFleet;

use super::{Desk, gate, key, problem};

fn rates() -> api::Rates {
    api::Rates { key: 1_000_000, tenant: 1_000_000, attempts: 1_000_000 }
}

fn with(desk: &Desk, method: Method, path: &str, token: &str) -> RequestBuilder {
    desk.client.request(method, desk.url(path)).bearer_auth(token)
}

async fn status(desk: &Desk, path: &str, token: &str) -> StatusCode {
    with(desk, Method::GET, path, token).send().await.unwrap().status()
}

async fn mint(desk: &Desk, wanted: Value) -> Value {
    let made = desk.ask(Method::POST, "/tokens").json(&wanted).send().await.unwrap();
    assert_eq!(made.headers()["cache-control"], "no-store");
    assert_eq!(made.status(), StatusCode::CREATED);
    made.json().await.unwrap()
}

#[tokio::test]
async fn a_token_is_good_for_less_than_its_key_and_ends_with_it() {
    let desk = Desk::open().await;
    let minted = mint(&desk, json!({"scopes": ["issues:read"], "seconds": 60})).await;
    assert_eq!((&minted["token_type"], &minted["expires_in"]), (&json!("Bearer"), &json!(60)));
    let token = minted["access_token"].as_str().unwrap();
    assert_eq!(status(&desk, "/issues", token).await, StatusCode::OK);
    assert_eq!(status(&desk, "/audit", token).await, StatusCode::FORBIDDEN);
    let again = with(&desk, Method::POST, "/tokens", token).json(&json!({})).send().await.unwrap();
    problem(again, StatusCode::CONFLICT, "conflict").await;
    for bad in [
        json!({"seconds": 901}),
        json!({"seconds": 0}),
        json!({"scopes": ["colour"]}),
        json!({"x": 1}),
        json!([null, 60]),
    ] {
        let refused = desk.ask(Method::POST, "/tokens").json(&bad).send().await.unwrap();
        problem(refused, StatusCode::BAD_REQUEST, "invalid").await;
    }
    let reader = key(&desk.fleet, desk.fleet.instance.tenant, &[Scope::ReadIssues]).await;
    let more = desk.ask_with(Method::POST, "/tokens", &reader).json(&json!({"scopes": ["audit:read"]})).send().await;
    problem(more.unwrap(), StatusCode::FORBIDDEN, "forbidden").await;

    let tenant = desk.fleet.store.tenant(desk.fleet.instance.tenant);
    let filter = AuditFilter { action: Some("token.create".to_owned()), ..AuditFilter::default() };
    assert_eq!(tenant.audit(&filter, 10).await.unwrap().len(), 1);
    let name = tenant.api_keys().await.unwrap().remove(0).name;
    tenant.revoke_api_key(&name).await.unwrap();
    let revoked = tokio::time::Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    while status(&desk, "/issues", token).await == StatusCode::OK {
        assert!(revoked.elapsed() < Duration::from_secs(2), "the token outlives its key");
        tick.tick().await;
    }
}

#[tokio::test]
async fn a_rotation_is_noticed_by_nobody() {
    let fleet = TestFleet::start().await;
    let mut gate = gate(&fleet, rates());
    gate.rotation = Duration::from_secs(3);
    let desk = Desk::behind(fleet, gate).await;
    let (begun, mut kids, mut tokens) = (tokio::time::Instant::now(), Vec::new(), Vec::<String>::new());
    while begun.elapsed() < Duration::from_secs(7) {
        let minted = mint(&desk, json!({"scopes": ["issues:read"]})).await;
        let token = minted["access_token"].as_str().unwrap().to_owned();
        let kid = jwks::kid(&token).unwrap().0;
        let published = desk.client.get(format!("http://{}/.well-known/jwks.json", desk.address));
        let published = published.send().await.unwrap().bytes().await.unwrap();
        assert!(jwks::public_keys(&published).unwrap().contains_key(&kid), "{kid} is not published");
        kids.push(kid);
        tokens.push(token);
        for token in &tokens {
            assert_eq!(status(&desk, "/issues?limit=1", token).await, StatusCode::OK);
        }
    }
    kids.dedup();
    assert!(kids.len() >= 3, "no rotation came: {kids:?}");
}

/// Somebody who knows people, and tells its keys.
struct Login {
    issuer: String,
    fetched: Arc<AtomicUsize>,
    ed: EncodingKey,
    rsa: EncodingKey,
}

const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

fn ed(seed: u8) -> EncodingKey {
    EncodingKey::from_ed_der(&[&PKCS8[..], &[seed; 32]].concat())
}

fn published(kid: &str, key: &EncodingKey, algorithm: Algorithm) -> Jwk {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    jwk
}

impl Login {
    async fn open() -> Self {
        // A key for tests, which opens nothing.
        let der = STANDARD.decode(include_str!("../../golden/rsa-key.txt").replace('\n', "")).unwrap();
        let (ed, rsa) = (ed(7), EncodingKey::from_rsa_der(&der));
        let keys = [published("ed-1", &ed, Algorithm::EdDSA), published("rsa-1", &rsa, Algorithm::RS256)];
        let (keys, fetched) = (json!({ "keys": keys }), Arc::new(AtomicUsize::new(0)));
        let count = fetched.clone();
        let app = Router::new().route(
            "/keys",
            get(move || {
                count.fetch_add(1, Ordering::SeqCst);
                std::future::ready(Json(keys.clone()))
            }),
        );
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", socket.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(socket, app).await });
        Self { issuer, fetched, ed, rsa }
    }

    fn known_to(&self, fleet: &TestFleet) -> api::Issuer {
        let keys = KeySet::at(&format!("{}/keys", self.issuer), &["127.0.0.1".to_owned()]).unwrap();
        api::Issuer {
            issuer: self.issuer.clone(),
            audience: "mirror".to_owned(),
            tenant: fleet.instance.tenant,
            scopes: vec![Scope::ReadIssues, Scope::ReadSync],
            keys: Arc::new(keys),
        }
    }

    fn claims(&self) -> Value {
        let now = Utc::now().timestamp();
        json!({"iss": self.issuer, "aud": "mirror", "sub": "auth0|mia", "iat": now, "nbf": now, "exp": now + 600,
            "scope": "issues:read audit:read openid"})
    }
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Header {
    Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) }
}

fn changed(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

#[tokio::test]
async fn anothers_token_opens_what_both_sides_allow() {
    let (fleet, login) = (TestFleet::start().await, Login::open().await);
    let mut gate = gate(&fleet, rates());
    gate.issuers.push(login.known_to(&fleet));
    let desk = Desk::behind(fleet, gate).await;
    let claims = login.claims();
    for (kid, algorithm, key) in [("ed-1", Algorithm::EdDSA, &login.ed), ("rsa-1", Algorithm::RS256, &login.rsa)] {
        let token = encode(&header(algorithm, Some(kid)), &claims, key).unwrap();
        assert_eq!(status(&desk, "/issues", &token).await, StatusCode::OK, "{kid}");
        assert_eq!(status(&desk, "/audit", &token).await, StatusCode::FORBIDDEN, "the issuer is not trusted with it");
        assert_eq!(status(&desk, "/sync", &token).await, StatusCode::FORBIDDEN, "the token does not ask for it");
    }
    assert_eq!(login.fetched.load(Ordering::SeqCst), 1, "keys are kept");
    let unknown = encode(&header(Algorithm::EdDSA, Some("ed-9")), &claims, &login.ed).unwrap();
    for _ in 0..20 {
        assert_eq!(status(&desk, "/issues", &unknown).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(login.fetched.load(Ordering::SeqCst), 1, "not more than once a minute");
    desk.fleet.store.system().suspend_tenant(desk.fleet.instance.tenant, true).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let token = encode(&header(Algorithm::EdDSA, Some("ed-1")), &claims, &login.ed).unwrap();
    assert_eq!(status(&desk, "/issues", &token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nothing_else_is_a_token() {
    let (fleet, login) = (TestFleet::start().await, Login::open().await);
    let mut gate = gate(&fleet, rates());
    gate.issuers.push(login.known_to(&fleet));
    let desk = Desk::behind(fleet, gate).await;
    let (claims, now) = (login.claims(), Utc::now().timestamp());
    let sign = |claims: &Value| encode(&header(Algorithm::EdDSA, Some("ed-1")), claims, &login.ed).unwrap();
    let good = sign(&claims);
    assert_eq!(status(&desk, "/issues", &good).await, StatusCode::OK);
    let parts: Vec<&str> = good.split('.').collect();
    let text = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let hs256 = EncodingKey::from_secret(&serde_json::to_vec(&published("ed-1", &login.ed, Algorithm::EdDSA)).unwrap());
    let mut bad = vec![
        ("no algorithm", format!("{}.{}.", text(&json!({"alg": "none", "kid": "ed-1"})), parts[1])),
        ("a public key as secret", encode(&header(Algorithm::HS256, Some("ed-1")), &claims, &hs256).unwrap()),
        ("no kid", encode(&header(Algorithm::EdDSA, None), &claims, &login.ed).unwrap()),
        ("another key's kid", encode(&header(Algorithm::EdDSA, Some("rsa-1")), &claims, &login.ed).unwrap()),
        (
            "another algorithm of the key",
            encode(&header(Algorithm::RS512, Some("rsa-1")), &claims, &login.rsa).unwrap(),
        ),
        ("another's key", encode(&header(Algorithm::EdDSA, Some("ed-1")), &claims, &ed(8)).unwrap()),
        ("changed claims", format!("{}.{}.{}", parts[0], text(&changed(&claims, "sub", json!("eve"))), parts[2])),
        ("a critical extension", {
            let head = text(&json!({"alg": "EdDSA", "kid": "ed-1", "crit": ["b64"], "b64": true}));
            format!("{head}.{}.{}", parts[1], parts[2])
        }),
        ("no signature", format!("{}.{}", parts[0], parts[1])),
    ];
    for (why, name, value) in [
        ("another audience", "aud", json!("other")),
        ("nobody's issuer", "iss", json!("http://nobody")),
        ("our own name", "iss", json!("jirafleet")),
        ("it has ended", "exp", json!(now - 70)),
        ("it has not begun", "nbf", json!(now + 70)),
        ("made tomorrow", "iat", json!(now + 70)),
        ("it lives too long", "exp", json!(now + 1000)),
        ("about nobody", "sub", json!("")),
        ("without an end", "exp", Value::Null),
    ] {
        bad.push((why, sign(&changed(&claims, name, value))));
    }
    let mut said = Vec::new();
    for (why, token) in bad {
        let response = with(&desk, Method::GET, "/issues", &token).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{why}");
        let mut body = problem(response, StatusCode::UNAUTHORIZED, "unauthorized").await;
        body["request_id"].take();
        said.push(body);
    }
    said.dedup();
    assert_eq!(said.len(), 1, "every reason sounds the same: {said:?}");
    let behind = changed(&changed(&claims, "iat", json!(now - 200)), "exp", json!(now - 30));
    for (why, claims) in [("a clock that is behind", behind), ("or ahead", changed(&claims, "nbf", json!(now + 30)))] {
        assert_eq!(status(&desk, "/issues", &sign(&claims)).await, StatusCode::OK, "{why}");
    }
}
