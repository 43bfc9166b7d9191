//! Every answer is proven to come from who we are; an anonymous one is thrown away.
//!
//! An expired token may be answered with a 200 as if nobody had asked: an empty site. Atlassian names the account of every
//! signed-in answer in `X-Aaccountid`, and a failed login in `X-Seraph-LoginReason`.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use domain::AccountId;
use reqwest::header::HeaderMap;
use tokio::sync::{Mutex, OnceCell};

use crate::refusal;

/// Who we are at one site, and how we know.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    expected: OnceCell<AccountId>,
    /// Whether answers of this site name the account. Once seen, an answer that does not is anonymous.
    named: AtomicBool,
    /// When the last question "who am I" was sent that was answered with the expected account.
    proven: Mutex<Option<Instant>>,
}

/// What an answer's headers say about whom Jira took us for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The expected account.
    Ours,
    /// Nothing: it must be proven otherwise.
    Silent,
    /// Somebody else or nobody; a sentence for an operator.
    NotOurselves(String),
}

impl Identity {
    pub(crate) fn new(account: Option<AccountId>) -> Self {
        Self { expected: OnceCell::new_with(account), ..Self::default() }
    }

    /// The account that every answer must come from; set at first contact.
    pub(crate) fn expected(&self) -> &OnceCell<AccountId> {
        &self.expected
    }

    /// Whether this site is known to name the account in its answers.
    pub(crate) fn is_named(&self) -> bool {
        self.named.load(Ordering::Relaxed)
    }

    /// For one proof at a time: the instant at which the last good one was asked for.
    pub(crate) fn proven(&self) -> &Mutex<Option<Instant>> {
        &self.proven
    }

    /// Judges an answer by its headers.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Verdict {
        if let Some(reason) = login_failure(headers) {
            return Verdict::NotOurselves(refused(&reason));
        }
        let Some(account) = account(headers) else { return Verdict::Silent };
        match self.expected.get() {
            Some(expected) if *expected != account => Verdict::NotOurselves(somebody_else(&account, expected)),
            _ => {
                self.named.store(true, Ordering::Relaxed);
                Verdict::Ours
            }
        }
    }
}

/// The reason of a failed login, where Jira gives one. `OK` is none.
fn login_failure(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all("x-seraph-loginreason")
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("unreadable").split(','))
        .map(str::trim)
        .find(|reason| !reason.is_empty() && !reason.eq_ignore_ascii_case("OK"))
        .map(|reason| reason.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect())
}

fn account(headers: &HeaderMap) -> Option<AccountId> {
    let text = headers.get("x-aaccountid")?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| AccountId(url_decoded(text)))
}

/// `557058%3Af5b1..` is `557058:f5b1..`.
fn url_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = escaped.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const ROTATE: &str = "store a new token with `jirafleet instance rotate-token`, then `jirafleet instance resume`";

/// Jira did not take the credentials.
pub(crate) fn refused(reason: &str) -> String {
    if reason.eq_ignore_ascii_case("AUTHENTICATION_DENIED") {
        return format!(
            "Jira wants a CAPTCHA solved before it looks at the token again ({reason}): log in once in a browser as the \
             service account, or {ROTATE}"
        );
    }
    format!("Jira did not accept the API token ({reason}): it has expired, was revoked or is wrong; {ROTATE}")
}

/// What a 401 says, as a reason. A gateway tells of a scope that is missing.
pub(crate) fn unauthorised(text: &str) -> String {
    let said = refusal::messages(text).join("; ");
    if said.is_empty() { "401".to_owned() } else { format!("401: {said}") }
}

/// Atlassian did not take the grant of an OAuth app, or Jira did not take its tokens.
pub(crate) fn grant_refused(reason: &str) -> String {
    format!(
        "Jira did not accept the OAuth grant ({reason}): it was revoked, has not been used for 90 days or lacks a scope; \
         authorise the app again as the service account, store its tokens with `jirafleet instance rotate-token`, then \
         `jirafleet instance resume`"
    )
}

/// The token works, but is not who it was.
pub(crate) fn somebody_else(account: &AccountId, expected: &AccountId) -> String {
    format!("the API token belongs to account {account}, but this instance was mirrored as {expected}; {ROTATE}")
}

/// Answers of this site name the account, this one did not, and a second try did neither.
pub(crate) fn anonymous() -> String {
    format!(
        "Jira answered as if nobody had logged in, so nothing was believed: the API token may just have expired; {ROTATE}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    fn identity() -> Identity {
        Identity::new(Some(AccountId("557058:ab".into())))
    }

    #[test]
    fn our_own_account_is_ours_however_it_is_written() {
        let identity = identity();
        assert!(!identity.is_named());
        assert_eq!(identity.judge(&headers(&[("x-aaccountid", "557058%3Aab")])), Verdict::Ours);
        assert_eq!(
            identity.judge(&headers(&[("x-aaccountid", "557058:ab"), ("x-seraph-loginreason", "OK")])),
            Verdict::Ours
        );
        assert!(identity.is_named());
    }

    #[test]
    fn a_failed_login_is_never_ours() {
        let failed = [("x-aaccountid", "557058%3Aab"), ("x-seraph-loginreason", "AUTHENTICATED_FAILED")];
        let Verdict::NotOurselves(reason) = identity().judge(&headers(&failed)) else { panic!("it passed") };
        assert!(reason.contains("AUTHENTICATED_FAILED") && reason.contains("rotate-token"), "{reason}");
        let mixed = [("x-seraph-loginreason", "OK, AUTHENTICATION_DENIED")];
        let Verdict::NotOurselves(reason) = identity().judge(&headers(&mixed)) else { panic!("it passed") };
        assert!(reason.contains("CAPTCHA"), "{reason}");
    }

    #[test]
    fn another_account_is_not_ours() {
        let verdict = identity().judge(&headers(&[("x-aaccountid", "557058%3Acd")]));
        assert!(matches!(verdict, Verdict::NotOurselves(reason) if reason.contains("557058:cd")));
    }

    #[test]
    fn silence_proves_nothing() {
        assert_eq!(identity().judge(&HeaderMap::new()), Verdict::Silent);
        assert_eq!(identity().judge(&headers(&[("x-aaccountid", " ")])), Verdict::Silent);
    }

    #[test]
    fn odd_escapes_stay_as_they_are() {
        assert_eq!(url_decoded("a%3Ab%"), "a:b%");
        assert_eq!(url_decoded("%zz%4"), "%zz%4");
    }
}
