//! What is outside of this machine's processes: the addresses at which they listen or would, the collector of spans, and
//! others whose tokens the API believes.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use clap::Args;
use serde_json::Value;
use store::Store;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::finding::Finding;
use crate::{
    config::MetricsArgs,
    serve::{ApiPlace, GatewayOptions, issuers},
};

/// How long anybody may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of an answer that are read.
const ANSWER: u64 = 64 * 1024;

/// What processes of this machine are told.
#[derive(Args, Clone)]
pub(super) struct Places {
    #[command(flatten)]
    gateway: GatewayOptions,
    #[command(flatten)]
    api: ApiPlace,
    #[command(flatten)]
    metrics: MetricsArgs,
}

impl Places {
    pub(super) async fn look(&self) -> Vec<Finding> {
        let of = |what, option, address| async move { port(option, address).await.of(what) };
        let (gateway, api, metrics, collector) = tokio::join!(
            of("gateway", "--gateway-listen", self.gateway.gateway_listen),
            of("api", "--api-listen", self.api.api_listen),
            of("metrics", "--metrics-listen", self.metrics.metrics_listen),
            collector(self.metrics.otlp_endpoint.as_deref().unwrap_or_default()),
        );
        vec![gateway, api, metrics, collector]
    }

    /// Our own tokens are signed by keys that the master key gives; others' by keys behind an address.
    pub(super) async fn issuers(&self, store: Option<&Store>, insecure: &[String]) -> Vec<Finding> {
        let check = "api.issuers";
        let Some(file) = &self.api.issuers_file else {
            return vec![Finding::ok(check, "only keys and tokens of our own count")];
        };
        let Some(store) = store else { return vec![Finding::skipped(check, "the mirror cannot be opened")] };
        let why = "an api that is told of this file does not start";
        let issuers = match issuers::read(file, store, insecure).await {
            Ok(issuers) => issuers,
            Err(failed) => {
                let next = "correct --issuers-file (JIRAFLEET_ISSUERS_FILE), see docs/api.md";
                return vec![Finding::failure(check, failed, why, next)];
            }
        };
        let mut findings = Vec::new();
        for issuer in issuers {
            findings.push(keys(check, issuer.keys.look().await).of(&issuer.issuer));
        }
        findings
    }
}

fn keys(check: &'static str, told: Result<usize, String>) -> Finding {
    let why = "its tokens open nothing, since nobody can tell whether it signed them";
    let next = "see whether the address under `jwks` is right, and can be reached from here";
    match told {
        Ok(0) => Finding::failure(check, "its key set has no key that we can use", why, next),
        Ok(keys) => Finding::ok(check, format!("{keys} of its public keys are known")),
        Err(reason) => Finding::failure(check, format!("its public keys cannot be fetched: {reason}"), why, next),
    }
}

/// Whether a process can listen there, or does.
async fn port(option: &str, address: SocketAddr) -> Finding {
    let check = "machine.ports";
    let (found, next) = match TcpListener::bind(address).map_err(|error| error.kind()) {
        Ok(_) => return Finding::ok(check, format!("{address} is free")),
        Err(ErrorKind::AddrInUse) if is_ours(address).await => {
            return Finding::ok(check, format!("jirafleet listens at {address}"));
        }
        Err(ErrorKind::AddrInUse) => (
            format!("another program listens at {address}"),
            format!("`ss -ltnp` tells which; or choose another {option}"),
        ),
        Err(kind) => (format!("{address} cannot be listened at: {kind}"), format!("choose another {option}")),
    };
    Finding::warning(check, found, "the process does not start there", next)
}

/// Each of our listeners tells whether it is ready, and no other program does it like this.
async fn is_ours(address: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.take(ANSWER).read_to_string(&mut answer).await.ok()?;
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        Some(body["ready"].is_boolean() && body["checks"].is_object())
    };
    timeout(PATIENCE, asked).await.ok().flatten().unwrap_or_default()
}

async fn collector(endpoint: &str) -> Finding {
    let check = "traces.collector";
    if endpoint.is_empty() {
        return Finding::ok(check, "no spans are sent");
    }
    let why = "spans are lost; nothing else waits for them";
    let next = "start the collector, or correct --otlp-endpoint (JIRAFLEET_OTLP_ENDPOINT)";
    let Some(place) = place(endpoint) else {
        return Finding::failure(check, format!("{endpoint} is no address"), "no process starts", next);
    };
    match timeout(PATIENCE, TcpStream::connect(&place)).await {
        Ok(Ok(_)) => Finding::ok(check, format!("somebody listens at {place}")),
        Ok(Err(error)) => Finding::warning(check, format!("nobody listens at {place}: {error}"), why, next),
        Err(_) => Finding::warning(check, format!("{place} does not answer"), why, next),
    }
}

/// Host and port of an address.
fn place(endpoint: &str) -> Option<String> {
    let (scheme, rest) = endpoint.split_once("://")?;
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = rest.split('/').next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let names_a_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    (!host.is_empty()).then(|| if names_a_port { host.to_owned() } else { format!("{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::{super::finding::State, *};

    #[test]
    fn a_place_is_read_from_an_address() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:4318", Some("127.0.0.1:4318")),
            ("https://collector.example/v1/traces", Some("collector.example:443")),
            ("http://[::1]:4318/", Some("[::1]:4318")),
            ("collector:4317", None),
        ] {
            assert_eq!(place(endpoint).as_deref(), expected, "{endpoint}");
        }
    }

    #[test]
    fn keys_that_prove_nothing_are_a_failure() {
        let state = |told| keys("api.issuers", told).state;
        assert_eq!(state(Ok(2)), State::Ok);
        assert_eq!((state(Ok(0)), state(Err("the answer was 404".to_owned()))), (State::Failure, State::Failure));
    }
}
