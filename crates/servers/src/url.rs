//! The URLs of servers that listen on a unix socket, in the forms sqlx, libpq and the redis crate read.

use std::fmt::Write as _;
use std::path::Path;

/// `postgres://user:password@%2Ffolder/database`: the folder of the socket takes the place of the host.
pub(crate) fn postgres(sockets: &Path, user: &str, password: &str, database: &str) -> String {
    format!(
        "postgres://{}:{}@{}/{}",
        encode(user.as_bytes()),
        encode(password.as_bytes()),
        encode(sockets.as_os_str().as_encoded_bytes()),
        encode(database.as_bytes()),
    )
}

/// `unix:///path/of/socket?pass=password`.
pub(crate) fn redis(socket: &Path, password: &str) -> String {
    let path: Vec<String> = socket.as_os_str().as_encoded_bytes().split(|&byte| byte == b'/').map(encode).collect();
    format!("unix://{}?pass={}", path.join("/"), encode(password.as_bytes()))
}

/// Percent-encodes everything but letters, digits, `-`, `.` and `_`.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_folder_becomes_the_host() {
        let url = postgres(Path::new("/srv/a b/run"), "me", "p/w:é", "db");
        assert_eq!(url, "postgres://me:p%2Fw%3A%C3%A9@%2Fsrv%2Fa%20b%2Frun/db");
    }

    #[test]
    fn a_redis_socket_keeps_its_slashes() {
        let url = redis(Path::new("/srv/a?b/redis.sock"), "x&y");
        assert_eq!(url, "unix:///srv/a%3Fb/redis.sock?pass=x%26y");
    }
}
