//! Properties of issues: nobody sees them, and no history tells of them, but webhooks do.

use domain::{IssueId, RawJson};

use crate::{Client, Error, budget::Verb, request::Request};

const ROUTE: &str = "/issue/{id}/properties/{key}";

impl Client {
    /// Sets a property of an issue; asking twice does no harm. `key` is at most 255 characters that need no escaping.
    pub async fn set_property(&self, issue: IssueId, key: &str, value: &RawJson) -> Result<(), Error> {
        let url = self.at(&format!("/rest/api/3/issue/{issue}/properties/{key}"));
        let request = Request::repeatable(Verb::Put, url, ROUTE, value)?;
        self.send(request).await.map(|_| ())
    }

    /// Removes a property of an issue. One that is gone is removed.
    pub async fn delete_property(&self, issue: IssueId, key: &str) -> Result<(), Error> {
        let request = Request::get(self.at(&format!("/rest/api/3/issue/{issue}/properties/{key}")), ROUTE);
        match self.send(request.deleting()).await {
            Err(error) if error.is_absence() => Ok(()),
            answer => answer.map(|_| ()),
        }
    }
}
