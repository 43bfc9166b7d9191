//! What a webhook shows to prove who sent it, and whether that is enough.

use axum::http::HeaderMap;
use secrecy::ExposeSecret;

use crate::{
    secrets::Sender,
    signature::{self, Signature},
    token::Token,
};

/// What a webhook shows.
#[derive(Clone)]
pub(crate) enum Proof {
    /// Of an administrator's webhook: the HMAC of its body.
    Signature(Signature),
    /// Of an app's own webhook.
    Token(Token),
    /// Nothing that could be one.
    Nothing,
}

impl Proof {
    /// Reads the headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match Signature::of(headers) {
            Some(signature) => Self::Signature(signature),
            None => Token::of(headers).map_or(Self::Nothing, Self::Token),
        }
    }

    /// The body's signature, if that is what is shown.
    pub(crate) fn signature(&self) -> Option<Signature> {
        match self {
            Self::Signature(signature) => Some(*signature),
            Self::Token(_) | Self::Nothing => None,
        }
    }

    /// Whether it proves that this sender sent the body. The body is hashed whatever the answer, so that the time it takes
    /// tells nothing about who exists.
    pub(crate) fn convinces(&self, sender: Option<&Sender>, body: &[u8]) -> bool {
        let secrets = sender.map_or(&[][..], |sender| &sender.secrets);
        let claimed = self.signature();
        let mut signed =
            signature::proves(claimed, secrets.first().map(|secret| secret.expose_secret().as_bytes()), body);
        for secret in secrets.iter().skip(1) {
            signed |= signature::proves(claimed, Some(secret.expose_secret().as_bytes()), body);
        }
        let app = sender.and_then(|sender| sender.app.as_ref());
        match (self, app) {
            (Self::Token(token), Some(app)) => token.is_proven_by(app.expose_secret().as_bytes()),
            _ => signed,
        }
    }
}
