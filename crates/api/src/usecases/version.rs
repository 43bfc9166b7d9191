//! The version of a thing: the hash of exactly what is handed out.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Error;

/// What a caller believes about the thing it changes.
#[derive(Clone, Debug)]
pub(crate) enum Belief {
    /// Whatever it is.
    Anything,
    /// It has one of these versions.
    Versions(Vec<String>),
}

impl Belief {
    /// Refuses a thing of another version.
    pub(crate) fn check<T: Serialize>(&self, thing: &T) -> Result<(), Error> {
        match self {
            Self::Anything => Ok(()),
            Self::Versions(versions) if versions.contains(&of(thing)?.1) => Ok(()),
            Self::Versions(_) => Err(Error::Stale),
        }
    }
}

/// A thing as it is handed out, and its version: 32 hexadecimal digits.
pub(crate) fn of<T: Serialize>(thing: &T) -> Result<(Vec<u8>, String), Error> {
    let body = serde_json::to_vec(thing).map_err(|error| Error::Broken(error.to_string()))?;
    let version = hex::encode(&Sha256::digest(&body)[..16]);
    Ok((body, version))
}
