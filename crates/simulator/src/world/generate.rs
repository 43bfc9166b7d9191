//! Makes a site from its configuration: people, projects, and issues with a past that hangs together.
//! Everything is drawn from one seeded generator in one fixed order, so the same seed gives the same site.

pub(super) mod part;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rand::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;

use super::catalogue::{IssueType, LinkType, Priority, Status};
use super::issue::{AccountId, Comment, Issue, Link, Side, Worklog};
use super::people::{Cards, Life, Person, Project};
use super::releases;
use super::text::Text;
use super::troubles::Troubles;
use super::vocabulary::{self, LABELS, pick};
use super::{By, Next, State};
use crate::config::Config;
use crate::index::Index;

/// 2024-01-08 08:00 UTC: the first issue.
const FIRST: i64 = 1_704_700_800_000;
/// 2025-12-01 00:00 UTC: the last issue.
const LAST: i64 = 1_764_547_200_000;
/// 2025-12-31 00:00 UTC: nothing made up is younger.
const END: i64 = 1_767_139_200_000;

pub(super) fn site(config: &Config) -> State {
    let (mut maker, people, mut projects) = Maker::begin(config);
    let issues = maker.issues(config, &mut projects);
    let keys: HashMap<String, u64> = issues.values().map(|issue| (issue.key.clone(), issue.id)).collect();
    let index = Index::of(&issues, config);
    State { keys, index, ..maker.end(config, people, projects, issues) }
}

/// The newest moment that anything made up is from.
pub(super) fn end() -> DateTime<Utc> {
    instant(END)
}

type Issues = BTreeMap<u64, Arc<Issue>>;

struct Maker {
    dice: Xoshiro256PlusPlus,
    next: Next,
    accounts: Vec<AccountId>,
}

impl Maker {
    /// With the site's people and projects, which come first out of the dice.
    fn begin(config: &Config) -> (Self, Vec<Person>, Vec<Project>) {
        let mut maker = Self {
            dice: Xoshiro256PlusPlus::seed_from_u64(config.seed),
            next: Next {
                issue: 10_001,
                comment: 10_001,
                history: 20_001,
                link: 30_001,
                worklog: 40_001,
                remote_link: 50_001,
            },
            accounts: Vec::new(),
        };
        let people = maker.people(config);
        let humans = people.iter().filter(|who| who.kind == "atlassian");
        maker.accounts = humans.map(|who| who.account_id.clone()).collect();
        let projects = maker.projects(config);
        (maker, people, projects)
    }

    /// The store of these, in which nothing can be searched or found by key yet.
    fn end(self, config: &Config, people: Vec<Person>, projects: Vec<Project>, issues: Issues) -> State {
        State {
            cards: Cards::new(&config.origin(), &people, &projects),
            index: Index::of(&Issues::new(), config),
            people,
            projects,
            keys: HashMap::new(),
            issues,
            next: self.next,
            dice: self.dice,
            acting: By::Someone,
            deleted_worklogs: Vec::new(),
            troubles: Troubles::default(),
            withheld: BTreeSet::new(),
        }
    }

    fn people(&mut self, config: &Config) -> Vec<Person> {
        const ZONES: [Tz; 4] = [Tz::Europe__Berlin, Tz::America__New_York, Tz::Asia__Tokyo, Tz::UTC];
        let mut people = vec![Person {
            account_id: self.account_id(0),
            name: "Mirror Service".into(),
            email: Some(config.email.clone()),
            kind: "atlassian",
            active: true,
            zone: Some(config.account_time_zone),
        }];
        for n in 1..=config.users {
            let first = vocabulary::PEOPLE.get((n - 1) % vocabulary::PEOPLE.len()).copied().unwrap_or_default();
            let round = (n - 1) / vocabulary::PEOPLE.len();
            let name = if round == 0 { first.to_owned() } else { format!("{first} {}", round + 1) };
            // Most real accounts hide their address, some are apps, some have left.
            let email = self.dice.random_bool(0.2).then(|| format!("person{n}@example.com"));
            let kind = if n % 11 == 10 { "app" } else { "atlassian" };
            let zone = self.dice.random_bool(0.6).then(|| ZONES.choose(&mut self.dice).copied()).flatten();
            let active = n % 9 != 8;
            people.push(Person { account_id: self.account_id(n), name, email, kind, active, zone });
        }
        people
    }

    /// Both common forms of account ids.
    fn account_id(&mut self, n: usize) -> AccountId {
        let (a, b): (u64, u64) = (self.dice.random(), self.dice.random());
        if n.is_multiple_of(2) {
            format!("5b10{a:016x}{:04x}", b & 0xffff).into()
        } else {
            let (c, d) = (b >> 52, b & 0xffff_ffff_ffff);
            format!("712020:{:08x}-{:04x}-4{:03x}-a{c:03x}-{d:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff).into()
        }
    }

    fn projects(&mut self, config: &Config) -> Vec<Project> {
        let make = |n: usize| {
            let made_up = || (format!("P{n}"), format!("Project {n}"));
            let named = vocabulary::PROJECTS.get(n).map(|(key, name)| ((*key).to_owned(), (*name).to_owned()));
            let (key, name) = named.unwrap_or_else(made_up);
            let lead = self.someone();
            let (former_keys, life, ended, denied) = (Vec::new(), Life::Live, None, false);
            Project { id: (10_000 + n).to_string(), key, name, lead, next_number: 1, former_keys, life, ended, denied }
        };
        (0..config.projects.max(1)).map(make).collect()
    }

    fn someone(&mut self) -> AccountId {
        self.accounts.choose(&mut self.dice).cloned().unwrap_or_default()
    }

    fn issues(&mut self, config: &Config, projects: &mut [Project]) -> Issues {
        let mut made: Vec<Issue> = Vec::with_capacity(config.issues);
        let mut recent: Vec<Recent> = projects.iter().map(|_| Recent::default()).collect();
        for n in 0..config.issues {
            let place = if n < projects.len() { n } else { self.dice.random_range(0..projects.len()) };
            let mut issue = self.born(n, place, &mut projects[place], config);
            self.grow(&mut issue, &mut made, &mut recent[place], config);
            made.push(issue);
        }
        made.into_iter().map(|issue| (issue.id, Arc::new(issue))).collect()
    }

    /// The `n`-th of `config.issues`, which are born one after the other.
    fn born(&mut self, n: usize, place: usize, project: &mut Project, config: &Config) -> Issue {
        let step = (LAST - FIRST) / i64::try_from(config.issues.max(1)).unwrap_or(i64::MAX).max(1);
        let start = FIRST + step.max(1) * i64::try_from(n).unwrap_or(0);
        let created = instant(start + self.dice.random_range(0..step.max(1)));
        self.newborn(place, project, created)
    }

    /// Gives an issue its relations to older ones and a past.
    fn grow(&mut self, issue: &mut Issue, made: &mut [Issue], recent: &mut Recent, config: &Config) {
        self.family(issue, made, recent);
        self.past(issue, config);
        self.extras(issue, issue.project, config);
        self.link(issue, made);
        recent.note(made.len(), issue);
    }

    fn newborn(&mut self, place: usize, project: &mut Project, created: DateTime<Utc>) -> Issue {
        let id = self.next.issue;
        self.next.issue += self.dice.random_range(1..4);
        let number = project.next_number;
        project.next_number += 1;
        let issue_type = match self.dice.random_range(0..100) {
            0..5 => IssueType::Epic,
            5..15 => IssueType::Subtask,
            15..45 => IssueType::Story,
            45..75 => IssueType::Task,
            _ => IssueType::Bug,
        };
        let key = format!("{}-{number}", project.key);
        let mut issue = Issue::new(id, key, self.someone(), created);
        issue.summary = vocabulary::summary(&mut self.dice);
        issue.description = self.dice.random_bool(0.85).then(|| Text::MadeUp(self.dice.random()));
        issue.priority = Priority::ALL.choose(&mut self.dice).copied().unwrap_or(Priority::Medium);
        issue.issue_type = issue_type;
        issue.assignee = self.dice.random_bool(0.7).then(|| self.someone());
        issue.labels = self.labels();
        issue.due = self.dice.random_bool(0.2).then(|| self.day(created));
        issue.story_points = self.dice.random_bool(0.3).then(|| f64::from(self.dice.random_range(1..9_u8)));
        issue.sprints = self.sprints(place);
        issue.project = place;
        issue
    }

    fn labels(&mut self) -> Vec<String> {
        let count = self.dice.random_range(0..4);
        LABELS.sample(&mut self.dice, count).map(|label| (*label).to_owned()).collect()
    }

    fn day(&mut self, after: DateTime<Utc>) -> NaiveDate {
        (after + TimeDelta::days(self.dice.random_range(3..90))).date_naive()
    }

    /// Sprints `10 * place + 1 ..= 10 * place + 4` belong to the project at `place`.
    fn sprints(&mut self, place: usize) -> Vec<u32> {
        let base = u32::try_from(place).unwrap_or(0) * 10;
        let count = self.dice.random_range(0..3);
        let first = self.dice.random_range(1..=2);
        (0..count).map(|n| base + first + n).collect()
    }

    /// Epics adopt standard issues, standard issues have sub-tasks; a sub-task without a parent becomes a task.
    fn family(&mut self, issue: &mut Issue, made: &mut [Issue], recent: &mut Recent) {
        match (issue.issue_type, recent.standard, recent.epic) {
            (IssueType::Subtask, Some(parent), _) => {
                issue.parent = Some(made[parent].id);
                made[parent].subtasks.push(issue.id);
            }
            (IssueType::Subtask, None, _) => issue.issue_type = IssueType::Task,
            (IssueType::Epic, ..) => {}
            (_, _, Some(epic)) if self.dice.random_bool(0.5) => issue.parent = Some(made[epic].id),
            _ => {}
        }
    }

    /// Walks the issue from its birth to the present through the same door as scripted edits.
    fn past(&mut self, issue: &mut Issue, config: &Config) {
        let histories = self.dice.random_range(config.histories_per_issue.clone());
        let comments = self.dice.random_range(config.comments_per_issue.clone());
        let mut now = issue.created;
        // A change to what it already was is no entry: draw again.
        while issue.histories.len() < histories {
            now = self.later(now);
            let before = issue.clone();
            self.change(issue);
            let (id, author) = (self.next.history, self.someone());
            if issue.record(&before, id, &author, now) {
                self.next.history += 1;
            }
        }
        let mut now = issue.created;
        for _ in 0..comments {
            now = self.later(now);
            let (id, body) = (self.next.comment, Text::MadeUp(self.dice.random()));
            self.next.comment += 1;
            issue.comments.push(Comment::new(id, self.someone(), body, now));
            issue.updated = issue.updated.max(now);
        }
    }

    /// Worklogs, severity, versions and components come from the issue's number, not from the common dice: a site
    /// stays the same whether or not it has them.
    fn extras(&mut self, issue: &mut Issue, place: usize, config: &Config) {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(issue.id);
        let (versions, components) = (releases::versions(place), releases::components(place));
        issue.severity = (issue.issue_type == IssueType::Bug).then(|| usize::try_from(issue.id % 4).unwrap_or(0));
        issue.fix_versions = versions.into_iter().filter(|_| dice.random_bool(0.1)).collect();
        issue.components = components.into_iter().filter(|_| dice.random_bool(0.2)).collect();
        for _ in 0..dice.random_range(config.worklogs_per_issue.clone()) {
            let left = (END - issue.created.timestamp_millis()).max(2);
            let at = instant(issue.created.timestamp_millis() + dice.random_range(1..left));
            let author = self.accounts.choose(&mut dice).cloned().unwrap_or_default();
            let (id, seconds) = (self.next.worklog, 900 * dice.random_range(1..20));
            self.next.worklog += 1;
            let update_author = author.clone();
            let comment = dice.random_bool(0.5).then(|| Text::MadeUp(dice.random()));
            let (created, updated, started) = (at, at, at);
            issue.worklogs.push(Worklog { id, author, update_author, comment, created, updated, started, seconds });
            issue.updated = issue.updated.max(at);
        }
    }

    /// A moment between `now` and the end, usually near.
    fn later(&mut self, now: DateTime<Utc>) -> DateTime<Utc> {
        let left = (END - now.timestamp_millis()).max(2);
        let most = left.min(10 * 24 * 3_600_000);
        instant(now.timestamp_millis() + self.dice.random_range(1..most))
    }

    fn change(&mut self, issue: &mut Issue) {
        match self.dice.random_range(0..10) {
            0..5 => issue.status = *Status::ALL.choose(&mut self.dice).unwrap_or(&Status::Done),
            5..7 => issue.assignee = Some(self.someone()),
            7 => issue.priority = *Priority::ALL.choose(&mut self.dice).unwrap_or(&Priority::Medium),
            8 => issue.labels.push(pick(&mut self.dice, LABELS).to_owned()),
            _ => issue.summary = vocabulary::summary(&mut self.dice),
        }
    }

    /// Links some issues to an older one; both ends carry the same id.
    fn link(&mut self, issue: &mut Issue, made: &mut [Issue]) {
        if made.is_empty() || !self.dice.random_bool(0.15) {
            return;
        }
        let other = self.dice.random_range(0..made.len());
        let kind = LinkType::ALL.choose(&mut self.dice).copied().unwrap_or(LinkType::Relates);
        let id = self.next.link;
        self.next.link += 1;
        issue.links.push(Link { id, kind, other: made[other].id, side: Side::Outward });
        made[other].links.push(Link { id, kind, other: issue.id, side: Side::Inward });
    }
}

/// Places of the newest possible parents in a project.
#[derive(Default)]
struct Recent {
    epic: Option<usize>,
    standard: Option<usize>,
}

impl Recent {
    fn note(&mut self, place: usize, issue: &Issue) {
        match issue.issue_type {
            IssueType::Epic => self.epic = Some(place),
            IssueType::Subtask => {}
            _ => self.standard = Some(place),
        }
    }
}

fn instant(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}
