//! Convergence: ten thousand made-up histories, told late, twice, out of order or never, then one poll and one census; and
//! the mirror holds what Jira shows. Nobody who was shown throughout is ever called deleted.
//!
//! A thousand small worlds lie in one mirror and share its pages and transactions, so that a history costs milliseconds;
//! their issues never meet. A silent change (one that moves no time of update) is told at least once, however late: who
//! looks only at ids and times cannot see it, and comparing fields is another job's.

mod world;

use std::collections::{BTreeMap, BTreeSet};

use domain::{IssueId, IssueSnapshot, ProjectId};
use sea_orm::{ConnectionTrait, Statement};
use store::{CensusEnd, CensusPosition};
use uuid::Uuid;

use crate::store::sample::{Mirror, at};
use world::{Answer, END, World, roster};

/// Histories in one mirror.
const WORLDS: u64 = 1000;

/// Histories in all.
const HISTORIES: u64 = 10_000;

/// When the index is asked who was updated, and when the roll is called: in the middle of it all.
const POLL: i64 = 12;
const CENSUSES: [i64; 2] = [8, 16];

/// A mirror of many worlds.
struct Crowd {
    mirror: Mirror,
    worlds: Vec<World>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_told_in_whatever_order_one_poll_and_one_census_later_it_is_the_truth() {
    let crowds: Vec<u64> = (0..HISTORIES / WORLDS).collect();
    for pair in crowds.chunks(2) {
        let running: Vec<_> = pair.iter().map(|crowd| tokio::spawn(converges(crowd * WORLDS))).collect();
        for crowd in running {
            crowd.await.unwrap();
        }
    }
}

async fn converges(first_seed: u64) {
    let worlds: Vec<World> = (0..WORLDS).map(|n| World::new(first_seed + n, n)).collect();
    let crowd = Crowd { mirror: Mirror::new().await, worlds };
    crowd.read_roster().await;
    for tick in 0..=END {
        crowd.tell(|answer| answer.applied == tick).await;
        if tick == POLL {
            crowd.poll(tick, 2).await;
        }
        if CENSUSES.contains(&tick) {
            crowd.census(tick, 3).await;
            crowd.assert_nobody_is_slandered(tick).await;
        }
    }
    crowd.poll(END, 0).await;
    crowd.census(END, 0).await;
    crowd.tell(|answer| answer.applied > END).await;
    crowd.assert_nobody_is_slandered(END).await;
    crowd.assert_converged().await;
}

impl Crowd {
    async fn read_roster(&self) {
        let mut tx = self.mirror.tenant.begin().await.unwrap();
        tx.apply_roster(self.mirror.instance, &roster()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Applies answers of all worlds, those that show issues and those that do not.
    async fn tell(&self, which: impl Fn(&Answer) -> bool) {
        let (mut seen, mut gone) = (Vec::new(), BTreeMap::<i64, Vec<IssueId>>::new());
        for world in &self.worlds {
            for answer in world.answers.iter().filter(|answer| which(answer)) {
                match world.said(answer.issue, answer.shows) {
                    Some(said) => seen.push(said),
                    None => gone.entry(answer.shows).or_default().push(world.id(answer.issue)),
                }
            }
        }
        let mut tx = self.mirror.tenant.begin().await.unwrap();
        tx.apply(self.mirror.instance, &seen).await.unwrap();
        for (tick, ids) in gone {
            tx.mark_missing(self.mirror.instance, &ids, at(tick)).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Asks by id, as whatever touches an issue does in the end.
    async fn read(&self, ids: &[IssueId], tick: i64) {
        let (mut seen, mut absent) = (Vec::new(), Vec::new());
        for id in ids {
            match self.truth(*id, tick) {
                Some(said) => seen.push(said),
                None => absent.push(*id),
            }
        }
        let mut tx = self.mirror.tenant.begin().await.unwrap();
        tx.apply(self.mirror.instance, &seen).await.unwrap();
        tx.mark_missing(self.mirror.instance, &absent, at(tick)).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn poll(&self, tick: i64, lag: i64) {
        let listed = self.shown(tick - lag);
        let updated: Vec<_> = listed.iter().map(|said| (said.issue.id, said.issue.updated_at)).collect();
        let news = self.mirror.tenant.newer(self.mirror.instance, &updated).await.unwrap();
        self.read(&news, tick).await;
    }

    /// Lists what the index knew some ticks ago, asks by id for the rest, and marks.
    async fn census(&self, tick: i64, lag: i64) {
        let (tenant, instance, run) = (&self.mirror.tenant, self.mirror.instance, Uuid::now_v7());
        let listed = self.shown(tick - lag);
        for project in tenant.census_plan(instance, &roster().map(|project| project.id), run).await.unwrap() {
            let of_project = listed.iter().filter(|said| said.issue.project == project);
            let ids: Vec<IssueId> = of_project.map(|said| said.issue.id).collect();
            let strays = tenant.census_strays(instance, project, &ids).await.unwrap();
            self.read(&strays, tick).await;
            let position = self.claim(project, run).await;
            let mut tx = tenant.begin().await.unwrap();
            tx.census_listed(&position, &ids, None).await.unwrap();
            tx.commit().await.unwrap();
            let position = self.claim(project, run).await;
            let unlisted = tenant.census_unlisted(&position, 100_000).await.unwrap();
            self.verify(&position, &unlisted, tick).await;
            self.mark(&self.claim(project, run).await).await;
        }
    }

    async fn verify(&self, position: &CensusPosition, unlisted: &[IssueId], tick: i64) {
        let (instance, truth) = (self.mirror.instance, |id: &IssueId| self.truth(*id, tick));
        let there = unlisted.iter().filter_map(truth).map(|said| (said.issue.id, said.issue.updated_at));
        let news = self.mirror.tenant.newer(instance, &there.collect::<Vec<_>>()).await.unwrap();
        self.read(&news, tick).await;
        let absent: Vec<IssueId> = unlisted.iter().copied().filter(|id| truth(id).is_none()).collect();
        let mut tx = self.mirror.tenant.begin().await.unwrap();
        tx.census_verified(position, (&absent, at(tick)), None).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn mark(&self, position: &CensusPosition) {
        let mut tx = self.mirror.tenant.begin().await.unwrap();
        while tx.census_mark(position).await.unwrap().is_some() {}
        tx.census_end(position, &CensusEnd::Done(None)).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn claim(&self, project: ProjectId, run: Uuid) -> CensusPosition {
        self.mirror.tenant.census_claim(self.mirror.instance, project, run).await.unwrap().unwrap()
    }

    fn world(&self, id: IssueId) -> &World {
        &self.worlds[World::number_of(id)]
    }

    fn truth(&self, id: IssueId, tick: i64) -> Option<IssueSnapshot> {
        self.world(id).said(World::place_of(id), tick)
    }

    /// All that Jira shows at a moment.
    fn shown(&self, tick: i64) -> Vec<IssueSnapshot> {
        self.worlds.iter().flat_map(|world| world.all(tick)).collect()
    }

    /// Whoever is called deleted was out of sight at some time.
    async fn assert_nobody_is_slandered(&self, tick: i64) {
        let tx = self.mirror.as_tenant(&self.mirror.database.app_url).await;
        let sql = "SELECT id FROM mirror.issues WHERE deleted_at IS NOT NULL";
        let rows = tx.query_all_raw(Statement::from_string(tx.get_database_backend(), sql)).await.unwrap();
        for row in rows {
            let id = IssueId(row.try_get("", "id").unwrap());
            let world = self.world(id);
            assert!(!world.was_shown_until(World::place_of(id), tick), "{id} was called deleted: {world:?}");
        }
    }

    async fn assert_converged(&self) {
        let truth = self.shown(END);
        let ids: Vec<IssueId> = self.worlds.iter().flat_map(World::ids).collect();
        let rows = self.mirror.tenant.snapshots(self.mirror.instance, &ids).await.unwrap();
        let shown: BTreeSet<IssueId> = truth.iter().map(|said| said.issue.id).collect();
        let extra = rows.iter().map(|row| row.issue.id).find(|id| !shown.contains(id));
        assert!(extra.is_none(), "shown and should not be: {:?}", extra.map(|id| self.world(id)));
        let rows: BTreeMap<IssueId, &IssueSnapshot> = rows.iter().map(|row| (row.issue.id, row)).collect();
        for said in &truth {
            let id = said.issue.id;
            let row = rows.get(&id).unwrap_or_else(|| panic!("{id} is not shown: {:?}", self.world(id)));
            assert_eq!((&row.issue, &row.comments), (&said.issue, &said.comments), "{:?}", self.world(id));
        }
    }
}
