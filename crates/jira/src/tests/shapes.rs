//! Answers in every shape that Jira is known to give, read through the wire and the conversions.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    AccountId, IssueId, IssueSnapshot, Lifecycle, LinkDirection, RawJson, SprintId, StatusCategory, WebhookEvent, adf,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Error, convert, convert::Draft, refusal, snapshot_from_json, wire};

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> T {
    serde_json::from_str(text).expect("a known shape")
}

fn raw(text: &str) -> &RawValue {
    read(text)
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

const AUTHOR: &str = r#"{"accountId":"712020:7d1e","displayName":"Ana","active":true,"accountType":"atlassian"}"#;

/// An issue with more fields, and members beside them.
fn issue_with(fields: &str, beside: &str) -> Result<IssueSnapshot, Error> {
    let text = format!(
        r#"{{"expand":"names,schema","id":"31007","self":"https://north.atlassian.net/rest/api/3/issue/31007","key":"NORTH-7",{beside}
        "fields":{{{fields}"issuetype":{{"id":"10002","name":"Story","subtask":false,"hierarchyLevel":0}},
        "project":{{"id":"10010","key":"NORTH","name":"North","projectTypeKey":"software","simplified":false}},
        "status":{{"id":"10021","name":"Doing","statusCategory":{{"id":4,"key":"indeterminate","colorName":"yellow"}}}},
        "created":"2026-03-01T09:00:00.000+0000","updated":"2026-03-29T03:30:00.250+0200"}}}}"#
    );
    snapshot_from_json(&text, DateTime::UNIX_EPOCH)
}

#[test]
fn a_page_of_ids() {
    let page: wire::Search<'_> =
        read(r#"{"issues":[{"id":"31007"},{"id":"31008"}],"nextPageToken":"CAEaAggC","isLast":false}"#);
    let ids: Vec<_> = page.issues.iter().flatten().map(|found| found.id().expect("an id")).collect();
    assert_eq!(ids, [IssueId(31007), IssueId(31008)]);
    assert_eq!((page.next_page_token.as_deref(), page.is_last), (Some("CAEaAggC"), Some(false)));
    let empty: wire::Search<'_> = read(r#"{"issues":[],"isLast":true}"#);
    assert!(empty.issues.is_some_and(|issues| issues.is_empty()) && empty.next_page_token.is_none());
}

#[test]
fn a_page_with_fields_and_their_names() {
    let page: wire::Search<'_> = read(
        r#"{"issues":[{"expand":"renderedFields,names","id":"31007","self":"https://north.atlassian.net/rest/api/3/issue/31007","key":"NORTH-7",
          "fields":{"summary":"A","updated":"2026-03-29T03:30:00.250+0200","status":{"self":"https://north.atlassian.net/rest/api/3/status/10021",
            "description":"","iconUrl":"https://north.atlassian.net/","name":"Doing","id":"10021","statusCategory":{"id":4,"key":"indeterminate"}}}}],
          "names":{"summary":"Summary","updated":"Updated","status":"Status"},"isLast":true,
          "warnings":[{"type":"CLAUSE_LIMIT_EXCEEDED","message":"cut","details":{"limit":1}}]}"#,
    );
    let found = &page.issues.expect("issues")[0];
    assert_eq!(found.updated().expect("a time"), time("2026-03-29T01:30:00.250Z"));
    assert_eq!(page.warnings.expect("warnings")[0].kind.as_deref(), Some("CLAUSE_LIMIT_EXCEEDED"));
    assert_eq!(read::<wire::Count>(r#"{"count":97}"#).count, Some(97));
}

#[test]
fn issues_asked_for_by_id() {
    let bulk: wire::Bulk<'_> = read(
        r#"{"issues":[{"id":"31007","key":"NORTH-7","self":"https://north.atlassian.net/rest/api/3/issue/31007","fields":{"summary":"A"}}],
          "issueErrors":[{"id":"31009","errorMessage":"later"},{"id":31010}]}"#,
    );
    assert_eq!(bulk.issues.map(|issues| issues.len()), Some(1));
    let errors = bulk.issue_errors.expect("errors");
    assert_eq!(
        (errors[0].id, errors[0].error_message.as_deref(), errors[1].id),
        (Some(31009), Some("later"), Some(31010))
    );
}

#[test]
fn changelogs_tell_time_in_three_ways() {
    let mut draft = draft();
    for created in ["1790591337824", "1790591337", r#""2026-09-28T12:28:57.824+0200""#] {
        let text = format!(
            r#"{{"issueChangeLogs":[{{"issueId":"31007","changeHistories":[{{"id":"51001","author":{AUTHOR},"created":{created},
              "items":[{{"field":"status","fieldId":"status","fieldtype":"jira","from":"10020","fromString":"To Do","to":"10021","toString":"Doing"}}]}}]}}],
              "nextPageToken":"UxAQBB"}}"#
        );
        let page: wire::BulkChangelogs<'_> = read(&text);
        assert_eq!(page.next_page_token.as_deref(), Some("UxAQBB"));
        for log in page.issue_change_logs.expect("changelogs") {
            assert_eq!(log.issue_id, Some(31007));
            draft.add_histories(log.change_histories.expect("entries")).expect("entries");
        }
    }
    let snapshot = draft.finish(DateTime::UNIX_EPOCH);
    assert_eq!(snapshot.changelog.len(), 1, "the same entry thrice");
    let entry = &snapshot.changelog[0];
    assert_eq!(entry.created_at, time("2026-09-28T10:28:57.824Z"));
    assert_eq!(entry.changes[0].to_text.as_deref(), Some("Doing"));
    assert_eq!(entry.author, Some(AccountId("712020:7d1e".into())));
    let none: wire::BulkChangelogs<'_> = read(r#"{"issueChangeLogs":[]}"#);
    assert!(none.next_page_token.is_none() && none.issue_change_logs.is_some_and(|logs| logs.is_empty()));
}

fn draft() -> Draft {
    let snapshot = issue_with("", "").expect("an issue");
    Draft::read(snapshot.raw.as_str()).expect("an issue")
}

#[test]
fn changelog_items_lack_what_has_no_field() {
    let items = r#"{"field":"Link","fieldtype":"jira","from":null,"fromString":null,"to":"NORTH-9","toString":"This issue blocks NORTH-9"},
        {"field":"Sprint","fieldtype":"custom","fieldId":"customfield_10020","from":"38, 40","fromString":"Sprint 28, Sprint 29","to":"","toString":""},
        {"field":"assignee","fieldtype":"jira","fieldId":"assignee","from":null,"fromString":null,"to":"a2","toString":"Bo","tmpFromAccountId":null,"tmpToAccountId":"a2"},
        {"field":"Key","fieldtype":"jira","fromString":"OLD-1","toString":"NORTH-7"}"#;
    let changelog = format!(
        r#""changelog":{{"startAt":0,"maxResults":40,"total":1,"histories":[{{"id":"51002","created":"2021-01-25T11:09:27.985+0800","items":[{items}]}}]}},"#
    );
    let snapshot = issue_with("", &changelog).expect("an issue");
    let changes = &snapshot.changelog[0].changes;
    assert_eq!(
        (changes[0].field_id.as_deref(), changes[0].from.as_deref(), changes[0].to.as_deref()),
        (None, None, Some("NORTH-9"))
    );
    assert_eq!((changes[1].from.as_deref(), changes[1].to_text.as_deref()), (Some("38, 40"), Some("")));
    let more = changes[2].more.as_ref().map(RawJson::as_str);
    assert_eq!(more, Some(r#"{"tmpFromAccountId":null,"tmpToAccountId":"a2"}"#));
    assert_eq!((changes[3].from.as_deref(), changes[3].from_text.as_deref()), (None, Some("OLD-1")));
    assert_eq!(snapshot.changelog[0].created_at, time("2021-01-25T03:09:27.985Z"));
}

#[test]
fn a_page_of_comments() {
    let text = format!(
        r#"{{"startAt":0,"maxResults":100,"total":2,"comments":[
          {{"self":"https://north.atlassian.net/rest/api/3/issue/31007/comment/61000","id":"61000","author":{AUTHOR},
            "body":{{"type":"doc","version":1,"content":[{{"type":"paragraph","content":[{{"type":"text","text":"moin"}}]}}]}},
            "updateAuthor":{{"accountId":"a2"}},"created":"2026-01-17T12:34:00.000+0000","updated":"2026-01-18T23:45:00.000+0000",
            "visibility":{{"type":"role","value":"Administrators","identifier":"Administrators"}},"jsdPublic":true}},
          {{"id":61001,"parentId":61000,"body":"*old* words","created":"2026-01-17T12:35:00.000+0000","jsdPublic":"false"}}]}}"#
    );
    let page: wire::Comments<'_> = read(&text);
    assert_eq!(page.total, Some(2));
    let mut draft = draft();
    draft.add_comments(page.comments.expect("comments")).expect("comments");
    let comments = draft.finish(DateTime::UNIX_EPOCH).comments;
    let words: Vec<_> = comments.iter().map(|comment| adf::plain_text(&comment.body)).collect();
    assert_eq!(words, ["moin", "*old* words"]);
    assert_eq!((comments[0].jsd_public, comments[1].jsd_public), (Some(true), Some(false)));
    assert!(comments[0].visibility.is_some() && comments[1].author.is_none());
    assert_eq!(comments[1].reply_to.map(|id| id.0), Some(61000));
    assert_eq!(comments[1].updated_at, comments[1].created_at);
}

#[test]
fn a_page_of_projects() {
    #[derive(serde::Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        values: Vec<&'a serde_json::value::RawValue>,
    }
    let page: Page<'_> = read(
        r#"{"self":"https://north.atlassian.net/rest/api/3/project/search?startAt=0","nextPage":"https://north.atlassian.net/rest/api/3/project/search?startAt=2",
          "maxResults":2,"startAt":0,"total":3,"isLast":false,"values":[
          {"expand":"lead,projectKeys","self":"https://north.atlassian.net/rest/api/3/project/10010","id":"10010","key":"NORTH","name":"North","avatarUrls":{"48x48":"x"},
           "projectTypeKey":"software","simplified":false,"style":"classic","isPrivate":false,"properties":{},"lead":{"accountId":"a2"},
           "insight":{"totalIssueCount":120,"lastIssueUpdateTime":"2026-01-22T05:37:05.000+0000"}},
          {"id":"10011","key":"TEAM","style":"next-gen","simplified":true,"uuid":"5f0c","entityId":"5f0c","deleted":true,"retentionTillDate":"2026-05-01T00:00:00.000+0000"}]}"#,
    );
    let projects: Vec<_> =
        page.values.into_iter().map(|raw| convert::project(raw, Lifecycle::Live).expect("a project")).collect();
    assert_eq!(
        (projects[0].key.as_str(), projects[0].issue_count, projects[0].lifecycle),
        ("NORTH", Some(120), Lifecycle::Live)
    );
    assert_eq!(projects[0].lead, Some(AccountId("a2".into())));
    assert_eq!((projects[1].name.as_str(), projects[1].lifecycle), ("TEAM", Lifecycle::Deleted));
    assert!(convert::project(raw(r#"["10010","NORTH"]"#), Lifecycle::Live).is_err(), "a list is no project");
}

#[test]
fn people_with_and_without_their_secrets() {
    let people: Vec<wire::Person> = read(
        r#"[{"self":"https://north.atlassian.net/rest/api/3/user?accountId=712020:7d1e","accountId":"712020:7d1e","accountType":"atlassian","emailAddress":"ana@example.com",
            "avatarUrls":{"48x48":"https://x"},"displayName":"Ana","active":true,"timeZone":"Europe/Lisbon","locale":"pt_PT"},
          {"accountId":"qm:1:2","accountType":"customer","displayName":"Former user","active":false,"emailAddress":null,"timeZone":""},
          {"accountId":"557058:f1","accountType":"app","active":"true","emailAddress":""},{"name":"old","key":"old"}]"#,
    );
    let users: Vec<_> = people.into_iter().map(wire::Person::into_user).collect();
    let ana = users[0].as_ref().expect("a user");
    assert_eq!(
        (ana.display_name.as_deref(), ana.time_zone.as_deref(), ana.email.is_some()),
        (Some("Ana"), Some("Europe/Lisbon"), true)
    );
    let former = users[1].as_ref().expect("a user");
    assert_eq!((former.active, former.time_zone.as_deref(), former.email.is_none()), (Some(false), None, true));
    assert_eq!(users[2].as_ref().and_then(|user| user.active), Some(true));
    assert!(users[3].is_none(), "a person without an account is nobody");
}

#[test]
fn fields_of_both_sorts() {
    let fields: Vec<&RawValue> = read(
        r#"[{"id":"summary","key":"summary","name":"Summary","custom":false,"orderable":true,"navigable":true,"searchable":true,"clauseNames":["summary"],"schema":{"type":"string","system":"summary"}},
          {"id":"customfield_10077","key":"customfield_10077","name":"Sprint","untranslatedName":"Sprint","custom":true,"clauseNames":["cf[10077]","Sprint"],
           "schema":{"type":"array","items":"json","custom":"com.pyxis.greenhopper.jira:gh-sprint","customId":10077},"scope":{"type":"PROJECT","project":{"id":"10011"}}},
          {"id":"thumbnail"}]"#,
    );
    let fields: Vec<_> = fields.into_iter().map(|raw| convert::field(raw).expect("a field")).collect();
    assert_eq!((fields[0].custom, fields[0].custom_type.as_deref()), (false, None));
    assert_eq!(fields[1].custom_type.as_deref(), Some("com.pyxis.greenhopper.jira:gh-sprint"));
    assert_eq!(fields[2].name, "thumbnail");
}

#[test]
fn an_issue_with_everything_that_may_be_in_one() {
    let fields = r#""summary":"Größe","description":{"version":1,"type":"doc","content":[]},"priority":{"id":"3","name":"Medium"},
        "assignee":null,"reporter":{"accountId":"a1"},"creator":{"accountId":"a1"},"statuscategorychangedate":"2026-03-01T09:00:00.500+0000",
        "resolution":null,"resolutiondate":null,"duedate":"2026-04-01","labels":["a"],"components":[],"fixVersions":[],"versions":[],
        "parent":{"id":"31001","key":"NORTH-1","fields":{"summary":"Epic","status":{},"issuetype":{}}},"subtasks":[],
        "issuelinks":[{"id":"41001","type":{"id":"10000","name":"Blocks","inward":"is blocked by","outward":"blocks"},"inwardIssue":{"id":"31006","key":"NORTH-6","fields":{}}},
            {"id":"41002","type":{"id":"10000","name":"Blocks"}}],
        "security":null,"timetracking":{},"attachment":[],"comment":{"startAt":0,"maxResults":0,"total":0,"comments":[]},
        "worklog":{"startAt":0,"maxResults":20,"total":0,"worklogs":[]},"watches":{"watchCount":1,"isWatching":true},"votes":{"votes":0,"hasVoted":false},
        "workratio":-1,"lastViewed":null,"environment":null,"progress":{"progress":0,"total":0},
        "issuerestriction":{"issuerestrictions":{},"shouldDisplay":false},"customfield_10019":"0|i0077b:",
        "customfield_10028":{"hasEpicLinkFieldDependency":false,"showField":false,"nonEditableReason":{"reason":"x"}},
        "customfield_10031":{"self":"x","value":"Outer","id":"1","child":{"value":"Inner","id":"2"}},"#;
    let snapshot = issue_with(fields, "").expect("an issue");
    let issue = &snapshot.issue;
    assert_eq!((issue.id, issue.key.as_str(), issue.project.0), (IssueId(31007), "NORTH-7", 10010));
    assert_eq!((issue.status.category, issue.issue_type.subtask), (StatusCategory::from_id(4), false));
    assert_eq!((issue.created_at, issue.updated_at), (time("2026-03-01T09:00:00Z"), time("2026-03-29T01:30:00.250Z")));
    assert_eq!((issue.due_on, issue.resolved_at), (NaiveDate::from_ymd_opt(2026, 4, 1), None));
    assert_eq!(
        (issue.assignee.as_ref(), issue.resolution.as_ref(), issue.labels.as_slice()),
        (None, None, &["a".to_owned()][..])
    );
    assert_eq!(issue.parent.as_ref().map(|parent| (parent.id, parent.key.as_str())), Some((IssueId(31001), "NORTH-1")));
    assert_eq!(issue.description.as_ref().map(adf::plain_text).as_deref(), Some(""));
    assert_eq!(snapshot.links.len(), 1, "a link whose far end is hidden is none");
    assert_eq!((snapshot.links[0].direction, snapshot.links[0].other.id), (LinkDirection::Inward, IssueId(31006)));
    assert!(snapshot.comments.is_empty() && snapshot.raw.as_str().contains("nonEditableReason"));
}

#[test]
fn sprints_in_both_their_forms() {
    let field = r#""customfield_10077":[
        {"id":7,"name":"Sprint 7","state":"closed","boardId":8,"goal":"","startDate":"2020-06-12T00:38:51.882Z","completeDate":"2020-06-22T05:59:58.980Z"},
        {"id":"9","name":"Sprint 9","state":"future","originBoardId":8},
        "com.atlassian.greenhopper.service.sprint.Sprint@38c6bd04[id=3,rapidViewId=2,state=ACTIVE,name=Old, with commas,completeDate=<null>,sequence=1]"],"#;
    assert_eq!(issue_with(field, "").expect("an issue").issue.sprints, [SprintId(7), SprintId(9), SprintId(3)]);
    assert!(issue_with(r#""customfield_10077":null,"#, "").expect("an issue").issue.sprints.is_empty());
}

#[test]
fn numbers_and_texts_stand_for_each_other() {
    let text = r#"{"id":31007,"key":"NORTH-7","fields":{"summary":7,"labels":["a",7,null],"issuetype":{"id":10002,"name":5,"subtask":"true"},"project":{"id":10010},
        "status":{"id":10021,"name":"Doing","statusCategory":{"id":"4"}},"priority":"High","parent":[],"issuelinks":[null,{"id":41001,"type":{"id":10000,"name":"Blocks"},"outwardIssue":{"id":31006,"key":"NORTH-6"}}],
        "created":"1772355600000","updated":1772355600,"comment":"none","duedate":"soon"},"changelog":[]}"#;
    let draft = Draft::read(text).expect("an issue");
    assert!(draft.comments_cut && draft.changelog_cut, "what cannot be read is unknown, not empty");
    let snapshot = draft.finish(DateTime::UNIX_EPOCH);
    let issue = &snapshot.issue;
    assert_eq!((issue.summary.as_str(), issue.labels.join(",")), ("7", "a,7".to_owned()));
    assert_eq!((issue.issue_type.name.as_str(), issue.issue_type.subtask), ("5", true));
    assert_eq!((issue.created_at, issue.updated_at), (time("2026-03-01T09:00:00Z"), time("2026-03-01T09:00:00Z")));
    assert!(issue.priority.is_none() && issue.parent.is_none() && issue.due_on.is_none());
    assert_eq!(snapshot.links[0].direction, LinkDirection::Outward);
}

#[test]
fn refusals_in_every_shape() {
    for (text, said) in [
        (r#"{"errorMessages":["No."],"errors":{}}"#, "No."),
        (r#"{"errorMessages":[],"errors":{"summary":"Too long."}}"#, "summary: Too long."),
        (r#"{"errorMessages":["Not JSON."]}"#, "Not JSON."),
        (
            r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"No endpoint.","instance":"/rest"}"#,
            "No endpoint.",
        ),
        (
            r#"{"timestamp":"2026-10-08T07:13:36.234600367Z","status":404,"error":"Not Found","message":"No message available","path":"/ex/jira"}"#,
            "No message available",
        ),
        (r#"{"code":401,"message":"Unauthorized; scope does not match"}"#, "Unauthorized; scope does not match"),
        (r#"{"error":"invalid_request","error_description":"grant_type must be known"}"#, "grant_type must be known"),
    ] {
        assert_eq!(refusal::messages(text), [said], "{text}");
    }
    for text in ["", "Client must be authenticated", "<html>Page unavailable</html>", "[]", "null", r#"{"errors":7}"#] {
        assert!(refusal::messages(text).is_empty(), "{text}");
    }
}

#[test]
fn webhooks_name_their_issues() {
    let touched = |text: &str| match WebhookEvent::parse(text.as_bytes()).expect("an event") {
        WebhookEvent::IssuesTouched { issues } => issues.into_iter().map(|id| id.0).collect(),
        _ => Vec::new(),
    };
    let updated = r#"{"timestamp":1606480436302,"webhookEvent":"jira:issue_updated","issue_event_type_name":"issue_generic","user":{"accountId":"a1","active":"true"},
        "issue":{"id":"31007","self":"https://north.atlassian.net/rest/api/2/31007","key":"NORTH-7","fields":{"summary":"x","description":"wiki *text*"}},
        "changelog":{"id":10124,"items":[]},"matchedWebhookIds":[1000],"bulkOperationMetaData":{"sendMail":false}}"#;
    assert_eq!(touched(updated), [31007]);
    let comment = r#"{"timestamp":1550286678321,"webhookEvent":"comment_created","eventType":"primaryAction","comment":{"id":"61000","body":"hi [~accountid:a2]"},
        "issue":{"id":"31007","key":"NORTH-7","fields":{"summary":"s"}}}"#;
    assert_eq!(touched(comment), [31007]);
    let link = r#"{"timestamp":1596481635907,"webhookEvent":"issuelink_created","issueLink":{"id":23161,"sourceIssueId":31008,"destinationIssueId":31007,
        "issueLinkType":{"id":10002,"name":"Duplicate","isSubTaskLinkType":false},"systemLink":false}}"#;
    assert_eq!(touched(link), [31007, 31008]);
    let worklog = r#"{"timestamp":1,"webhookEvent":"worklog_updated","worklog":{"id":"5","issueId":"31007"}}"#;
    assert_eq!(touched(worklog), [31007]);
    let sprint = WebhookEvent::parse(
        br#"{"webhookEvent":"sprint_closed","sprint":{"id":7,"state":"closed","originBoardId":8}}"#,
    );
    assert_eq!(sprint.expect("an event"), WebhookEvent::SprintTouched { sprint: domain::SprintId(7) });
}
