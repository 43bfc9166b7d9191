//! Listings that are counted by `startAt`: read to their end, whatever their pages are called and however short they are.

use std::collections::VecDeque;

use serde_json::value::RawValue;

use crate::{Client, Error, answer::Answer, lenient, lenient::Members, request::Request};

/// Nothing at a site has more pages than this; beyond it, pages repeat themselves.
const PAGES: usize = 10_000;

/// How many beginnings of pages are remembered, to notice a site that gives the same one for ever.
const REMEMBERED: usize = 8;

/// What is listed.
pub(crate) struct Listing<'a> {
    /// The route, with placeholders.
    pub(crate) route: &'static str,
    pub(crate) path: &'a str,
    /// Without `startAt` and `maxResults`.
    pub(crate) parameters: &'a [(&'a str, &'a str)],
    /// The most that Jira gives at once.
    pub(crate) size: usize,
    /// The names that the list goes by in a page.
    pub(crate) lists: &'a [&'a str],
}

/// One page: what is on it, and whether Jira says that it is the last.
struct Page<'a> {
    values: Vec<&'a RawValue>,
    is_last: Option<bool>,
    total: Option<i64>,
}

impl Client {
    /// Everything in the listing, in its order.
    pub(crate) async fn all<T>(
        &self,
        listing: &Listing<'_>,
        read: impl Fn(&RawValue) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let (mut all, mut start) = (Vec::new(), 0);
        let mut beginnings = VecDeque::with_capacity(REMEMBERED);
        for _ in 0..PAGES {
            let (from, size) = (start.to_string(), listing.size.to_string());
            let request = Request::get(self.at(listing.path), listing.route)
                .with(&[("startAt", &from), ("maxResults", &size)])
                .with(listing.parameters);
            let answer = self.send(request).await?;
            let page = page(&answer, listing)?;
            let Some(first) = page.values.first().map(|value| value.get().to_owned()) else { return Ok(all) };
            if beginnings.contains(&first) {
                return Err(answer.malformed("a listing gave the same page twice: it does not heed startAt"));
            }
            beginnings.truncate(REMEMBERED - 1);
            beginnings.push_front(first);
            start += page.values.len();
            for value in &page.values {
                all.push(answer.tell(read(value))?);
            }
            if page.ends_at(start) {
                return Ok(all);
            }
        }
        Err(Error::malformed("the pages of a listing do not end").about(&self.asked(listing.route)))
    }
}

impl Page<'_> {
    /// A short page means nothing; only Jira ends a listing, by its word or by its total.
    fn ends_at(&self, start: usize) -> bool {
        let all_there = self.total.is_some_and(|total| usize::try_from(total).unwrap_or(0) <= start);
        self.is_last.unwrap_or(all_there)
    }
}

fn page<'a>(answer: &'a Answer, listing: &Listing<'_>) -> Result<Page<'a>, Error> {
    let members: Members<'a> = answer.read("a page of a listing")?;
    let (mut values, mut is_last, mut total) = (None, None, None);
    for (name, value) in members.0 {
        match name.as_ref() {
            "isLast" => is_last = lenient::truth(value),
            "total" => total = lenient::numbered(value),
            name if listing.lists.contains(&name) => values = serde_json::from_str(value.get()).ok(),
            _ => {}
        }
    }
    let values = values.ok_or_else(|| answer.malformed("a page of a listing without its list"))?;
    Ok(Page { values, is_last, total })
}
