//! A site of any size in the memory of one part: for who wants to know once what its issues say, and serves nobody.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub use super::generate::part::Part;
use super::people::{Project, Shape, profile, project_json};
use super::{State, catalogue, generate, view};
use crate::config::Config;

/// A made-up site that is made part by part, in any order. The same configuration and the same sizes of parts give the
/// same issues; links and parents do not leave a part.
pub struct Parts {
    /// Its issues are those of each project.
    config: Config,
}

impl Parts {
    /// Of a site with `config.issues` issues in each of its projects.
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// All parts of at most `most` issues, project by project.
    pub fn all(&self, most: usize) -> impl Iterator<Item = Part> + use<> {
        let (issues, most) = (self.config.issues, most.max(1));
        (0..self.config.projects.max(1)).flat_map(move |place| {
            let part = move |before: usize| Part { place, first: before as u64 + 1, count: most.min(issues - before) };
            (0..issues).step_by(most).map(part)
        })
    }

    /// A part's issues as API v3 would show them with `fields=*all`, every comment and the whole changelog, as texts in the
    /// order of their ids.
    pub fn issues(&self, part: &Part) -> Vec<String> {
        let state = generate::part::part(&self.config, part);
        state.issues.values().map(|issue| view::whole_text(&state, &self.config, issue)).collect()
    }

    /// The site's projects as its list shows them, with lead and number of issues.
    pub fn projects(&self) -> Vec<Value> {
        let state = self.nothing_but_people();
        let base = &state.cards.of(Shape::V3).base;
        state.projects.iter().map(|project| self.project(&state, base, project)).collect()
    }

    /// The site's people as it lists them, with mail addresses where these are not hidden.
    pub fn people(&self) -> Vec<Value> {
        let state = self.nothing_but_people();
        let base = &state.cards.of(Shape::V3).base;
        state.people.iter().map(|person| profile(base, person)).collect()
    }

    /// The site's fields as it lists them.
    pub fn fields(&self) -> Vec<Value> {
        catalogue::FIELDS.iter().map(view::meta::listed).collect()
    }

    /// When everything was over: nothing made up is younger.
    pub fn end(&self) -> DateTime<Utc> {
        generate::end()
    }

    fn project(&self, state: &State, base: &str, project: &Project) -> Value {
        let mut value = project_json(base, project);
        if let Some(members) = value.as_object_mut() {
            let lead = state.people.iter().find(|person| person.account_id == project.lead);
            members.insert("lead".into(), json!(lead.map(|person| profile(base, person))));
            members.insert("insight".into(), json!({"totalIssueCount": self.config.issues}));
        }
        value
    }

    fn nothing_but_people(&self) -> State {
        generate::part::part(&self.config, &Part { place: 0, first: 1, count: 0 })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn parts() -> Parts {
        Parts::new(Config { seed: 7, projects: 2, issues: 25, ..Config::default() })
    }

    fn everything(parts: &Parts) -> Vec<Value> {
        let texts = parts.all(10).flat_map(|part| parts.issues(&part));
        texts.map(|text| serde_json::from_str(&text).expect("an issue")).collect()
    }

    #[test]
    fn a_site_in_parts_is_as_large_as_asked_and_the_same_each_time() {
        let issues = everything(&parts());
        assert_eq!(parts().all(10).map(|part| part.count).collect::<Vec<_>>(), [10, 10, 5, 10, 10, 5]);
        let keys: Vec<&str> = issues.iter().filter_map(|issue| issue["key"].as_str()).collect();
        let expected = ["ACME", "WEB"].iter().flat_map(|key| (1..=25).map(move |n| format!("{key}-{n}")));
        assert_eq!(keys, expected.collect::<Vec<_>>());
        assert_eq!(issues, everything(&parts()));
        let last = parts().all(10).last().expect("a part");
        assert_eq!(parts().issues(&last).len(), 5, "any part can be made alone");
    }

    #[test]
    fn no_id_is_given_out_twice() {
        let issues = everything(&parts());
        let lists = ["/fields/comment/comments", "/changelog/histories", "/fields/worklog/worklogs"];
        for list in lists {
            let all: Vec<&Value> =
                issues.iter().filter_map(|issue| issue.pointer(list)?.as_array()).flatten().collect();
            let ids: BTreeSet<&str> = all.iter().filter_map(|one| one["id"].as_str()).collect();
            assert_eq!(ids.len(), all.len(), "{list}");
            assert!(!ids.is_empty(), "{list}");
        }
        let ids: BTreeSet<&str> = issues.iter().filter_map(|issue| issue["id"].as_str()).collect();
        assert_eq!(ids.len(), 50);
    }

    #[test]
    fn everybody_whom_issues_name_is_listed() {
        let parts = parts();
        let people: BTreeSet<String> =
            parts.people().iter().filter_map(|person| Some(person["accountId"].as_str()?.to_owned())).collect();
        for issue in everything(&parts) {
            let reporter = issue["fields"]["reporter"]["accountId"].as_str().expect("a reporter");
            assert!(people.contains(reporter));
        }
        assert!(parts.people().iter().any(|person| person["emailAddress"].is_string()));
        assert_eq!(parts.projects().len(), 2);
    }
}
