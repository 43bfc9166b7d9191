//! The text of a program's key: recognisable wherever it lies about, and refused without a question when it is mistyped.
//!
//! `jirafleet_`, the environment, `_`, 30 random characters and 6 that are their checksum.

use std::fmt;

use chacha20poly1305::aead::Generate;
use secrecy::{ExposeSecret, SecretString};

const HOUSE: &str = "jirafleet_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 30;
const CHECKSUM: usize = 6;

/// A token, whose checksum is right.
#[derive(Clone)]
pub struct ApiToken(SecretString);

/// A text that is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is no key of jirafleet: it is cut off or mistyped")]
pub struct NotAToken;

impl ApiToken {
    /// A fresh one for an environment, such as `live`: one to twelve lower-case letters and digits.
    pub fn generate(environment: &str) -> Result<Self, NotAToken> {
        if !is_environment(environment) {
            return Err(NotAToken);
        }
        let mut text = format!("{HOUSE}{environment}_");
        let end = text.len() + RANDOM;
        while text.len() < end {
            // Of 256 values the last 8 would make some characters likelier than others.
            let bytes = <[u8; 32]>::generate();
            let fair =
                bytes.into_iter().filter(|byte| *byte < 248).map(|byte| char::from(ALPHABET[usize::from(byte) % 62]));
            text.extend(fair.take(end - text.len()));
        }
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Ok(Self(text.into()))
    }

    /// Takes a text whose shape and checksum are those of a token. Asks nobody.
    pub fn parse(text: &str) -> Result<Self, NotAToken> {
        let (environment, secret) = text.strip_prefix(HOUSE).and_then(|rest| rest.split_once('_')).ok_or(NotAToken)?;
        let shaped = secret.len() == RANDOM + CHECKSUM && secret.bytes().all(|byte| ALPHABET.contains(&byte));
        if !shaped || !is_environment(environment) {
            return Err(NotAToken);
        }
        let (body, given) = text.split_at(text.len() - CHECKSUM);
        if checksum(body) == given { Ok(Self(text.to_owned().into())) } else { Err(NotAToken) }
    }

    /// The text, to be shown once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(..)")
    }
}

fn is_environment(text: &str) -> bool {
    (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// CRC-32 in base 62: six digits hold 35 bits.
fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failure here is the test's failure")]

    use super::*;

    #[test]
    fn a_token_is_one_word_of_known_shape() {
        let token = ApiToken::generate("live").unwrap();
        let text = token.expose();
        assert!(text.starts_with("jirafleet_live_") && text.len() == 15 + 36, "{}", text.len());
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        assert_eq!(ApiToken::parse(text).unwrap().expose(), text);
        assert_ne!(ApiToken::generate("live").unwrap().expose(), text);
        assert!(!format!("{token:?}").contains(&text[15..]));
        assert!(ApiToken::generate("a_b").is_err() && ApiToken::generate("").is_err());
    }

    #[test]
    fn one_wrong_character_is_noticed() {
        let text = ApiToken::generate("test").unwrap().expose().to_owned();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            assert!(ApiToken::parse(std::str::from_utf8(&bytes).unwrap()).is_err(), "{at}");
            assert!(ApiToken::parse(&text[..at]).is_err());
        }
        assert!(ApiToken::parse(&format!("{text}0")).is_err() && ApiToken::parse(&format!(" {text}")).is_err());
    }

    #[test]
    fn the_checksum_is_the_common_crc_32() {
        // 0xCBF43926, which every description of the CRC names for these nine digits.
        assert_eq!(checksum("123456789"), "3jZRME");
    }
}
