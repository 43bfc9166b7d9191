//! Random issues on two sites, and random filters that often find some of them.

use chrono::{NaiveDate, TimeDelta};
use domain::{
    AccountId, InstanceId, IssueId, IssueRef, IssueSnapshot, Named, Project, ProjectId, RawJson, SprintId, Status,
    StatusCategory,
    search::{Direction, FieldFilter, Handle, IssueFilter, Limit, PageRequest, Question, Range, Sort, SortKey},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use store::TenantStore;

use super::{Found, model};
use crate::store::sample::{Mirror, at, json, new_instance, said, seal};

/// A mirror of two sites, and what is in it.
pub(crate) struct Library {
    pub(crate) mirror: Mirror,
    pub(crate) instances: [InstanceId; 2],
    pub(crate) issues: Vec<Shelved>,
}

/// One issue, where it is, and whether it is shown.
pub(crate) struct Shelved {
    pub(crate) instance: InstanceId,
    pub(crate) snapshot: IssueSnapshot,
    pub(crate) visible: bool,
}

pub(crate) const WORDS: [&str; 8] = ["alpha", "Apfel", "größe", "login", "logout", "ACME", "beta-2", "v1.10"];
pub(crate) const LABELS: [&str; 5] = ["red", "Red", "größe", "say \"hi\"", "x,y"];
pub(crate) const PEOPLE: [&str; 4] = ["mia", "712020:liu", "ann", "bob"];
pub(crate) const STATUSES: [(i64, &str, StatusCategory); 4] = [
    (1, "Open", StatusCategory::New),
    (3, "In Progress", StatusCategory::Indeterminate),
    (13, "in progress", StatusCategory::Indeterminate),
    (5, "Done", StatusCategory::Done),
];
pub(crate) const TYPES: [&str; 3] = ["Bug", "Story", "Sub-task"];
pub(crate) const COLOURS: [&str; 3] = ["Blue", "Dark red", "5"];

pub(crate) fn rng(seed: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed)
}

impl Library {
    pub(crate) async fn new(count: i64) -> Self {
        let mirror = Mirror::new().await;
        let second = mirror.tenant.add_instance(new_instance("acme-two")).await.unwrap().id;
        let instances = [mirror.instance, second];
        let mut library = Self { mirror, instances, issues: Vec::new() };
        let mut rng = rng(u64::try_from(count).unwrap());
        for instance in instances {
            library.directory(instance).await;
            let page: Vec<IssueSnapshot> = (1..=count / 2).map(|id| random_issue(id, &mut rng)).collect();
            library.apply(instance, &page).await;
            library.issues.extend(page.into_iter().map(|snapshot| Shelved { instance, snapshot, visible: true }));
        }
        for id in [2, 9] {
            library.mirror.missing(id, 100_000).await;
        }
        library.mirror.deleted(3, 100_000).await;
        for issue in &mut library.issues {
            issue.visible = issue.instance == instances[1] || ![2, 3, 9].contains(&issue.snapshot.issue.id.0);
        }
        library
    }

    /// Projects 10000 and 10001, and two fields that have one name.
    async fn directory(&self, instance: InstanceId) {
        let project = |id, key: &str, name: &str| Project {
            id: ProjectId(id),
            key: key.parse().unwrap(),
            name: name.to_owned(),
            project_type: None,
            lifecycle: domain::Lifecycle::Live,
            lead: None,
            issue_count: None,
            raw: json("{}"),
        };
        let field = |id: &str, name: &str| domain::Field {
            id: id.to_owned(),
            name: name.to_owned(),
            custom: true,
            custom_type: None,
            raw: json("{}"),
        };
        let mut tx = self.mirror.tenant.begin().await.unwrap();
        let projects = [project(10000, "ACME", "The Company"), project(10001, "OPS", "Operations")];
        tx.apply_projects(instance, &projects).await.unwrap();
        let fields =
            [field("customfield_1", "Colour"), field("customfield_2", "Team"), field("customfield_3", "colour")];
        tx.apply_fields(instance, &fields).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn apply(&self, instance: InstanceId, page: &[IssueSnapshot]) {
        let mut tx = self.mirror.tenant.begin().await.unwrap();
        tx.apply(instance, page).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What must be found, in its order.
    pub(crate) fn model(&self, question: &Question) -> Found {
        model::answer(&self.issues, question)
    }

    /// The whole answer, page by page.
    pub(crate) async fn walk(&self, tenant: &TenantStore, question: &Question, limit: u32) -> Found {
        let mut request = PageRequest { limit: Limit::new(limit).unwrap(), ..PageRequest::default() };
        let mut found = Vec::new();
        loop {
            let page = tenant.issues().search(question, &request).await.unwrap();
            found.extend(page.items.iter().map(|item| (item.instance, item.issue.id.0)));
            match page.next {
                Some(next) => request.after = Some(next),
                None => return found,
            }
        }
    }
}

fn maybe<T>(rng: &mut SmallRng, make: impl FnOnce(&mut SmallRng) -> T) -> Option<T> {
    rng.random_bool(0.5).then(|| make(rng))
}

fn pick<'p, T>(from: &'p [T], rng: &mut SmallRng) -> &'p T {
    from.choose(rng).unwrap()
}

fn some_of(from: &[&str], rng: &mut SmallRng) -> Vec<String> {
    from.iter().filter(|_| rng.random_bool(0.25)).map(|&text| text.to_owned()).collect()
}

fn random_text(rng: &mut SmallRng) -> String {
    (0..rng.random_range(1..4)).map(|_| *pick(&WORDS, rng)).collect::<Vec<_>>().join(" ")
}

fn random_issue(id: i64, rng: &mut SmallRng) -> IssueSnapshot {
    let updated = rng.random_range(0..40);
    let mut snapshot = said(id, (updated, 1000), &random_text(rng));
    let (status_id, status, category) = *pick(&STATUSES, rng);
    let kind = rng.random_range(0..TYPES.len());
    let issue = &mut snapshot.issue;
    let project = rng.random_range(0..2);
    issue.project = ProjectId(10000 + project);
    issue.key = format!("{}-{id}", if project == 0 { "ACME" } else { "OPS" }).parse().unwrap();
    issue.status = Status { id: status_id, name: status.to_owned(), category };
    issue.issue_type.id = i64::try_from(kind).unwrap();
    issue.issue_type.name = TYPES[kind].to_owned();
    issue.description = maybe(rng, |rng| {
        let text = random_text(rng);
        json(&format!(
            r#"{{"type":"doc","version":1,"content":[{{"type":"paragraph","content":[{{"type":"text","text":"{text}"}}]}}]}}"#
        ))
    });
    issue.priority = maybe(rng, |rng| {
        let id = rng.random_range(1..4);
        Named { id, name: format!("P{id}") }
    });
    issue.resolution = (category == StatusCategory::Done).then(|| Named { id: 10000, name: "Fixed".to_owned() });
    issue.resolved_at = issue.resolution.as_ref().map(|_| at(updated));
    issue.assignee = maybe(rng, |rng| AccountId((*pick(&PEOPLE, rng)).to_owned()));
    issue.reporter = maybe(rng, |rng| AccountId((*pick(&PEOPLE, rng)).to_owned()));
    issue.labels = some_of(&LABELS, rng);
    issue.parent = maybe(rng, |rng| rng.random_range(1..6))
        .map(|parent| IssueRef { id: IssueId(parent), key: format!("ACME-{parent}").parse().unwrap() });
    issue.sprints = (1..4).filter(|_| rng.random_bool(0.3)).map(SprintId).collect();
    issue.created_at = at(-rng.random_range(0..40));
    issue.due_on = maybe(rng, |rng| NaiveDate::from_ymd_opt(2026, 2, rng.random_range(1..9)).unwrap());
    let colour = pick(&COLOURS, rng);
    let custom = match rng.random_range(0..6) {
        0 => "null".to_owned(),
        1 => format!(r#""{colour}""#),
        2 => format!(r#"{{"value":"{colour}","id":"77"}}"#),
        3 => format!(r#"[{{"value":"{colour}"}},{{"value":"Green"}}]"#),
        4 => format!(r#"["{colour}"]"#),
        _ => "5".to_owned(),
    };
    let field = rng.random_range(1..4);
    let text = snapshot.issue.summary.clone();
    let description = snapshot.issue.description.as_ref().map_or("null", RawJson::as_str);
    snapshot.raw = json(&format!(
        r#"{{"id":"{id}","fields":{{"summary":"{text}","description":{description},"customfield_{field}":{custom}}}}}"#
    ));
    seal(&mut snapshot);
    snapshot
}

fn handles(names: &[&str], ids: &[i64], rng: &mut SmallRng) -> Vec<Handle> {
    let names = names.iter().map(|&name| Handle::Name(name.to_owned()));
    let all: Vec<Handle> = names.chain(ids.iter().map(|id| Handle::Id(*id))).collect();
    (0..rng.random_range(1..3)).map(|_| pick(&all, rng).clone()).collect()
}

/// One to three of the form's fields.
pub(crate) fn random_filter(library: &Library, rng: &mut SmallRng) -> IssueFilter {
    let mut filter = IssueFilter::default();
    for _ in 0..rng.random_range(1..4) {
        fill_one(&mut filter, library, rng);
    }
    filter
}

fn fill_one(filter: &mut IssueFilter, library: &Library, rng: &mut SmallRng) {
    let account = |rng: &mut SmallRng| AccountId((*pick(&PEOPLE, rng)).to_owned());
    match rng.random_range(0..18) {
        0 => filter.instances = vec![*pick(&library.instances, rng)],
        1 => filter.projects = handles(&["acme", "OPS", "operations", "NONE"], &[10001, 4], rng),
        2 => filter.statuses = handles(&["OPEN", "in progress", "none"], &[1, 13], rng),
        3 => filter.categories = vec![pick(&STATUSES, rng).2],
        4 => filter.types = handles(&["bug", "Sub-Task"], &[1], rng),
        5 => filter.priorities = handles(&["p1", "P3"], &[2], rng),
        6 => filter.resolutions = vec![maybe(rng, |_| Handle::Name("fixed".to_owned()))],
        7 => filter.assignees = (0..2).map(|_| maybe(rng, account)).collect(),
        8 => filter.reporters = vec![account(rng)],
        9 => filter.labels_any = vec![(*pick(&LABELS, rng)).to_owned(), (*pick(&LABELS, rng)).to_owned()],
        10 => filter.labels_all = vec![(*pick(&LABELS, rng)).to_owned(), (*pick(&LABELS, rng)).to_owned()],
        11 => filter.parents = handles(&["acme-1", "OPS-2", "ACME-3", "NONE-1"], &[4], rng),
        12 => filter.sprints = vec![SprintId(rng.random_range(1..4))],
        13 => filter.created = random_range(-40, rng),
        14 => filter.updated = random_range(0, rng),
        15 => filter.resolved = random_range(0, rng),
        16 => {
            let day = NaiveDate::from_ymd_opt(2026, 2, rng.random_range(1..5)).unwrap();
            filter.due = Range { from: Some(day), before: maybe(rng, |_| day + TimeDelta::days(3)) };
        }
        _ if rng.random_bool(0.6) => {
            let word = *pick(&["ALPHA", "größe", "log*", "login", "acme", "2", "v1 10", "nothing", "be*"], rng);
            filter.text = Some(word.to_owned());
        }
        _ => filter.fields = vec![random_field(rng)],
    }
}

fn random_range(from: i64, rng: &mut SmallRng) -> Range<chrono::DateTime<chrono::Utc>> {
    let from = from + rng.random_range(0..30);
    Range { from: maybe(rng, |_| at(from)), before: maybe(rng, |_| at(from + 15)) }
}

fn random_field(rng: &mut SmallRng) -> FieldFilter {
    let field = (*pick(&["customfield_1", "COLOUR", "team", "none"], rng)).to_owned();
    let documents: [&str; 3] = [r#"{"id":"77"}"#, r#"[{"value":"Green"}]"#, "5"];
    let contains = maybe(rng, |rng| {
        let document: &&str = pick(&documents, rng);
        json(document)
    });
    let equals = if contains.is_some() { Vec::new() } else { vec![(*pick(&COLOURS, rng)).to_owned()] };
    FieldFilter { field, equals, contains }
}

pub(crate) fn random_order(rng: &mut SmallRng) -> Vec<Sort> {
    let keys = [
        SortKey::Updated,
        SortKey::Created,
        SortKey::Resolved,
        SortKey::Due,
        SortKey::Key,
        SortKey::Priority,
        SortKey::Id,
    ];
    let direction = |rng: &mut SmallRng| *pick(&[Direction::Ascending, Direction::Descending], rng);
    (0..rng.random_range(0..4)).map(|_| Sort { by: *pick(&keys, rng), direction: direction(rng) }).collect()
}
