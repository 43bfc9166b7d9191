//! Links between issues, and from issues to things outside Jira. Link events hold no issue, only numbers.

use std::sync::Arc;

use serde_json::Value;

use super::EditError;
use crate::webhooks::payload::Event;
use crate::world::catalogue::LinkType;
use crate::world::issue::{Change, History, Issue, Link, RemoteLink, Side};
use crate::world::{By, State, World};

/// A remote link as a request describes it.
pub(crate) struct RemoteDraft {
    pub(crate) global_id: Option<String>,
    pub(crate) relationship: Option<String>,
    pub(crate) application: Value,
    pub(crate) object: Value,
}

impl World {
    /// Links two issues by a link type's name (`Blocks`, `Duplicate`, `Relates`): `from` blocks `to`. Answers the
    /// link's id; linking twice changes nothing.
    pub fn link(&self, kind: &str, from: &str, to: &str) -> Result<u64, EditError> {
        let kind = LinkType::named(kind).unwrap_or(LinkType::Relates);
        self.link_as(By::Someone, kind, from, to)
    }

    pub(crate) fn link_as(&self, by: By, kind: LinkType, from: &str, to: &str) -> Result<u64, EditError> {
        let mut state = self.write_as(by);
        let (source, destination) = (state.existing(from)?, state.existing(to)?);
        let same = |link: &&Link| link.kind == kind && link.other == destination.id && link.side == Side::Outward;
        if let Some(link) = source.links.iter().find(same) {
            return Ok(link.id);
        }
        let most = self.config.issue_limits.issue_links;
        if source.links.len() >= most || destination.links.len() >= most {
            return Err(EditError::Full("issue links"));
        }
        let id = state.next.link;
        state.next.link += 1;
        let out = Link { id, kind, other: destination.id, side: Side::Outward };
        let back = Link { id, kind, other: source.id, side: Side::Inward };
        self.attach(&mut state, &source, &destination.key, out.clone());
        // A link to oneself would need the issue as the first end left it.
        if source.id != destination.id {
            self.attach(&mut state, &destination, &source.key, back);
        }
        self.tell_link(&state, "issuelink_created", source.id, &out);
        Ok(id)
    }

    fn attach(&self, state: &mut State, issue: &Issue, other: &str, link: Link) {
        let item = item(&link, other);
        let to = (item.0, item.1);
        self.relink(state, issue, (None, None), to, |links| links.push(link));
    }

    /// Removes a link from both of its ends.
    pub fn unlink(&self, link: u64) -> Result<(), EditError> {
        self.unlink_as(By::Someone, link)
    }

    pub(crate) fn unlink_as(&self, by: By, link: u64) -> Result<(), EditError> {
        let mut state = self.write_as(by);
        let has = |issue: &&Arc<Issue>| issue.links.iter().any(|it| it.id == link);
        let ends: Vec<Arc<Issue>> = state.issues.values().filter(has).cloned().collect();
        let first = ends.first().cloned().ok_or(EditError::NoSuchLink(link))?;
        for end in &ends {
            let Some(gone) = end.links.iter().find(|it| it.id == link) else { continue };
            let other = state.issues.get(&gone.other).map(|other| other.key.clone()).unwrap_or_default();
            self.relink(&mut state, end, item(gone, &other), (None, None), |links| links.retain(|it| it.id != link));
        }
        if let Some(gone) = first.links.iter().find(|it| it.id == link) {
            self.tell(&state, &Event::unlinked(&first, gone));
        }
        Ok(())
    }

    fn relink(
        &self,
        state: &mut State,
        issue: &Issue,
        from: (Option<Words>, Option<Words>),
        to: (Option<Words>, Option<Words>),
        change: impl FnOnce(&mut Vec<Link>),
    ) {
        let mut after = issue.clone();
        let now = state.after(issue, self.now());
        let (id, author) = (state.next.history, state.editor(issue.id));
        state.next.history += 1;
        change(&mut after.links);
        let (from, from_text) = from;
        let (to, to_text) = to;
        let items = vec![Change { field: "Link", field_id: None, from, from_text, to, to_text }];
        after.histories.push(History { id, author, created: now, items, metadata: None });
        after.updated = now;
        state.keep(self, after);
    }

    /// Sets a remote link; one with the same global id is replaced. Answers its id and whether it is new.
    pub(crate) fn set_remote_link(
        &self,
        by: By,
        id_or_key: &str,
        draft: RemoteDraft,
    ) -> Result<(u64, Freshness), EditError> {
        let mut state = self.write_as(by);
        let mut after = Issue::clone(&*state.existing(id_or_key)?);
        let RemoteDraft { global_id, relationship, application, object } = draft;
        let same = |it: &RemoteLink| global_id.is_some() && it.global_id == global_id;
        let place = after.remote_links.iter().position(same);
        if place.is_none() && after.remote_links.len() >= self.config.issue_limits.remote_links {
            return Err(EditError::Full("remote links"));
        }
        let id = place.map_or(state.next.remote_link, |place| after.remote_links[place].id);
        let (application, object) = (Arc::new(application), Arc::new(object));
        let link = RemoteLink { id, global_id, relationship, application, object };
        match place {
            Some(place) => after.remote_links[place] = link,
            None => {
                state.next.remote_link += 1;
                after.remote_links.push(link);
            }
        }
        after.updated = state.after(&after, self.now());
        state.keep(self, after);
        Ok((id, if place.is_some() { Freshness::Replaced } else { Freshness::New }))
    }

    /// Removes the remote links of an issue that `which` picks; answers how many.
    pub(crate) fn remove_remote_links(
        &self,
        by: By,
        id_or_key: &str,
        which: impl Fn(&RemoteLink) -> bool,
    ) -> Result<usize, EditError> {
        let mut state = self.write_as(by);
        let mut after = Issue::clone(&*state.existing(id_or_key)?);
        let before = after.remote_links.len();
        after.remote_links.retain(|link| !which(link));
        let gone = before - after.remote_links.len();
        if gone > 0 {
            after.updated = state.after(&after, self.now());
            state.keep(self, after);
        }
        Ok(gone)
    }
}

type Words = std::borrow::Cow<'static, str>;

/// Whether a remote link was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    New,
    Replaced,
}

/// What the changelog says of a link: the other key, and the sentence people read.
fn item(link: &Link, other: &str) -> (Option<Words>, Option<Words>) {
    let (_, _, inward, outward) = link.kind.words();
    let verb = if link.side == Side::Outward { outward } else { inward };
    (Some(other.to_owned().into()), Some(format!("This issue {verb} {other}").into()))
}
