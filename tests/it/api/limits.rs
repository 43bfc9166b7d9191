//! How much may be asked, how slowly, and how large answers travel.

use std::{io::Read, time::Duration};

use domain::Scope;
use reqwest::{Client, Method, Response, StatusCode, header};
use tests::TestFleet;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{Desk, gate, key, problem};

fn said<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn a_key_and_a_tenant_have_so_much_a_minute() {
    let fleet = TestFleet::start().await;
    let gate = gate(&fleet, api::Rates { key: 5, tenant: 8, attempts: 100 });
    let desk = Desk::behind(fleet, gate).await;
    for left in (0..5).rev() {
        let response = desk.get("/tenants/me").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(said(&response, "ratelimit-policy"), "\"key\";q=5;w=60, \"tenant\";q=8;w=60");
        assert!(said(&response, "ratelimit").starts_with(&format!("\"key\";r={left};t=")), "{response:?}");
    }
    let refused = desk.get("/tenants/me").await;
    let wait: u64 = said(&refused, "retry-after").parse().unwrap();
    assert!((1..=13).contains(&wait), "one more comes every twelve seconds: {wait}");
    problem(refused, StatusCode::TOO_MANY_REQUESTS, "too_many").await;
    let other = key(&desk.fleet, desk.fleet.instance.tenant, &[Scope::ReadIssues]).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(desk.ask_with(Method::GET, "/tenants/me", &other).send().await.unwrap().status());
    }
    assert_eq!(answers[..3], [StatusCode::OK; 3], "another key has its own");
    assert_eq!(answers[3], StatusCode::TOO_MANY_REQUESTS, "and the tenant has one for all");
    let stranger = super::stranger(&desk.fleet).await;
    let response = desk.ask_with(Method::GET, "/tenants/me", &stranger).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "another tenant has its own");
}

#[tokio::test]
async fn an_address_has_so_many_attempts_and_good_keys_do_not_suffer() {
    let fleet = TestFleet::start().await;
    let gate = gate(&fleet, api::Rates { attempts: 3, ..api::Rates::default() });
    let desk = Desk::behind(fleet, gate).await;
    let guess = async || desk.client.get(desk.url("/issues")).bearer_auth("guess").send().await.unwrap();
    for _ in 0..3 {
        problem(guess().await, StatusCode::UNAUTHORIZED, "unauthorized").await;
    }
    problem(guess().await, StatusCode::TOO_MANY_REQUESTS, "too_many").await;
    assert_eq!(desk.get("/tenants/me").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn nobody_is_kept_out_because_nobody_counts() {
    let fleet = TestFleet::start().await;
    let gate = api::Gate::new("redis://127.0.0.1:1", "none", api::Rates { key: 1, tenant: 1, attempts: 1 }).unwrap();
    let desk = Desk::behind(fleet, gate).await;
    for _ in 0..3 {
        let response = desk.get("/tenants/me").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("ratelimit"));
    }
}

#[tokio::test]
async fn answers_are_packed_for_whoever_can_unpack_them() {
    let desk = Desk::open().await;
    let client = Client::builder().no_gzip().build().unwrap();
    let ask = |coding: &'static str| {
        let request = client.get(desk.url("/issues?limit=50")).bearer_auth(desk.key.expose());
        request.header(header::ACCEPT_ENCODING, coding).send()
    };
    let plain = ask("identity").await.unwrap();
    assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
    let plain = plain.bytes().await.unwrap();
    for (accepted, coding) in [("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("gzip;q=0.5, br", "br")] {
        let packed = ask(accepted).await.unwrap();
        assert_eq!(said(&packed, "content-encoding"), coding);
        assert!(said(&packed, "vary").contains("accept-encoding"));
        let packed = packed.bytes().await.unwrap();
        assert!(packed.len() * 2 < plain.len(), "{coding}: {} of {}", packed.len(), plain.len());
        let unpacked = match coding {
            "br" => {
                let mut unpacked = Vec::new();
                brotli::Decompressor::new(&packed[..], 4096).read_to_end(&mut unpacked).unwrap();
                unpacked
            }
            "zstd" => zstd::decode_all(&packed[..]).unwrap(),
            _ => Client::new()
                .get(desk.url("/issues?limit=50"))
                .bearer_auth(desk.key.expose())
                .send()
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap()
                .to_vec(),
        };
        assert_eq!(unpacked, plain, "{coding}");
    }
}

/// Sends this much and no more, and tells what comes until the connection ends, and after how long.
async fn drip(desk: &Desk, text: String) -> (String, Duration) {
    let mut socket = TcpStream::connect(desk.address).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    let (begun, mut said) = (Instant::now(), Vec::new());
    // Whether it is closed or reset is all the same.
    let _ = timeout(Duration::from_secs(30), socket.read_to_end(&mut said)).await.expect("it ends");
    (String::from_utf8(said).unwrap(), begun.elapsed())
}

#[tokio::test]
async fn whoever_is_slow_is_not_waited_for() {
    let fleet = TestFleet::start().await;
    let desk = Desk::on(fleet).await;
    let head = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 9\r\n",
        desk.key.expose()
    );
    let (header, body) = tokio::join!(drip(&desk, head.clone()), drip(&desk, format!("{head}\r\n{{")));
    assert!(header.1 <= Duration::from_secs(5), "a header that does not end was waited for {:?}", header.1);
    assert!(body.0.starts_with("HTTP/1.1 408 "), "{}", body.0);
    assert!(body.1 <= Duration::from_secs(12), "a body that does not come was waited for {:?}", body.1);
}
