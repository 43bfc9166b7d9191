//! Reading at 1,000,000 issues: by key, by filters, by words, deep in a long answer, and what row security costs.
//!
//! One reader, whose questions come one after the other, each about another tenant. Everything fits into the machine's memory;
//! nothing is cached by us.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    InstanceId, IssueKey, Status,
    search::{Counting, Cursor, Handle, IssueFilter, Limit, Listed, PageRequest, Question, Range},
};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus, seq::IndexedRandom};
use store::TenantStore;

use super::million::{Bound, Million};
use crate::measure::percentile_ms;

/// Questions of one kind in a round.
const QUESTIONS: usize = 1_000;
/// Questions before the clock starts, so that connections know their tables.
const WARMING_UP: usize = 100;
/// The same where policies are compared with none: so few that the machine is the same for both.
const COMPARED: usize = 100;
const WARMING_UP_TO_COMPARE: usize = 20;
/// The page that is deep.
const DEEP: u32 = 1_000;
/// Issues of its pages.
const SHORT: u32 = 40;

const WORDS: [&str; 12] = [
    "invoice",
    "login",
    "export",
    "cache",
    "webhook",
    "report",
    "payment",
    "gateway",
    "umlauts",
    "safari",
    "translat*",
    "checkout",
];

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ByKey,
    Search,
    Text,
}

/// Asks questions about the million. The same seed asks the same ones.
pub(crate) struct Reader<'m> {
    million: &'m Million,
    sample: Vec<Listed>,
    dice: Xoshiro256PlusPlus,
}

impl<'m> Reader<'m> {
    pub(crate) async fn new(million: &'m Million) -> Self {
        let (tenant, _) = &million.tenants[0];
        // All tenants have the same issues: what one names, all know.
        let sample = page(tenant, &question(&IssueFilter::default()), Limit::MOST, None).await.0;
        Self { million, sample, dice: Xoshiro256PlusPlus::seed_from_u64(1) }
    }

    /// How long each of many answers took, for questions of one kind in the order that the seed gives.
    pub(crate) async fn ask(&mut self, kind: Kind, seed: u64) -> Vec<Duration> {
        self.ask_so_many(kind, seed, WARMING_UP, QUESTIONS).await
    }

    async fn ask_so_many(&mut self, kind: Kind, seed: u64, warming_up: usize, questions: usize) -> Vec<Duration> {
        self.dice = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut waits = Vec::with_capacity(questions);
        for number in 0..warming_up + questions {
            let wait = self.once(kind).await;
            if number >= warming_up {
                waits.push(wait);
            }
        }
        waits
    }

    /// Waits for page 1 and for page 1,000 of everything, newest change first, in turn.
    pub(crate) async fn ask_deep(&mut self) -> (Vec<Duration>, Vec<Duration>) {
        let everything = question(&IssueFilter::default());
        let (mut first, mut deep) = (Vec::new(), Vec::new());
        for (tenant, _) in &self.million.tenants {
            let cursor = before_deep(tenant, &everything).await;
            for _ in 0..QUESTIONS / self.million.tenants.len() {
                let begun = Instant::now();
                page(tenant, &everything, SHORT, None).await;
                first.push(begun.elapsed());
                let begun = Instant::now();
                let (items, _) = page(tenant, &everything, SHORT, Some(cursor.clone())).await;
                deep.push(begun.elapsed());
                assert_eq!(items.len(), SHORT as usize, "page {DEEP} is full");
            }
        }
        (first, deep)
    }

    /// What policies add to the same questions, in percent of the time these take without: the median of what many rounds say,
    /// each so short that the machine does not change in it. Who asks first pays for what PostgreSQL has to fetch, so the two
    /// take turns at that.
    pub(crate) async fn cost_of_policies(&mut self, kind: Kind, rounds: u64) -> f64 {
        let mut costs = Vec::new();
        for round in 0..rounds {
            let (mut bound, mut unbound) = (0.0, 0.0);
            let mut turns = [(Bound::ByPolicies, &mut bound), (Bound::ByNothing, &mut unbound)];
            if round % 2 == 1 {
                turns.reverse();
            }
            for (how, took) in turns {
                self.million.bind_by_policies(how).await;
                let mut waits = self.ask_so_many(kind, round, WARMING_UP_TO_COMPARE, COMPARED).await;
                *took = percentile_ms(&mut waits, 50);
            }
            costs.push((bound / unbound - 1.0) * 100.0);
        }
        self.million.bind_by_policies(Bound::ByPolicies).await;
        costs.sort_by(f64::total_cmp);
        costs[costs.len() / 2]
    }

    async fn once(&mut self, kind: Kind) -> Duration {
        let million = self.million;
        let (tenant, instance) = million.tenants.choose(&mut self.dice).expect("there are tenants");
        match kind {
            Kind::ByKey => self.by_key(tenant, *instance).await,
            Kind::Search => time(tenant, &question(&self.filter())).await,
            Kind::Text => time(tenant, &question(&self.words())).await,
        }
    }

    async fn by_key(&mut self, tenant: &TenantStore, instance: InstanceId) -> Duration {
        let project = self.any().issue.key.project();
        let key: IssueKey = format!("{project}-{}", self.dice.random_range(1..=5_000)).parse().expect("a key");
        let begun = Instant::now();
        let found = tenant.issue_by_key(instance, &key).await.expect("an answer");
        let took = begun.elapsed();
        assert!(found.is_some_and(|issue| issue.key == key), "every key is there");
        took
    }

    /// Two or three fields of a form, as people fill it in.
    fn filter(&mut self) -> IssueFilter {
        let (a, b) = (self.any(), self.any());
        let project = vec![Handle::Name(a.issue.key.project().to_string())];
        let status = |status: &Status| vec![Handle::Name(status.name.clone())];
        let everything = IssueFilter::default;
        match self.dice.random_range(0..6) {
            0 => IssueFilter { projects: project, statuses: status(&b.issue.status), ..everything() },
            1 => IssueFilter { assignees: vec![a.issue.assignee], resolutions: vec![None], ..everything() },
            2 => IssueFilter {
                labels_any: b.issue.labels,
                types: vec![Handle::Name(a.issue.issue_type.name)],
                ..everything()
            },
            3 => IssueFilter { projects: project, updated: self.a_month(&b), ..everything() },
            4 => IssueFilter {
                reporters: a.issue.reporter.into_iter().collect(),
                statuses: status(&b.issue.status),
                ..everything()
            },
            _ => IssueFilter {
                projects: project,
                categories: vec![b.issue.status.category],
                created: self.a_month(&a),
                ..everything()
            },
        }
    }

    /// One word, two, or one in a project.
    fn words(&mut self) -> IssueFilter {
        let mut word = || WORDS.choose(&mut self.dice).copied().unwrap_or_default();
        let (one, two) = (word(), word());
        let project = vec![Handle::Name(self.any().issue.key.project().to_string())];
        match self.dice.random_range(0..3) {
            0 => IssueFilter { text: Some(one.to_owned()), ..IssueFilter::default() },
            1 => IssueFilter { text: Some(format!("{one} {two}")), ..IssueFilter::default() },
            _ => IssueFilter { text: Some(one.to_owned()), projects: project, ..IssueFilter::default() },
        }
    }

    fn a_month(&mut self, around: &Listed) -> Range<DateTime<Utc>> {
        let from = around.issue.created_at - TimeDelta::days(self.dice.random_range(0..300));
        Range { from: Some(from), before: Some(from + TimeDelta::days(30)) }
    }

    fn any(&mut self) -> Listed {
        self.sample.choose(&mut self.dice).cloned().expect("the first tenant has issues")
    }
}

fn question(filter: &IssueFilter) -> Question {
    Question::of_filter(filter, &[]).expect("a good filter")
}

async fn time(tenant: &TenantStore, question: &Question) -> Duration {
    let begun = Instant::now();
    page(tenant, question, Limit::default().get(), None).await;
    begun.elapsed()
}

async fn page(
    tenant: &TenantStore,
    question: &Question,
    limit: u32,
    after: Option<Cursor>,
) -> (Vec<Listed>, Option<Cursor>) {
    let limit = Limit::new(limit).expect("a limit");
    let request = PageRequest { limit, after, counting: Counting::Skipped };
    let page = tenant.issues().search(question, &request).await.expect("an answer");
    (page.items, page.next)
}

/// Where page 999 ends.
async fn before_deep(tenant: &TenantStore, question: &Question) -> Cursor {
    let (mut left, mut after) = ((DEEP - 1) * SHORT, None);
    while left > 0 {
        let limit = left.min(Limit::MOST);
        after = page(tenant, question, limit, after).await.1;
        left -= limit;
    }
    after.expect("there is more behind it")
}
