//! One small made-up Jira: what happened to its issues, tick by tick, and what we were told of it and when.

use std::{collections::BTreeSet, fmt};

use domain::{Issue, IssueId, IssueSnapshot, Lifecycle, Project, ProjectId};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::store::sample::{comment, json, said};

/// The last tick.
pub(super) const END: i64 = 24;

/// Issues of a world, born or not.
const PLACES: usize = 4;

/// The two projects between which issues move.
const PROJECTS: [(i64, &str); 2] = [(1, "PA"), (2, "PB")];

/// An issue at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    project: usize,
    number: usize,
    updated: i64,
    /// Counts its versions, silent ones too.
    version: u8,
    hidden: bool,
}

/// What Jira answered when it was asked for an issue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// For which.
    pub(super) issue: usize,
    /// The moment that it shows.
    pub(super) shows: i64,
    /// When it reaches the mirror.
    pub(super) applied: i64,
}

/// A history and what was told of it; made from its seed alone.
pub(super) struct World {
    seed: u64,
    number: u64,
    ticks: Vec<[Option<State>; PLACES]>,
    /// In no order.
    pub(super) answers: Vec<Answer>,
}

/// What can happen to an issue.
#[derive(Clone, Copy)]
enum Change {
    Edit,
    Silent,
    Delete,
    Hide,
    Unhide,
    Move,
    SwapKeys,
    Create,
}

const CHANGES: [Change; 12] = [
    Change::Edit,
    Change::Edit,
    Change::Silent,
    Change::Silent,
    Change::Delete,
    Change::Hide,
    Change::Hide,
    Change::Unhide,
    Change::Unhide,
    Change::Move,
    Change::SwapKeys,
    Change::Create,
];

impl World {
    /// The world of this seed, as the so-manieth of its mirror.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut now = [None; PLACES];
        for (place, state) in now.iter_mut().enumerate().take(rng.random_range(2..=3)) {
            let project = rng.random_range(0..2);
            *state = Some(State { project, number: place, updated: 0, version: 0, hidden: rng.random_bool(0.1) });
        }
        let mut world = Self { seed, number, ticks: Vec::new(), answers: Vec::new() };
        for tick in 0..=END {
            if (1..END).contains(&tick) && rng.random_bool(0.35) {
                let change = *CHANGES.choose(&mut rng).unwrap();
                world.happen(&mut now, (change, tick), &mut rng);
            }
            world.ticks.push(now);
        }
        for _ in 0..2 {
            world.read_page(&mut rng);
        }
        world.end_in_time();
        world
    }

    /// Answers may come after everything is over, but not such as only a later look could take back: an absence, and the
    /// first word of an issue that is gone by then.
    fn end_in_time(&mut self) {
        let shown = |ticks: &[[Option<State>; PLACES]], tick, issue: usize| visible(ticks[tick_of(tick)][issue]);
        for answer in &mut self.answers {
            if !shown(&self.ticks, answer.shows, answer.issue) {
                answer.applied = answer.applied.min(END);
            }
        }
        let in_time = self.answers.iter().filter(|answer| answer.applied <= END);
        let heard_of: BTreeSet<usize> = in_time.map(|answer| answer.issue).collect();
        for answer in &mut self.answers {
            if !heard_of.contains(&answer.issue) && !shown(&self.ticks, END, answer.issue) {
                answer.applied = answer.applied.min(END);
            }
        }
    }

    fn happen(&mut self, now: &mut [Option<State>; PLACES], (change, tick): (Change, i64), rng: &mut StdRng) {
        let (place, other) = (rng.random_range(0..PLACES), rng.random_range(0..PLACES));
        let touched = |state: State| State { updated: tick, version: state.version + 1, ..state };
        now[place] = match (change, now[place]) {
            (Change::Edit, Some(state)) => Some(touched(state)),
            (Change::Silent, Some(state)) => Some(State { version: state.version + 1, ..state }),
            (Change::Hide, Some(state)) => Some(State { hidden: true, ..state }),
            (Change::Unhide, Some(state)) => Some(State { hidden: false, ..state }),
            (Change::Move, Some(state)) => {
                Some(State { project: 1 - state.project, number: state.number + PLACES, ..touched(state) })
            }
            (Change::SwapKeys, Some(state)) if place != other && now[other].is_some() => {
                let with = now[other].unwrap();
                now[other] = Some(State { project: state.project, number: state.number, ..touched(with) });
                self.tell(other, (tick, 0), rng);
                Some(State { project: with.project, number: with.number, ..touched(state) })
            }
            // An id is given once: only the last place is still free.
            (Change::Create, None) if place == PLACES - 1 && self.ticks.iter().all(|tick| tick[place].is_none()) => {
                Some(State { project: 0, number: place, updated: tick, version: 0, hidden: false })
            }
            (Change::Delete, Some(_)) => None,
            (_, state) => state,
        };
        self.tell(place, (tick, usize::from(matches!(change, Change::Silent))), rng);
    }

    /// A webhook that comes never, once or twice: the issue is read, later, and the answer is applied, later still.
    fn tell(&mut self, issue: usize, (tick, at_least): (i64, usize), rng: &mut StdRng) {
        let times = [0, 0, 1, 1, 2][rng.random_range(0..5)];
        for _ in 0..at_least.max(times) {
            let shows = rng.random_range(tick..=END);
            self.answers.push(Answer { issue, shows, applied: shows + lateness(rng) });
        }
    }

    /// A page of everything: by id, or as the index knew it some ticks ago. The index concludes nothing from an absence.
    fn read_page(&mut self, rng: &mut StdRng) {
        let (asked, lag) = (rng.random_range(0..=END), rng.random_range(0..=4));
        let (shows, applied) = ((asked - lag).max(0), asked + lateness(rng));
        for issue in 0..PLACES {
            if lag == 0 || visible(self.ticks[tick_of(shows)][issue]) {
                self.answers.push(Answer { issue, shows, applied });
            }
        }
    }

    /// An issue as Jira shows it at a moment.
    pub(super) fn said(&self, place: usize, tick: i64) -> Option<IssueSnapshot> {
        let state = self.ticks[tick_of(tick)][place].filter(|state| !state.hidden)?;
        let (id, words) = (self.id(place), format!("version {}", state.version));
        let (project, key) = PROJECTS[state.project];
        let mut snapshot = said(id.0, (state.updated, tick), &words);
        let key = format!("{key}-{}", id.0 * 1000 + i64::try_from(state.number).unwrap());
        snapshot.issue = Issue { project: ProjectId(project), key: key.parse().unwrap(), ..snapshot.issue };
        snapshot.comments = (0..i64::from(state.version % 3)).map(|n| comment(n, &words)).collect();
        snapshot.content_hash = [state.version; 32];
        snapshot.content_hash[0] = u8::try_from(state.project).unwrap();
        snapshot.content_hash[1] = u8::try_from(state.number).unwrap();
        Some(snapshot)
    }

    /// All that it shows at a moment.
    pub(super) fn all(&self, tick: i64) -> impl Iterator<Item = IssueSnapshot> {
        (0..PLACES).filter_map(move |place| self.said(place, tick))
    }

    /// Whether an issue was there to be seen from its birth on.
    pub(super) fn was_shown_until(&self, place: usize, tick: i64) -> bool {
        let mut states = self.ticks[..=tick_of(tick)].iter().map(|issues| issues[place]).skip_while(Option::is_none);
        states.all(visible)
    }

    /// The mirror's id of an issue.
    pub(super) fn id(&self, place: usize) -> IssueId {
        IssueId(i64::try_from(self.number).unwrap() * 10 + 1 + i64::try_from(place).unwrap())
    }

    /// The ids of all its issues, born or not.
    pub(super) fn ids(&self) -> impl Iterator<Item = IssueId> {
        (0..PLACES).map(|place| self.id(place))
    }

    /// In which world an issue is.
    pub(super) fn number_of(id: IssueId) -> usize {
        usize::try_from(id.0 / 10).unwrap()
    }

    /// Which of its world's issues it is.
    pub(super) fn place_of(id: IssueId) -> usize {
        usize::try_from(id.0 % 10 - 1).unwrap()
    }
}

/// What happened to each issue, and what was told.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the world of seed {}", self.seed)?;
        for place in 0..PLACES {
            let mut before = None;
            for (tick, now) in self.ticks.iter().enumerate() {
                if now[place] != before {
                    writeln!(f, "  {} at {tick}: {:?}", self.id(place), now[place])?;
                    before = now[place];
                }
            }
        }
        self.answers.iter().try_for_each(|answer| writeln!(f, "  {answer:?}"))
    }
}

/// The projects of every world.
pub(super) fn roster() -> [Project; 2] {
    PROJECTS.map(|(id, key)| Project {
        id: ProjectId(id),
        key: key.parse().unwrap(),
        name: key.to_owned(),
        project_type: None,
        lifecycle: Lifecycle::Live,
        lead: None,
        issue_count: None,
        raw: json("{}"),
    })
}

/// Mostly little; sometimes an answer comes after everything is over.
fn lateness(rng: &mut StdRng) -> i64 {
    *[0, 0, 0, 1, 2, 5, 12, END + 1].choose(rng).unwrap()
}

fn visible(state: Option<State>) -> bool {
    state.is_some_and(|state| !state.hidden)
}

fn tick_of(tick: i64) -> usize {
    usize::try_from(tick).unwrap()
}
