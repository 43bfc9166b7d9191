//! The one door into the mirror: snapshots become rows, and newer wins.
//!
//! PostgreSQL is asked first what it holds, so a page that brings nothing new writes nothing. What is newer is written with
//! everything that hangs on it, a statement a table: arrays in, ordered by key, so that two writers lock in one order.

mod aliases;
mod children;
mod content;
mod each;
mod entries;
mod people;
mod sprints;
mod storable;
mod verdict;

use std::collections::HashMap;

use domain::{InstanceId, IssueId, IssueSnapshot};

use crate::{Error, TenantTx, orm::stored};
use children::Family;
use content::content;
pub(crate) use people::Person;
use sprints::Told;
pub(crate) use sprints::to_sprint;
use verdict::{Held, Sighting, Verdict};

/// Issues of a long page. It is written in parts, so that the rows of each are made while PostgreSQL writes the part before:
/// making takes less than a quarter of the time of writing, so each may be four times as long as the one before.
const LONG: usize = 256;
const PARTS: [usize; 2] = [32, 128];

/// Statements are planned without a look at their parameters, which ours gain nothing from: the planner would copy a page's
/// documents several times. Said from so many issues on that change anything: for a few it is not worth the message.
const PLAN_BLINDLY: &str = "/* apply.plan */ SET LOCAL plan_cache_mode = force_generic_plan";
const MANY: usize = 32;

/// What became of the snapshots that were applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Brought something new and were written.
    pub written: usize,
    /// Said what the mirror held already.
    pub unchanged: usize,
    /// Were older than what the mirror holds, or came after the issue's deletion.
    pub refused: usize,
}

impl TenantTx {
    /// Puts snapshots into the mirror. Of two for one issue the one with the greater `(updated, observed)` counts, in
    /// whatever order they come; what a newer snapshot does not list is gone. One that cannot be stored fails all, and
    /// with them the transaction: see [`Error::is_about_content`] and [`apply_storable`](Self::apply_storable).
    pub async fn apply(&mut self, instance: InstanceId, snapshots: &[IssueSnapshot]) -> Result<Applied, Error> {
        let page = newest_of_each(snapshots);
        if page.is_empty() {
            return Ok(Applied::default());
        }
        let _span = tracing::debug_span!(parent: &self.span, "apply", issues = page.len());
        let (mut judged, mut held) = self.judged(instance, &page).await?;
        judged.iter().try_for_each(|(sighting, _)| storable::must_be_storable(sighting.snapshot))?;
        if judged.len() >= MANY {
            self.say(PLAN_BLINDLY).await?;
        }
        let known = page.len() - judged.len();
        let news: Vec<&Sighting<'_>> = with(&judged, Verdict::Write);
        self.lock(instance, &changing(&judged, &held), &mut held).await?;
        let written = self.write_news(instance, &news, &held).await?;
        overtake(&mut judged, &written);
        self.remember_keys(instance, &judged, &held).await?;
        self.apply_people(instance, self.people_of(&news)).await?;
        self.apply_told(instance, sprints_of(&news)).await?;
        let seen = judged.iter().filter(|(_, verdict)| verdict.moves_registers()).map(|(sighting, _)| *sighting);
        self.move_registers(instance, &seen.collect::<Vec<_>>()).await?;
        self.rewritten(instance, &news, &written, &held).await?;
        let unchanged = known + judged.iter().filter(|(_, verdict)| verdict.is_unchanged()).count();
        Ok(Applied { written: written.len(), unchanged, refused: snapshots.len() - written.len() - unchanged })
    }

    /// What to do about those sightings that change anything, and what is held of their issues. Most pages tell what is known, and
    /// nothing else should be done for them.
    async fn judged<'p, 's>(
        &mut self,
        instance: InstanceId,
        page: &'p [Sighting<'s>],
    ) -> Result<(Vec<(&'p Sighting<'s>, Verdict)>, HeldById), Error> {
        let asked = self.ask(instance, page).await?;
        let judged = page.iter().filter_map(|sighting| {
            let held = asked.get(&sighting.id())?;
            Some((sighting, verdict::judge(held.as_ref(), sighting)))
        });
        let judged = judged.filter(|(_, verdict)| *verdict != Verdict::Known).collect();
        Ok((judged, asked.into_iter().filter_map(|(id, held)| Some((id, held?))).collect()))
    }

    /// Writes new content and its children; says which issues it was written for, and for each whether its row is a new one.
    async fn write_news(
        &mut self,
        instance: InstanceId,
        news: &[&Sighting<'_>],
        held: &HeldById,
    ) -> Result<HashMap<IssueId, bool>, Error> {
        if news.is_empty() {
            return Ok(HashMap::new());
        }
        let tenant = self.tenant;
        let expected = news.iter().map(|sighting| (sighting.id(), !held.contains_key(&sighting.id()))).collect();
        let (mut written, mut statements) = (HashMap::new(), None);
        let mut parts = parts(news).into_iter();
        let mut next = async || match parts.next() {
            Some(part) => Some(content(tenant, instance, part).await),
            None => None,
        };
        let mut ready = next().await;
        while let Some(rows) = ready {
            let making = async {
                let rows = next().await;
                // The children's rows, as if nobody came between.
                statements.get_or_insert_with(|| Family::of(news, &expected).statements(tenant, instance));
                rows
            };
            let (done, made) = tokio::join!(self.write_content(rows), making);
            written.extend(done?);
            ready = made;
        }
        let made = statements.filter(|_| written == expected);
        let statements = made.unwrap_or_else(|| Family::of(news, &written).statements(tenant, instance));
        for statement in statements {
            statement.execute(self.connection()).await?;
        }
        Ok(written)
    }

    /// Whom the page names. The same few people are named by issue after issue; what is told again word for word is told once.
    fn people_of(&self, news: &[&Sighting<'_>]) -> Vec<Person> {
        let hash = |email: &_| self.keys.email_hash(self.tenant, email);
        let mut last = HashMap::new();
        let people = news.iter().flat_map(|sighting| {
            let people = sighting.snapshot.people.iter();
            people.map(move |user| (user, sighting.observed_at))
        });
        let new = people.filter(|told| last.insert(&told.0.account, *told) != Some(*told));
        new.map(|(user, observed_at)| Person::new(user, observed_at, hash)).collect()
    }
}

/// In what parts a page is written.
fn parts<T>(page: &[T]) -> Vec<&[T]> {
    if page.len() < LONG {
        return vec![page];
    }
    let (first, rest) = page.split_at(PARTS[0]);
    let (second, rest) = rest.split_at(PARTS[1]);
    vec![first, second, rest]
}

fn sprints_of(news: &[&Sighting<'_>]) -> impl Iterator<Item = Told> {
    news.iter().flat_map(|sighting| {
        let sprints = sighting.snapshot.sprints.iter();
        sprints.map(|sprint| Told::new(sprint, sighting.observed_at))
    })
}

/// One sighting an issue, in the order of their ids: a page that lists an issue twice shows it once, as seen at the later of
/// the two times.
fn newest_of_each(snapshots: &[IssueSnapshot]) -> Vec<Sighting<'_>> {
    let sightings = snapshots.iter().map(|snapshot| {
        let observed_at = stored(snapshot.observed_at);
        Sighting { snapshot, observed_at, seen_at: observed_at }
    });
    let mut page: Vec<Sighting<'_>> = sightings.collect();
    // Stable: of two that tie the one that came first counts.
    page.sort_by_key(Sighting::id);
    page.dedup_by(|next, known| {
        let same = next.id() == known.id();
        if same {
            *known = known.joined(*next);
        }
        same
    });
    page
}

/// The held issues whose row will be written, or that will be given an old key.
fn changing(judged: &[(&Sighting<'_>, Verdict)], held: &HeldById) -> Vec<i64> {
    let changes = |sighting: &Sighting<'_>, verdict: Verdict| {
        let other_key = |held: &Held| held.key.as_deref() != Some(sighting.snapshot.issue.key.as_str());
        !verdict.is_unchanged()
            && held.get(&sighting.id()).is_some_and(|held| verdict == Verdict::Write || other_key(held))
    };
    judged
        .iter()
        .filter(|(sighting, verdict)| changes(sighting, *verdict))
        .map(|(sighting, _)| sighting.id().0)
        .collect()
}

/// Whoever was overtaken between question and answer has still been seen, with content that is older now.
fn overtake(judged: &mut [(&Sighting<'_>, Verdict)], written: &HashMap<IssueId, bool>) {
    for (sighting, verdict) in judged {
        if *verdict == Verdict::Write && !written.contains_key(&sighting.id()) {
            *verdict = Verdict::Older;
        }
    }
}

fn with<'p, 's>(judged: &[(&'p Sighting<'s>, Verdict)], wanted: Verdict) -> Vec<&'p Sighting<'s>> {
    judged.iter().filter(|(_, verdict)| *verdict == wanted).map(|(sighting, _)| *sighting).collect()
}

type HeldById = HashMap<IssueId, Held>;

/// What is held of those issues of a page that are not surely known: of new ones nothing.
type Asked = HashMap<IssueId, Option<Held>>;
