//! A write under a caller's own key happens once: whoever asks the same again is told what came of it.

use domain::{Came, Written};
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::{Claim, Claimed, TenantStore};

use super::Error;

/// Characters of a key.
const LONGEST: usize = 255;

/// A key, whose it is, and what is asked under it.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    caller: String,
    key: String,
    fingerprint: [u8; 32],
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

    /// What came of it, if it was asked for before: whoever asks again is told, though the same could not be asked anew.
    pub(crate) async fn before(&self, mirror: &TenantStore) -> Result<Option<Told>, Error> {
        match mirror.recall(&self.caller, &self.key, &self.fingerprint).await? {
            None => Ok(None),
            Some(Claimed::Other) => Err(Error::Reused),
            Some(Claimed::Done(came)) => told_again(*came).map(Some),
            Some(Claimed::Running | Claimed::Ours(_)) => Err(Error::Running),
        }
    }

    /// Does the work unless it was done before.
    pub(crate) async fn run<F>(&self, mirror: &TenantStore, work: impl FnOnce(Claim) -> F) -> Result<Told, Error>
    where
        F: Future<Output = Result<Written, Error>>,
    {
        match mirror.claim(&self.caller, &self.key, &self.fingerprint).await? {
            Claimed::Running => Err(Error::Running),
            Claimed::Other => Err(Error::Reused),
            Claimed::Done(came) => told_again(*came),
            Claimed::Ours(claim) => {
                let result = work(claim).await;
                keep(mirror, claim, &result).await;
                result.map(|written| Told { written, again: false })
            }
        }
    }
}

/// Keeps what is final. What was not done for a passing reason may be asked for again under the same key.
async fn keep(mirror: &TenantStore, claim: Claim, result: &Result<Written, Error>) {
    let came = match result {
        Ok(written) => Some(Came::Done(Box::new(written.clone()))),
        Err(Error::Refused { status, messages }) => Some(Came::Refused { status: *status, messages: messages.clone() }),
        Err(Error::Unknown { operation, settle }) => {
            Some(Came::Unknown { operation: *operation, settle: settle.clone() })
        }
        Err(_) => None,
    };
    let kept = match came {
        Some(came) => mirror.end_claim(claim, &came).await,
        None => mirror.release_claim(claim).await,
    };
    // The key then stays taken until the sweep: nothing is done twice.
    if let Err(error) = kept {
        tracing::error!(error.code = error.code(), error = %error, "what came of a write could not be kept under its key yet");
    }
}

fn told_again(came: Came) -> Result<Told, Error> {
    match came {
        Came::Done(written) => Ok(Told { written: *written, again: true }),
        Came::Refused { status, messages } => Err(Error::Refused { status, messages }),
        Came::Unknown { operation, settle } => Err(Error::Unknown { operation, settle }),
    }
}
