//! Commenting.

use domain::{Comment, IssueId, RawJson};
use serde::Serialize;
use serde_json::Value;

use super::{Mark, text};
use crate::{Client, Error, budget::Verb, convert, request::Request};

/// A comment to be made.
#[derive(Clone, Debug)]
pub struct NewComment {
    /// An ADF document.
    pub body: RawJson,
    /// Group or role that may see it; nothing when everybody may.
    pub visibility: Option<RawJson>,
    /// The operation that makes it.
    pub mark: Mark,
}

#[derive(Serialize)]
pub(super) struct Wire<'a> {
    body: &'a RawJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility: Option<&'a RawJson>,
    properties: [Value; 1],
}

impl NewComment {
    pub(super) fn wire(&self) -> Result<Wire<'_>, Error> {
        text::fits("comment", &self.body)?;
        Ok(Wire { body: &self.body, visibility: self.visibility.as_ref(), properties: [self.mark.property()] })
    }
}

impl Client {
    /// Comments an issue.
    pub async fn comment(&self, issue: IssueId, new: &NewComment) -> Result<Comment, Error> {
        let settle = "to find out, look for the operation's mark among the issue's comments";
        let url = self.at(&format!("/rest/api/3/issue/{issue}/comment"));
        let request = Request::once(Verb::Post, url, "/issue/{id}/comment", settle).on(issue);
        let answer = self.send(request.saying(&new.wire()?)?).await?;
        let read = answer.read("a comment").and_then(|wire| convert::comment(&wire, &mut convert::People::default()));
        // It was made: who asks again makes another one.
        read.map_err(|error| {
            let reason = format!("it happened, but the answer cannot be read ({error})");
            Error::Unknown { asked: Box::new(answer.asked.clone()), reason, settle }
        })
    }
}
