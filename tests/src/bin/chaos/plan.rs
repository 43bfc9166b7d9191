//! What every job of a run does. It stands in the job's own id, so that all processes and both servers agree about it.

use std::time::Duration;

use domain::{InstanceId, ProjectId};
use queue::{Envelope, Job, Outcome};
use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};
use uuid::Uuid;

/// Pages of a chain.
const PAGES: u64 = 5;

/// All jobs of a run: four fifths of the effects by single jobs, one fifth by chains of five pages.
pub(crate) fn jobs(effects: usize, seed: u64) -> Vec<Job> {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    let chains = effects / 25;
    let mut jobs = Vec::with_capacity(effects);
    for number in 0..effects - chains * 4 {
        let (instance, run) = (InstanceId(uuid(&mut dice)), uuid(&mut dice));
        let is_chain = number % 21 == 0 && number / 21 < chains;
        jobs.push(match is_chain {
            true => Job::BackfillProject { instance, project: ProjectId(1), run, page: 0 },
            false => Job::SyncDirectory { instance },
        });
    }
    let begun = jobs.iter().filter(|job| matches!(job, Job::BackfillProject { .. })).count();
    assert_eq!(begun, chains, "every chain has its place");
    jobs
}

fn uuid(dice: &mut impl Rng) -> Uuid {
    let mut bytes = [0; 16];
    dice.fill_bytes(&mut bytes);
    Uuid::from_bytes(bytes)
}

/// The name of a job's effect.
pub(crate) fn effect(job: &Job) -> String {
    match job {
        Job::BackfillProject { instance, page, .. } => format!("{}:{page}", instance.0.simple()),
        other => other.instance().0.simple().to_string(),
    }
}

/// The effect that must be there before this one.
pub(crate) fn before(job: &Job) -> Option<String> {
    match job {
        Job::BackfillProject { instance, page, .. } if *page > 0 => {
            Some(format!("{}:{}", instance.0.simple(), page - 1))
        }
        _ => None,
    }
}

/// How long a run takes.
pub(crate) fn busy(job: &Job, longest: u64) -> Duration {
    Duration::from_millis(u64::from(job.instance().0.as_bytes()[14]) * longest / 256)
}

/// One job in ten fails at first, one in ten puts itself off, the rest goes well.
pub(crate) fn hesitation(envelope: &Envelope) -> Option<Outcome> {
    match envelope.job.instance().0.as_bytes()[15] {
        0..25 if envelope.attempt == 0 => Some(Outcome::Retry { error: "at first".to_owned(), after: None }),
        25..50 if envelope.snoozes == 0 => Some(Outcome::Snooze(Duration::from_millis(60))),
        _ => None,
    }
}

/// What comes after.
pub(crate) fn next(job: &Job) -> Outcome {
    match job {
        Job::BackfillProject { instance, project, run, page } if page + 1 < PAGES => {
            Outcome::Next(Job::BackfillProject { instance: *instance, project: *project, run: *run, page: page + 1 })
        }
        _ => Outcome::Done,
    }
}

/// How often the job with this effect is started when nothing goes wrong.
pub(crate) fn runs(effect: &str) -> usize {
    let instance = effect.split(':').next().and_then(|text| u128::from_str_radix(text, 16).ok()).unwrap_or_default();
    if instance & 0xff < 50 { 2 } else { 1 }
}
