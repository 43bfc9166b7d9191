//! Jira's schedule of tries on a clock that a test moves: five more, 5 to 15 minutes apart, and only one for a receiver
//! that has been failing for long.

use std::time::Duration;

use chrono::DateTime;
use simulator::{Config, Deliveries, Mischief, Pace, Retries};

use crate::client::Site;
use crate::receiver::Receiver;

const MINUTE: Duration = Duration::from_secs(60);

async fn site() -> (Site, Receiver) {
    let clock = Pace::Virtual(DateTime::from_timestamp(1_790_000_000, 0).unwrap());
    let config = Config { issues: 6, clock, webhook_schedule: Retries::AsJira, ..Config::default() };
    let (site, receiver) = (Site::start(config).await, Receiver::start().await);
    site.world.set_webhook(&receiver.url, "secret");
    (site, receiver)
}

fn edit(site: &Site, text: &str) {
    site.world.edit("ACME-1", |issue| issue.summary = text.to_owned()).unwrap();
}

async fn advance(site: &Site, by: Duration) {
    site.world.advance(by);
    site.world.webhooks_at_rest().await;
}

#[tokio::test]
async fn a_failing_delivery_is_tried_five_more_times_when_the_clock_says_so() {
    let (site, receiver) = site().await;
    receiver.inside().always = Some(503);
    edit(&site, "one");
    site.world.webhooks_at_rest().await;
    assert_eq!(receiver.take().len(), 1);
    let mut gaps = vec![0];
    for minute in 1..=80 {
        advance(&site, MINUTE).await;
        for try_again in receiver.take() {
            gaps.push(minute);
            assert_eq!(try_again.header("x-atlassian-webhook-retry"), Some((gaps.len() - 1).to_string().as_str()));
        }
    }
    assert_eq!(gaps.len(), 6, "{gaps:?}");
    assert!(gaps.windows(2).all(|pair| (5..=16).contains(&(pair[1] - pair[0]))), "{gaps:?}");
    assert_eq!(site.world.deliveries(), Deliveries { lost: 1, tries: 6, ..Deliveries::default() });
    site.world.webhooks_idle().await;
}

#[tokio::test]
async fn one_jump_plays_the_whole_schedule_in_order() {
    let (site, receiver) = site().await;
    receiver.inside().always = Some(500);
    for n in 0..3 {
        edit(&site, &format!("turn {n}"));
    }
    site.world.webhooks_at_rest().await;
    let first: Vec<_> = receiver.take().iter().map(|it| it.json()["issue"]["fields"]["summary"].clone()).collect();
    assert_eq!(first, ["turn 0", "turn 1", "turn 2"]);
    advance(&site, 90 * MINUTE).await;
    assert_eq!(receiver.take().len(), 15);
    assert_eq!(site.world.deliveries(), Deliveries { lost: 3, tries: 18, ..Deliveries::default() });
}

#[tokio::test]
async fn after_half_an_hour_of_failing_new_events_get_one_try_until_one_succeeds() {
    let (site, receiver) = site().await;
    receiver.inside().always = Some(500);
    edit(&site, "early");
    site.world.webhooks_at_rest().await;
    advance(&site, 31 * MINUTE).await;
    let lost = site.world.deliveries().lost;
    receiver.take();
    edit(&site, "late");
    site.world.webhooks_at_rest().await;
    assert_eq!((receiver.take().len(), site.world.deliveries().lost), (1, lost + 1), "no second try");
    receiver.inside().always = None;
    edit(&site, "well again");
    site.world.webhooks_at_rest().await;
    receiver.take();
    receiver.inside().answers.push_back(500);
    edit(&site, "a hiccup");
    site.world.webhooks_at_rest().await;
    advance(&site, 15 * MINUTE).await;
    let tries = receiver.take().into_iter().filter(|it| it.json()["issue"]["fields"]["summary"] == "a hiccup").count();
    assert_eq!(tries, 2, "tried again as before");
}

#[tokio::test]
async fn only_what_may_pass_is_tried_again() {
    for (status, again) in [
        (408, 2),
        (409, 2),
        (425, 2),
        (429, 2),
        (500, 2),
        (504, 2),
        (301, 1),
        (400, 1),
        (401, 1),
        (403, 1),
        (404, 1),
        (410, 1),
    ] {
        let (site, receiver) = site().await;
        receiver.inside().answers.push_back(status);
        edit(&site, "x");
        site.world.webhooks_at_rest().await;
        advance(&site, 15 * MINUTE).await;
        let received = receiver.take();
        assert_eq!(received.len(), again, "{status}");
        assert!(
            received.iter().all(|it| it.header("x-atlassian-webhook-identifier")
                == received[0].header("x-atlassian-webhook-identifier"))
        );
    }
}

#[tokio::test]
async fn a_receiver_that_is_away_is_tried_again_and_found_at_its_new_place() {
    let (site, receiver) = site().await;
    site.world.set_webhook("http://127.0.0.1:1/nobody", "secret");
    edit(&site, "x");
    site.world.webhooks_at_rest().await;
    site.world.set_webhook(&receiver.url, "secret");
    advance(&site, 15 * MINUTE).await;
    assert_eq!(receiver.take().len(), 0, "the next try was on its way to where it was");
    advance(&site, 15 * MINUTE).await;
    assert_eq!(receiver.take().len(), 1);
}

#[tokio::test]
async fn what_is_held_back_arrives_when_the_clock_has_moved() {
    let (site, receiver) = site().await;
    site.world.set_mischief(Mischief { delay: 10 * MINUTE, ..Mischief::default() });
    for n in 0..8 {
        edit(&site, &format!("turn {n}"));
    }
    site.world.webhooks_at_rest().await;
    assert!(receiver.take().len() < 8);
    advance(&site, 10 * MINUTE).await;
    site.world.webhooks_idle().await;
    assert_eq!(site.world.deliveries().taken, 8);
}
