//! What our client asks and the simulated Jira answers is what Atlassian's description of the API says, wherever that is at
//! hand. Every fleet of the whole test run is held against it; here is shown that this means something.

use contract::Judge;
use tests::TestFleet;

#[tokio::test]
async fn a_fleets_questions_and_jiras_answers_are_as_atlassian_describes_them() {
    if contract::observer(Judge::Both).is_none() {
        eprintln!("skipped: Atlassian's OpenAPI file is not here; JIRA_OPENAPI may say where it is");
        return;
    }
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.poll().await;
    let judged = contract::judged();
    for operation in [
        "GET /rest/api/3/field",
        "GET /rest/api/3/myself",
        "GET /rest/api/3/project/search",
        "GET /rest/api/3/users/search",
        "POST /rest/api/3/issue/bulkfetch",
        "POST /rest/api/3/search/jql",
    ] {
        assert!(judged.contains_key(operation), "{operation} was never held against its description: {judged:?}");
    }
    contract::assert_kept();
}
