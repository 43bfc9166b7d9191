//! Public keys of those who say who somebody is (JSON Web Key Sets, RFC 7517), and what a token signed with one of them
//! claims.
//!
//! A key says by itself which algorithm it is for, EdDSA or RS256; what a token's own header says must agree and decides
//! nothing. Keys that lie behind an address are fetched when they are first needed, kept, and fetched again when they are
//! old or when a token names a key that is not among them, at most once a minute.

mod keys;
mod remote;
mod token;

pub use keys::{PublicKey, public_keys};
pub use remote::{BadAddress, KeySet};
pub use token::{Claims, LONGEST_LIFE, SKEW, Unsigned, kid};
