//! Portions of listings, and the places where the next ones begin: signed, so that a caller can neither make one up nor use
//! one that belongs to another tenant or another listing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::search::{Limit, Page, Total};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::TenantStore;
use utoipa::ToSchema;

use super::Error;

/// Characters of a place.
const LONGEST: usize = 4_000;
const MAC: usize = 32;

/// A portion of an answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Listing<T> {
    /// In the answer's order.
    pub(crate) items: Vec<T>,
    /// Ask again with this `cursor` for what follows; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
    /// How long the whole answer is, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) total: Option<Total>,
}

/// Which portion is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paging {
    pub(crate) limit: Limit,
    pub(crate) cursor: Option<String>,
}

impl Paging {
    /// Where the portion begins.
    pub(crate) fn after<C: DeserializeOwned>(&self, mirror: &TenantStore, listing: &str) -> Result<Option<C>, Error> {
        self.cursor.as_deref().map(|text| open(mirror, listing, text)).transpose()
    }

    /// The portion of what was read with one item more than is wanted, where there is one.
    pub(crate) fn cut<T, C: Serialize>(
        &self,
        mirror: &TenantStore,
        listing: &str,
        mut items: Vec<T>,
        place: impl Fn(&T) -> C,
    ) -> Result<Listing<T>, Error> {
        let limit = usize::try_from(self.limit.get()).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next = last.map(|last| sign(mirror, listing, &place(last))).transpose()?;
        Ok(Listing { items, next, total: None })
    }

    /// One more than is wanted.
    pub(crate) fn one_more(&self) -> u32 {
        self.limit.get() + 1
    }
}

/// A page of the store's, to be handed out.
pub(crate) fn listing<T, C: Serialize>(
    mirror: &TenantStore,
    name: &str,
    page: Page<T, C>,
) -> Result<Listing<T>, Error> {
    let next = page.next.map(|place| sign(mirror, name, &place)).transpose()?;
    Ok(Listing { items: page.items, next, total: page.total })
}

fn sign<C: Serialize>(mirror: &TenantStore, listing: &str, place: &C) -> Result<String, Error> {
    let place = serde_json::to_vec(place).map_err(|error| Error::Broken(error.to_string()))?;
    let mac = mirror.cursor_mac(listing, &place);
    Ok(URL_SAFE_NO_PAD.encode([&mac[..], &place].concat()))
}

fn open<C: DeserializeOwned>(mirror: &TenantStore, listing: &str, text: &str) -> Result<C, Error> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (mac, place) = bytes.split_at_checked(MAC)?;
        mirror.is_cursor_mac(listing, place, mac).then(|| serde_json::from_slice(place).ok())?
    };
    let place = (text.len() <= LONGEST).then(read).flatten();
    place.ok_or_else(|| Error::invalid("cursor", "must be the `next` of a page of this very listing"))
}
