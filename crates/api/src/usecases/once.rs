//! A write under a caller's own key happens once: whoever asks the same again is told what came of it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Claim, Claimed, TenantStore};
use uuid::Uuid;

use super::{Error, write_back::Written};

/// Characters of a key.
const LONGEST: usize = 255;

/// A key, whose it is, and what is asked under it.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    caller: String,
    key: String,
    fingerprint: [u8; 32],
}

/// What came of a write, as it is kept for whoever asks again.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Done(Box<Written>),
    Refused { status: u16, messages: Vec<String> },
    Unknown { operation: Uuid, settle: String },
}

/// A write, and whether it was done before.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) written: Written,
    pub(crate) again: bool,
}

impl Once {
    /// Takes a caller's key for a command at an address.
    pub(crate) fn new<C: Serialize>(caller: &str, key: &str, address: &str, command: &C) -> Result<Self, Error> {
        if key.is_empty() || key.len() > LONGEST || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid("Idempotency-Key", format!("must be 1 to {LONGEST} visible ASCII characters")));
        }
        let command = serde_json::to_vec(command).map_err(|error| Error::Broken(error.to_string()))?;
        let mut hash = Sha256::new();
        hash.update(address.len().to_be_bytes());
        hash.update(address);
        hash.update(command);
        Ok(Self { caller: caller.to_owned(), key: key.to_owned(), fingerprint: hash.finalize().into() })
    }

    /// Does the work unless it was done before.
    pub(crate) async fn run(
        &self,
        mirror: &TenantStore,
        work: impl Future<Output = Result<Written, Error>>,
    ) -> Result<Told, Error> {
        match mirror.claim(&self.caller, &self.key, &self.fingerprint).await? {
            Claimed::Running => Err(Error::Running),
            Claimed::Other => Err(Error::Reused),
            Claimed::Done(outcome) => told_again(&outcome),
            Claimed::Ours(claim) => {
                let result = work.await;
                keep(mirror, claim, &result).await;
                result.map(|written| Told { written, again: false })
            }
        }
    }
}

/// Keeps what is final. What was not done for a passing reason may be asked for again under the same key.
async fn keep(mirror: &TenantStore, claim: Claim, result: &Result<Written, Error>) {
    let outcome = match result {
        Ok(written) => Some(Outcome::Done(Box::new(written.clone()))),
        Err(Error::Refused { status, messages }) => {
            Some(Outcome::Refused { status: *status, messages: messages.clone() })
        }
        Err(Error::Unknown { operation, settle }) => {
            Some(Outcome::Unknown { operation: *operation, settle: settle.clone() })
        }
        Err(_) => None,
    };
    let kept = match outcome.map(|outcome| serde_json::to_string(&outcome)) {
        Some(Ok(text)) => mirror.end_claim(claim, &text).await,
        Some(Err(_)) => Ok(()),
        None => mirror.release_claim(claim).await,
    };
    // The key then stays taken: nothing is done twice.
    if let Err(error) = kept {
        tracing::error!(error = %error, "what came of a write could not be kept under its key");
    }
}

fn told_again(outcome: &str) -> Result<Told, Error> {
    match serde_json::from_str(outcome).map_err(|error| Error::Broken(error.to_string()))? {
        Outcome::Done(written) => Ok(Told { written: *written, again: true }),
        Outcome::Refused { status, messages } => Err(Error::Refused { status, messages }),
        Outcome::Unknown { operation, settle } => Err(Error::Unknown { operation, settle }),
    }
}
