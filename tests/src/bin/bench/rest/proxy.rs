//! The reference: a simulated Jira, asked for issues through a plain proxy that adds the credentials and forwards.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use simulator::{Config, Simulator};

use super::wrk::{Load, Told, Wish};

/// Issues of the site.
const ISSUES: usize = 2_000;

#[derive(Clone)]
struct Way {
    client: reqwest::Client,
    site: String,
}

pub(super) async fn measure(load: &Load) -> Result<Told, String> {
    let config = Config { issues: ISSUES, comments_per_issue: 3..=3, histories_per_issue: 5..=5, ..Config::default() };
    let simulator = Simulator::start(config).await.map_err(|error| format!("the simulator does not start: {error}"))?;
    let way = Way { client: reqwest::Client::new(), site: simulator.url() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let at = listener.local_addr().map_err(|error| error.to_string())?;
    let proxy = axum::serve(listener, Router::new().fallback(forward).with_state(way));
    let proxy = tokio::spawn(async move { proxy.await });
    let wishes: Vec<Wish> = simulator
        .world()
        .issue_keys()
        .into_iter()
        .map(|key| Wish { token: "none".to_owned(), path: format!("/rest/api/3/issue/{key}?expand=changelog") })
        .collect();
    let told = Load { at, ..*load }.run(&wishes).await;
    proxy.abort();
    simulator.stop().await;
    told
}

async fn forward(State(way): State<Way>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let asked = way.client.get(format!("{}{path}", way.site)).basic_auth("mirror@example.com", Some("simulated-token"));
    match asked.send().await {
        Ok(answer) => {
            let status = answer.status();
            (status, Body::from_stream(answer.bytes_stream())).into_response()
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
