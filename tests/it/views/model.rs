//! Random histories of issues, and what the views must say of them, computed from the words of `domain`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, NaiveDate, SubsecRound, TimeDelta, Utc};
use domain::{
    AccountId, Change, HistoryId, InstanceId, Issue, IssueId, IssueSnapshot, ProjectId, Status, StatusCategory,
};
use rand::{RngExt, rngs::SmallRng};
use store::{LeadTime, ProjectMetrics, TenantStore, Workload};

use crate::store::sample::{said, seal};

const ISSUES: i64 = 60;
/// Statuses by id; an issue passes through the last one and never stays.
const CATEGORIES: [StatusCategory; 7] = [
    StatusCategory::New,
    StatusCategory::New,
    StatusCategory::Indeterminate,
    StatusCategory::Indeterminate,
    StatusCategory::Done,
    StatusCategory::Done,
    StatusCategory::Indeterminate,
];

/// Issues of one instance, and which of them are hidden.
pub(super) struct History {
    pub(super) instance: InstanceId,
    now: DateTime<Utc>,
    issues: Vec<IssueSnapshot>,
    hidden: BTreeSet<IssueId>,
}

impl History {
    pub(super) fn random(instance: InstanceId, random: &mut SmallRng) -> Self {
        let now = Utc::now().trunc_subsecs(6);
        let issues = (1..=ISSUES).map(|id| issue(id, now, random)).collect();
        let hidden = (1..=ISSUES).filter(|_| random.random_range(0..8) == 0).map(IssueId).collect();
        Self { instance, now, issues, hidden }
    }

    /// Puts it in the place of what was written before: of later writings each is newer.
    pub(super) async fn write(&self, tenant: &TenantStore, round: u64) {
        let observed_at = self.now + TimeDelta::hours(i64::try_from(round).unwrap() * 4);
        let mut issues = self.issues.clone();
        for snapshot in &mut issues {
            snapshot.observed_at = observed_at;
            snapshot.issue.updated_at = observed_at;
        }
        let mut tx = tenant.begin().await.unwrap();
        tx.apply(self.instance, &issues).await.unwrap();
        let hidden: Vec<IssueId> = self.hidden.iter().copied().collect();
        tx.mark_missing(self.instance, &hidden, observed_at + TimeDelta::hours(1)).await.unwrap();
        tx.commit().await.unwrap();
    }

    fn visible(&self) -> impl Iterator<Item = &IssueSnapshot> {
        self.issues.iter().filter(|snapshot| !self.hidden.contains(&snapshot.issue.id))
    }

    pub(super) fn metrics(&self) -> Vec<ProjectMetrics> {
        let mut projects: BTreeMap<ProjectId, Vec<&Issue>> = BTreeMap::new();
        for snapshot in self.visible() {
            projects.entry(snapshot.issue.project).or_default().push(&snapshot.issue);
        }
        projects.into_iter().map(|(project, issues)| self.metrics_of(project, &issues)).collect()
    }

    fn metrics_of(&self, project: ProjectId, issues: &[&Issue]) -> ProjectMetrics {
        let within = |days: i64, at: Option<DateTime<Utc>>| at.is_some_and(|at| at >= self.now - TimeDelta::days(days));
        let count = |fits: &dyn Fn(&Issue) -> bool| issues.iter().filter(|issue| fits(issue)).count() as u64;
        let of = |category| count(&|issue| issue.status.category == category);
        let mut by_status: BTreeMap<i64, u64> = BTreeMap::new();
        issues.iter().for_each(|issue| *by_status.entry(issue.status.id).or_default() += 1);
        let recent: Vec<TimeDelta> =
            issues.iter().filter(|issue| within(30, issue.resolved_at)).filter_map(|issue| issue.lead_time()).collect();
        let sum: i64 = recent.iter().map(TimeDelta::num_seconds).sum();
        ProjectMetrics {
            project,
            issues: issues.len() as u64,
            new: of(StatusCategory::New),
            indeterminate: of(StatusCategory::Indeterminate),
            done: of(StatusCategory::Done),
            by_status: by_status.into_iter().collect(),
            created: (count(&|i| within(7, Some(i.created_at))), count(&|i| within(30, Some(i.created_at)))),
            resolved: (count(&|i| within(7, i.resolved_at)), count(&|i| within(30, i.resolved_at))),
            oldest_open_at: issues.iter().filter(|issue| !issue.is_done()).map(|issue| issue.created_at).min(),
            lead_time: (!recent.is_empty()).then(|| Duration::from_secs_f64(sum as f64 / recent.len() as f64)),
        }
    }

    pub(super) fn workload(&self) -> Vec<Workload> {
        let mut people: BTreeMap<String, Vec<&Issue>> = BTreeMap::new();
        for issue in self.visible().map(|snapshot| &snapshot.issue) {
            if let Some(assignee) = &issue.assignee {
                people.entry(assignee.0.clone()).or_default().push(issue);
            }
        }
        people.into_iter().map(|(assignee, issues)| self.workload_of(assignee, &issues)).collect()
    }

    fn workload_of(&self, assignee: String, issues: &[&Issue]) -> Workload {
        let count = |fits: &dyn Fn(&Issue) -> bool| issues.iter().filter(|issue| fits(issue)).count() as u64;
        let today = self.now.date_naive();
        Workload {
            assignee: AccountId(assignee),
            open: count(&|issue| !issue.is_done()),
            new: count(&|issue| issue.status.category == StatusCategory::New),
            indeterminate: count(&|issue| issue.status.category == StatusCategory::Indeterminate),
            overdue: count(&|issue| !issue.is_done() && issue.due_on.is_some_and(|due| due < today)),
            resolved: count(&|i| i.resolved_at.is_some_and(|at| at >= self.now - TimeDelta::days(30))),
            oldest_open_at: issues.iter().filter(|issue| !issue.is_done()).map(|issue| issue.created_at).min(),
        }
    }

    /// The last finished first.
    pub(super) fn lead_times(&self) -> Vec<LeadTime> {
        let known: BTreeSet<i64> = self.issues.iter().map(|snapshot| snapshot.issue.status.id).collect();
        let mut all: Vec<LeadTime> = self.visible().filter_map(|snapshot| lead_time(snapshot, &known)).collect();
        all.sort_by_key(|one| std::cmp::Reverse((one.done_at, one.issue)));
        all
    }
}

fn lead_time(snapshot: &IssueSnapshot, known: &BTreeSet<i64>) -> Option<LeadTime> {
    let issue = &snapshot.issue;
    let category = |id: &Option<String>| {
        let id: i64 = id.as_ref()?.parse().ok()?;
        known.contains(&id).then(|| category(id))
    };
    let mut moves: Vec<(DateTime<Utc>, Option<StatusCategory>, Option<StatusCategory>)> = Vec::new();
    for history in &snapshot.changelog {
        let change = &history.changes[0];
        moves.push((history.created_at, category(&change.from), category(&change.to)));
    }
    let born = moves.first().map_or(Some(issue.status.category), |(_, from, _)| *from);
    let began = Some(StatusCategory::Indeterminate);
    let started_at =
        if born == began { Some(issue.created_at) } else { moves.iter().find(|one| one.2 == began).map(|one| one.0) };
    let done = Some(StatusCategory::Done);
    let ended = moves.iter().rev().find(|(_, from, to)| *to == done && *from != done).map(|one| one.0);
    let done_at = ended.or(issue.resolved_at).filter(|_| issue.is_done())?;
    let span = |from: DateTime<Utc>| (done_at - from).to_std().unwrap();
    Some(LeadTime {
        issue: issue.id,
        key: issue.key.clone(),
        project: issue.project,
        assignee: issue.assignee.clone(),
        created_at: issue.created_at,
        started_at,
        done_at,
        lead: span(issue.created_at),
        cycle: started_at.filter(|at| *at <= done_at).map(span),
    })
}

fn category(status: i64) -> StatusCategory {
    CATEGORIES[usize::try_from(status - 1).unwrap()]
}

/// Everything happens half an hour off whole hours before now, far from the ends of the spans that are counted.
fn issue(id: i64, now: DateTime<Utc>, random: &mut SmallRng) -> IssueSnapshot {
    let before = |hours: i64| now - TimeDelta::hours(hours) - TimeDelta::minutes(30);
    let mut snapshot = said(id, (0, 0), "random");
    let mut hours: i64 = random.random_range(1..1_500);
    snapshot.issue.created_at = before(hours);
    let mut status: i64 = random.random_range(1..=6);
    let mut resolved_at = None;
    for step in 1..=random.random_range(0..6) {
        hours -= random.random_range(1..100);
        if hours < 1 {
            break;
        }
        let mut next: i64 = random.random_range(1..=7);
        if next == status {
            next = status % 6 + 1;
        }
        snapshot.changelog.push(change(step, before(hours), status, next));
        status = next;
    }
    if status == 7 {
        hours = (hours - 1).max(0);
        snapshot.changelog.push(change(9, before(hours), 7, 5));
        status = 5;
    }
    if category(status) == StatusCategory::Done && random.random_range(0..8) > 0 {
        resolved_at = Some(before(hours.max(0)));
    }
    let issue = &mut snapshot.issue;
    issue.status = Status { id: status, name: format!("S{status}"), category: category(status) };
    issue.project = ProjectId(random.random_range(1..=2));
    issue.assignee = [None, Some("ann"), Some("712020:bob"), Some("cy")][random.random_range(0..4)]
        .map(|account| AccountId(account.to_owned()));
    issue.resolved_at = resolved_at;
    issue.due_on = due_on(now, random);
    seal(&mut snapshot);
    snapshot
}

/// Not today or tomorrow: midnight may pass.
fn due_on(now: DateTime<Utc>, random: &mut SmallRng) -> Option<NaiveDate> {
    let days = [-9, -2, 2, 9][random.random_range(0..4)];
    (random.random_range(0..2) == 0).then(|| (now + TimeDelta::days(days)).date_naive())
}

fn change(id: i64, at: DateTime<Utc>, from: i64, to: i64) -> domain::History {
    let change = Change {
        field: "status".to_owned(),
        field_id: Some("status".to_owned()),
        field_type: Some("jira".to_owned()),
        from: Some(from.to_string()),
        from_text: None,
        to: Some(to.to_string()),
        to_text: None,
        more: None,
    };
    domain::History { id: HistoryId(id), author: None, created_at: at, changes: vec![change], more: None }
}
