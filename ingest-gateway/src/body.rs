//! Reads a webhook's body, frame by frame: never more of one than Jira sends, and never more of all than there is room for.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, header::EXPECT},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Limits;

/// How long the rest of a refused body is read and dropped, so that its sender sees the answer and not a broken pipe.
const LINGER: Duration = Duration::from_secs(5);

/// A body, and the room that it takes until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// More than one body may have.
    TooLarge,
    /// The sender went away.
    Cut,
    /// The sender took too long.
    Slow,
    /// Other bodies take all the room at this moment.
    NoRoom,
}

/// Reads one body after the other within its limits.
pub(crate) struct Reader {
    most: usize,
    patience: Duration,
    room: Arc<Semaphore>,
}

impl Reader {
    /// A reader with all its room free.
    pub(crate) fn new(limits: &Limits) -> Self {
        let room = limits.bodies_bytes.max(limits.body_bytes).min(Semaphore::MAX_PERMITS);
        Self { most: limits.body_bytes, patience: limits.body_patience, room: Arc::new(Semaphore::new(room)) }
    }

    /// The whole body. One that says by itself that it is too large is not read at all.
    pub(crate) async fn read(&self, headers: &HeaderMap, mut body: Body) -> Result<Held, Unread> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let held = if announced > self.most {
            Err(Unread::TooLarge)
        } else {
            tokio::time::timeout(self.patience, self.frames(&mut body)).await.unwrap_or(Err(Unread::Slow))
        };
        if matches!(held, Err(Unread::TooLarge)) && !headers.contains_key(EXPECT) {
            let most = self.most.saturating_mul(2);
            tokio::spawn(tokio::time::timeout(LINGER, discard(body, most)));
        }
        held
    }

    async fn frames(&self, body: &mut Body) -> Result<Held, Unread> {
        let mut held = Held { bytes: Bytes::new(), _room: None };
        let mut more = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Unread::Cut)?.into_data() else { continue };
            if held.bytes.len() + more.len() + data.len() > self.most {
                return Err(Unread::TooLarge);
            }
            held.take(self.take(data.len())?);
            // Most webhooks come in one frame, which is kept as it is.
            if held.bytes.is_empty() && more.is_empty() {
                held.bytes = data;
            } else {
                more.extend_from_slice(&std::mem::take(&mut held.bytes));
                more.extend_from_slice(&data);
            }
        }
        if !more.is_empty() {
            held.bytes = more.freeze();
        }
        Ok(held)
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Unread> {
        let bytes = u32::try_from(bytes).map_err(|_| Unread::TooLarge)?;
        self.room.clone().try_acquire_many_owned(bytes).map_err(|_| Unread::NoRoom)
    }
}

impl Held {
    fn take(&mut self, room: OwnedSemaphorePermit) {
        match &mut self._room {
            Some(held) => held.merge(room),
            None => self._room = Some(room),
        }
    }
}

async fn discard(mut body: Body, most: usize) {
    let mut seen = 0;
    while let Some(Ok(frame)) = body.frame().await {
        seen += frame.data_ref().map_or(0, Bytes::len);
        if seen > most {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::HeaderValue;
    use futures::stream;

    use super::*;

    fn reader(most: usize, all: usize) -> Reader {
        Reader::new(&Limits { body_bytes: most, bodies_bytes: all, body_patience: Duration::from_secs(60) })
    }

    /// A body of unknown length, as chunked transfer sends it.
    fn chunks(chunks: &[&'static str]) -> Body {
        let chunks: Vec<_> =
            chunks.iter().map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk.as_bytes()))).collect();
        Body::from_stream(stream::iter(chunks))
    }

    async fn read(reader: &Reader, body: Body) -> Result<Bytes, Unread> {
        reader.read(&HeaderMap::new(), body).await.map(|held| held.bytes)
    }

    #[tokio::test]
    async fn a_body_is_put_together_from_its_frames() {
        let reader = reader(10, 100);
        assert_eq!(read(&reader, Body::empty()).await.as_deref(), Ok(&b""[..]));
        assert_eq!(read(&reader, Body::from("0123456789")).await.as_deref(), Ok(&b"0123456789"[..]));
        assert_eq!(read(&reader, chunks(&["01", "", "234", "56789"])).await.as_deref(), Ok(&b"0123456789"[..]));
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_announced_or_not() {
        let reader = reader(10, 100);
        assert_eq!(read(&reader, Body::from("0123456789a")).await, Err(Unread::TooLarge));
        assert_eq!(read(&reader, chunks(&["0123456789", "a"])).await, Err(Unread::TooLarge));
    }

    #[tokio::test]
    async fn a_waiting_sender_is_refused_without_being_asked_for_more() {
        let mut headers = HeaderMap::new();
        headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
        let refused = reader(10, 100).read(&headers, Body::from("0123456789a")).await.map(|held| held.bytes);
        assert_eq!(refused, Err(Unread::TooLarge));
    }

    #[tokio::test]
    async fn all_bodies_share_the_room_and_give_it_back() {
        let reader = reader(10, 15);
        let first = reader.read(&HeaderMap::new(), chunks(&["01234", "56789"])).await.expect("there is room");
        assert_eq!(read(&reader, chunks(&["0123", "45"])).await, Err(Unread::NoRoom));
        assert_eq!(read(&reader, Body::from("01234")).await.as_deref(), Ok(&b"01234"[..]));
        drop(first);
        assert!(read(&reader, Body::from("0123456789")).await.is_ok());
    }

    #[tokio::test]
    async fn a_sender_that_breaks_off_is_told_from_a_slow_one() {
        let broken = stream::iter([Ok(Bytes::from_static(b"01")), Err(std::io::Error::other("gone"))]);
        assert_eq!(read(&reader(10, 100), Body::from_stream(broken)).await, Err(Unread::Cut));
        let silent = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let hasty = Reader { patience: Duration::from_millis(1), ..reader(10, 100) };
        assert_eq!(read(&hasty, silent).await, Err(Unread::Slow));
    }
}
