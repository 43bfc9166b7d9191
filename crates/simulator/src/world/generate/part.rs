//! Part of a site, made without the rest of it.

use std::sync::Arc;

use rand::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;

use super::{Issues, Maker, Recent};
use crate::config::Config;
use crate::world::people::Project;
use crate::world::{Next, State};

/// A part of one project of a site: the same people and projects, and of the issues only these. Nobody searches it.
pub(in crate::world) fn part(config: &Config, part: &Part) -> State {
    let (mut maker, people, mut projects) = Maker::begin(config);
    let of_its_own = ((part.place as u64 + 1) << 40) | part.first;
    maker.dice = Xoshiro256PlusPlus::seed_from_u64(config.seed ^ of_its_own.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    maker.next = part.ids(config);
    if let Some(project) = projects.get_mut(part.place) {
        project.next_number = part.first;
    }
    let issues = maker.issues_of(config, part, &mut projects);
    maker.end(config, people, projects, issues)
}

/// Consecutive issues of one project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub(in crate::world) place: usize,
    /// The number of its first issue, as in its key.
    pub(in crate::world) first: u64,
    pub(in crate::world) count: usize,
}

impl Part {
    /// More issues than a project is asked to have, times four.
    const ROOM: u64 = 1 << 32;

    /// Ids that no other part of the site gives out. An issue takes at most three.
    fn ids(&self, config: &Config) -> Next {
        let before = self.first - 1;
        let room = |most: usize| (self.place as u64 * Self::ROOM + before) * (most as u64).max(1);
        let issue = 10_001 + self.place as u64 * Self::ROOM + 4 * before;
        Next {
            issue,
            comment: 10_001 + room(*config.comments_per_issue.end()),
            history: 20_001 + room(*config.histories_per_issue.end()),
            link: 30_001 + room(1),
            worklog: 40_001 + room(*config.worklogs_per_issue.end()),
            remote_link: 50_001 + room(1),
        }
    }
}

impl Maker {
    /// The issues of a part, among `config.issues` of its project.
    fn issues_of(&mut self, config: &Config, part: &Part, projects: &mut [Project]) -> Issues {
        let (mut made, mut recent) = (Vec::with_capacity(part.count), Recent::default());
        let before = usize::try_from(part.first - 1).unwrap_or(usize::MAX);
        for n in before..before.saturating_add(part.count) {
            let mut issue = self.born(n, part.place, &mut projects[part.place], config);
            self.grow(&mut issue, &mut made, &mut recent, config);
            made.push(issue);
        }
        made.into_iter().map(|issue| (issue.id, Arc::new(issue))).collect()
    }
}
