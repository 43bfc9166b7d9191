//! Asking over HTTP as fast as it answers, by wrk (Debian package `wrk`): each connection asks its next question when the
//! last one is answered.

use std::{fmt::Write as _, net::SocketAddr, process::Command, time::Duration};

use serde::Deserialize;

/// Reads the questions, asks them in a random order, and prints the figures as JSON.
const SCRIPT: &str = r#"
local asked = {}
function init(args)
  math.randomseed(os.time())
  for line in io.lines(args[1]) do
    local token, path = line:match('^(%S+) (.*)$')
    asked[#asked + 1] = wrk.format('GET', path, { Authorization = token:gsub('~', ' ') })
  end
end
function request()
  return asked[math.random(#asked)]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nFIGURES {"requests":%d,"us":%d,"refused":%d,"broken":%d,"p50_us":%d,"p95_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
"#;

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Whose.
    pub(crate) token: String,
    /// With its query.
    pub(crate) path: String,
}

/// Who is asked, and how much.
pub(crate) struct Load {
    pub(crate) at: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) lasts: Duration,
}

/// What came of it.
pub(crate) struct Told {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
}

#[derive(Deserialize)]
struct Figures {
    requests: u64,
    us: u64,
    refused: u64,
    broken: u64,
    p50_us: u64,
    p95_us: u64,
    p99_us: u64,
}

impl Load {
    /// Asks these questions in a random order; why not, where wrk is missing or an answer was not good.
    pub(crate) async fn run(&self, wishes: &[Wish]) -> Result<Told, String> {
        let folder = std::env::temp_dir();
        let place = |ending: &str| folder.join(format!("jirafleet-bench-rest-{}.{ending}", std::process::id()));
        let (script, questions) = (place("lua"), place("txt"));
        let lines = wishes.iter().fold(String::new(), |mut lines, wish| {
            let _ = writeln!(lines, "Bearer~{} {}", wish.token, wish.path);
            lines
        });
        std::fs::write(&script, SCRIPT).expect("a file can be written");
        std::fs::write(&questions, lines).expect("a file can be written");
        let mut wrk = Command::new("wrk");
        wrk.args(["--threads", "1", "--timeout", "10s", "--connections", &self.connections.to_string()]);
        wrk.args(["--duration", &format!("{}s", self.lasts.as_secs()), "--script"]).arg(&script);
        wrk.arg(format!("http://{}/", self.at)).arg("--").arg(&questions);
        let said = tokio::task::spawn_blocking(move || wrk.output()).await.expect("no panic");
        let _ = (std::fs::remove_file(&script), std::fs::remove_file(&questions));
        let said = said.map_err(|error| format!("wrk does not start ({error}): install the package `wrk`"))?;
        told(&String::from_utf8_lossy(&said.stdout))
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn told(said: &str) -> Result<Told, String> {
    let line = said.lines().find_map(|line| line.strip_prefix("FIGURES "));
    let figures: Figures = line.and_then(|line| serde_json::from_str(line).ok()).ok_or("wrk told no figures")?;
    if figures.refused + figures.broken > 0 {
        let of = figures.requests;
        return Err(format!("{} answers of {of} were refusals, {} did not come", figures.refused, figures.broken));
    }
    let ms = |us: u64| us as f64 / 1e3;
    Ok(Told {
        per_second: figures.requests as f64 / (figures.us as f64 / 1e6),
        p50_ms: ms(figures.p50_us),
        p95_ms: ms(figures.p95_us),
        p99_ms: ms(figures.p99_us),
    })
}
