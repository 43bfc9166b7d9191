//! What an issue can be on this site: statuses, priorities, types, kinds of link, custom fields.
//! The same on every site.

/// The sprint field (`gh-sprint`); its number is only common on real sites, never certain.
pub(crate) const SPRINT_FIELD: &str = "customfield_10020";
/// Story point estimate, a number.
pub(crate) const POINTS_FIELD: &str = "customfield_10016";
/// Lexorank, a string.
pub(crate) const RANK_FIELD: &str = "customfield_10019";
/// Severity, a single select.
pub(crate) const SEVERITY_FIELD: &str = "customfield_10041";
/// The options of the severity field; option ids count from 10020.
pub(crate) const SEVERITIES: [&str; 4] = ["Cosmetic", "Minor", "Major", "Critical"];

/// A workflow status; every project uses the same four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 10000, category `new`.
    ToDo,
    /// 10001, category `indeterminate`.
    InProgress,
    /// 10002, category `indeterminate`.
    InReview,
    /// 10003, category `done`; sets the resolution.
    Done,
}

impl Status {
    pub(crate) const ALL: [Self; 4] = [Self::ToDo, Self::InProgress, Self::InReview, Self::Done];

    pub(crate) fn id(self) -> &'static str {
        ["10000", "10001", "10002", "10003"][self as usize]
    }

    pub(crate) fn name(self) -> &'static str {
        ["To Do", "In Progress", "In Review", "Done"][self as usize]
    }

    /// Id, key, colour and name of the status category (facts: 2 new, 4 indeterminate, 3 done).
    pub(crate) fn category(self) -> (u8, &'static str, &'static str, &'static str) {
        match self {
            Self::ToDo => (2, "new", "blue-gray", "To Do"),
            Self::InProgress | Self::InReview => (4, "indeterminate", "yellow", "In Progress"),
            Self::Done => (3, "done", "green", "Done"),
        }
    }
}

/// How urgent an issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Id 1.
    Highest,
    /// Id 2.
    High,
    /// Id 3, what a new issue gets.
    Medium,
    /// Id 4.
    Low,
    /// Id 5.
    Lowest,
}

impl Priority {
    pub(crate) const ALL: [Self; 5] = [Self::Highest, Self::High, Self::Medium, Self::Low, Self::Lowest];

    pub(crate) fn id(self) -> &'static str {
        ["1", "2", "3", "4", "5"][self as usize]
    }

    pub(crate) fn name(self) -> &'static str {
        ["Highest", "High", "Medium", "Low", "Lowest"][self as usize]
    }
}

/// What sort of issue it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueType {
    /// Level 1, parent of standard issues.
    Epic,
    /// Level 0.
    Story,
    /// Level 0.
    Task,
    /// Level 0.
    Bug,
    /// Level -1; always has a parent.
    Subtask,
}

impl IssueType {
    pub(crate) const ALL: [Self; 5] = [Self::Epic, Self::Story, Self::Task, Self::Bug, Self::Subtask];

    pub(crate) fn id(self) -> &'static str {
        ["10000", "10001", "10002", "10004", "10003"][self as usize]
    }

    pub(crate) fn name(self) -> &'static str {
        ["Epic", "Story", "Task", "Bug", "Sub-task"][self as usize]
    }

    pub(crate) fn level(self) -> i8 {
        [1, 0, 0, 0, -1][self as usize]
    }
}

/// How two issues are linked; seen from the outward side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkType {
    Blocks,
    Duplicate,
    Relates,
}

impl LinkType {
    pub(crate) const ALL: [Self; 3] = [Self::Blocks, Self::Duplicate, Self::Relates];

    /// By name (in any case) or id.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let is = |kind: &Self| kind.words().0 == name || kind.words().1.eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is)
    }

    /// Id, name, inward and outward words.
    pub(crate) fn words(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Blocks => ("10000", "Blocks", "is blocked by", "blocks"),
            Self::Duplicate => ("10002", "Duplicate", "is duplicated by", "duplicates"),
            Self::Relates => ("10003", "Relates", "relates to", "relates to"),
        }
    }
}

/// A row of `GET /field`.
pub(crate) struct Field {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// `type`, and `items` where the type is `array`.
    pub(crate) of: (&'static str, Option<&'static str>),
    /// The `schema.custom` string of a custom field.
    pub(crate) custom: Option<&'static str>,
    /// Left out by `*navigable`.
    pub(crate) weight: Weight,
}

impl Field {
    /// The number of a custom field.
    pub(crate) fn number(&self) -> Option<u32> {
        self.id.strip_prefix("customfield_").and_then(|number| number.parse().ok())
    }
}

/// Whether `*navigable` includes a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Navigable,
    OnRequest,
}

/// Every field an issue has, in the order `GET /field` lists them.
pub(crate) const FIELDS: &[Field] = &[
    system("summary", "Summary", "string"),
    system("description", "Description", "string"),
    system("issuetype", "Issue Type", "issuetype"),
    system("project", "Project", "project"),
    system("status", "Status", "status"),
    system("priority", "Priority", "priority"),
    system("resolution", "Resolution", "resolution"),
    system("resolutiondate", "Resolved", "datetime"),
    system("statuscategorychangedate", "Status Category Changed", "datetime"),
    system("assignee", "Assignee", "user"),
    system("reporter", "Reporter", "user"),
    system("creator", "Creator", "user"),
    system("created", "Created", "datetime"),
    system("updated", "Updated", "datetime"),
    system("duedate", "Due date", "date"),
    list("labels", "Labels", "string", Weight::Navigable),
    list("components", "Components", "component", Weight::Navigable),
    list("fixVersions", "Fix versions", "version", Weight::Navigable),
    list("versions", "Affects versions", "version", Weight::Navigable),
    system("parent", "Parent", "issuelink"),
    list("subtasks", "Sub-tasks", "issuelinks", Weight::Navigable),
    list("issuelinks", "Linked Issues", "issuelinks", Weight::Navigable),
    system("security", "Security Level", "securitylevel"),
    system("environment", "Environment", "string"),
    system("votes", "Votes", "votes"),
    system("watches", "Watchers", "watches"),
    system("workratio", "Work Ratio", "number"),
    system("lastViewed", "Last Viewed", "datetime"),
    system("progress", "Progress", "progress"),
    system("aggregateprogress", "Σ Progress", "progress"),
    heavy("timetracking", "Time tracking", "timetracking"),
    list("attachment", "Attachment", "attachment", Weight::OnRequest),
    heavy("comment", "Comment", "comments-page"),
    list("worklog", "Log Work", "worklog", Weight::OnRequest),
    heavy("issuerestriction", "Restrict to", "issuerestriction"),
    custom(POINTS_FIELD, "Story point estimate", ("number", None), "com.pyxis.greenhopper.jira:jsw-story-points"),
    custom(RANK_FIELD, "Rank", ("any", None), "com.pyxis.greenhopper.jira:gh-lexo-rank"),
    custom(SPRINT_FIELD, "Sprint", ("array", Some("json")), "com.pyxis.greenhopper.jira:gh-sprint"),
    custom(SEVERITY_FIELD, "Severity", ("option", None), "com.atlassian.jira.plugin.system.customfieldtypes:select"),
];

const fn system(id: &'static str, name: &'static str, of: &'static str) -> Field {
    Field { id, name, of: (of, None), custom: None, weight: Weight::Navigable }
}

const fn heavy(id: &'static str, name: &'static str, of: &'static str) -> Field {
    Field { id, name, of: (of, None), custom: None, weight: Weight::OnRequest }
}

const fn list(id: &'static str, name: &'static str, items: &'static str, weight: Weight) -> Field {
    Field { id, name, of: ("array", Some(items)), custom: None, weight }
}

const fn custom(
    id: &'static str,
    name: &'static str,
    of: (&'static str, Option<&'static str>),
    schema: &'static str,
) -> Field {
    Field { id, name, of, custom: Some(schema), weight: Weight::Navigable }
}
