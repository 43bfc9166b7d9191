//! Stands between a client and a simulated site: the links of answers lead back to it, and a test may change what they
//! say.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Response, Uri, header},
};

/// Where the simulated site's links lead.
const LINKED: &str = "https://acme.atlassian.net";

/// A relay; it ends with the test.
pub(super) struct Relay {
    pub(super) url: String,
    paths: Arc<Mutex<Vec<String>>>,
}

/// What a test makes of the answer to a path.
type Change = Arc<dyn Fn(&str, String) -> String + Send + Sync>;

impl Relay {
    pub(super) async fn start(site: &str, change: impl Fn(&str, String) -> String + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (paths, change): (Arc<Mutex<Vec<String>>>, Change) = (Arc::default(), Arc::new(change));
        let (own, site, noted) = (url.clone(), site.to_owned(), paths.clone());
        let app = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (own, site, change) = (own.clone(), site.clone(), change.clone());
            noted.lock().unwrap().push(uri.path().to_owned());
            async move {
                let (mut answer, text) = pass_on(&format!("{site}{uri}"), method, headers, body).await;
                *answer.body_mut() = Body::from(change(uri.path(), text.replace(LINKED, &own)));
                answer
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, paths }
    }

    /// The paths that were asked for, in order.
    pub(super) fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap().clone()
    }
}

/// The site's answer without its body, and that as a text.
async fn pass_on(url: &str, method: Method, mut headers: HeaderMap, body: Bytes) -> (Response<Body>, String) {
    for name in [header::HOST, header::CONTENT_LENGTH, header::ACCEPT_ENCODING] {
        headers.remove(name);
    }
    let request = reqwest::Client::new().request(method, url).headers(headers).body(body);
    let answer = request.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name) {
            response = response.header(name, value);
        }
    }
    (response.body(Body::empty()).unwrap(), answer.text().await.unwrap())
}
