//! One question over the wire, whoever asks it: what came back, before anything is concluded from it.

use std::time::Instant;

use chrono::{DateTime, Utc};
use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};

use crate::{answer, error::Asked, retry::Failure};

/// What came back.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) asked: Asked,
    /// A lower bound of the instant at which it was true.
    pub(crate) sent_at: DateTime<Utc>,
    pub(crate) received: Instant,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// Sends it and reads the answer whole, up to `cap` bytes.
pub(crate) async fn transfer(builder: RequestBuilder, asked: Asked, cap: usize) -> Result<Raw, Failure> {
    let sent_at = Utc::now();
    let response = builder.send().await.map_err(|error| answer::broken(&asked, &error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let asked = answer::traced(asked, &headers);
    let text = answer::read(response, &asked, cap).await?;
    Ok(Raw { asked, sent_at, received: Instant::now(), status, headers, text })
}
