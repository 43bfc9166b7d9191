//! What a request wants of each field: read and checked as a whole before anything is changed.

mod values;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::rest::answer::Refusal;
use crate::rest::comments;
use crate::world::catalogue::{FIELDS, IssueType};
use crate::world::issue::Issue;
use crate::world::people::Shape;
use crate::world::text::Text;
use crate::world::view::meta::EDITABLE;
use crate::world::workflow::Transition;
use crate::world::{State, World};

/// A change of one field, checked already.
pub(super) type Step = Box<dyn Fn(&mut Issue) + Send + Sync>;

/// How a field is to be changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Set,
    Add,
    Remove,
}

/// What the body of a request says about fields, by the version of the API it was sent to.
#[derive(Clone, Copy)]
pub(super) struct Wishes<'a> {
    pub(super) fields: &'a Map<String, Value>,
    pub(super) update: &'a Map<String, Value>,
    pub(super) shape: Shape,
}

/// Everything a request wants of an issue's fields.
pub(super) struct Steps {
    pub(super) steps: Vec<Step>,
    pub(super) comments: Vec<Text>,
}

/// The project a new issue goes to.
pub(super) struct Project {
    pub(super) place: usize,
}

impl Project {
    pub(super) fn of(world: &World, wanted: Option<&Value>) -> Result<Self, Refusal> {
        let site = world.read();
        let place = wanted.and_then(|wanted| {
            let by_id = wanted["id"].as_str().and_then(|id| site.readable_project(id));
            by_id.or_else(|| wanted["key"].as_str().and_then(|key| site.readable_project(key)))
        });
        place.map(|place| Self { place }).ok_or_else(|| Refusal::field("project", "Specify a valid project ID or key"))
    }
}

/// What values are checked against.
struct Context<'a> {
    site: &'a State,
    place: usize,
    kind: IssueType,
    /// Most characters of a text.
    most: usize,
    /// Texts are documents in version 3, strings in version 2.
    shape: Shape,
    /// `None` while the issue is being created.
    issue: Option<&'a Issue>,
}

type Errors = BTreeMap<String, String>;

impl Steps {
    pub(super) fn to_create(
        world: &World,
        project: &Project,
        kind: IssueType,
        wishes: Wishes<'_>,
    ) -> Result<Self, Refusal> {
        let site = world.read();
        let most = world.config().issue_limits.text;
        let Wishes { fields, update, shape } = wishes;
        let context = Context { site: &site, place: project.place, kind, most, shape, issue: None };
        let mut errors = Errors::new();
        if !fields.contains_key("summary") && !update.contains_key("summary") {
            errors.insert("summary".into(), "You must specify a summary of the issue.".into());
        }
        if kind == IssueType::Subtask && fields.get("parent").is_none_or(Value::is_null) {
            let words = "Issue type is a sub-task but parent issue key or id not specified.";
            return Err(Refusal::Fields(vec![words.into()], errors));
        }
        let mut fields = fields.clone();
        fields.remove("issuetype");
        context.read(Wishes { fields: &fields, ..wishes }, &EDITABLE, errors)
    }

    pub(super) fn to_edit(world: &World, issue: &Issue, wishes: Wishes<'_>) -> Result<Self, Refusal> {
        let site = world.read();
        Context::of(&site, world, issue, wishes.shape).read(wishes, &EDITABLE, Errors::new())
    }

    /// What the screen of a transition takes: the resolution, where it has one.
    pub(super) fn of_screen(
        world: &World,
        issue: &Issue,
        way: Transition,
        wishes: Wishes<'_>,
    ) -> Result<Self, Refusal> {
        let site = world.read();
        let screen: &[&str] = if way.has_screen { &["resolution"] } else { &[] };
        Context::of(&site, world, issue, wishes.shape).read(wishes, screen, Errors::new())
    }
}

impl<'a> Context<'a> {
    /// For an issue that is there already.
    fn of(site: &'a State, world: &World, issue: &'a Issue, shape: Shape) -> Self {
        let most = world.config().issue_limits.text;
        Self { site, place: issue.project, kind: issue.issue_type, most, shape, issue: Some(issue) }
    }

    fn read(&self, wishes: Wishes<'_>, screen: &[&str], mut errors: Errors) -> Result<Steps, Refusal> {
        let Wishes { fields, update, .. } = wishes;
        let mut done = Steps { steps: Vec::new(), comments: Vec::new() };
        for (name, value) in fields {
            let twice = update.contains_key(name);
            let step = if twice { Err(both(name)) } else { self.step(name, Verb::Set, value, screen) };
            match step {
                Ok(step) => done.steps.push(step),
                Err(words) => drop(errors.insert(name.clone(), words)),
            }
        }
        for (name, verb, value) in operations(update, &mut errors) {
            match self.operation(&name, verb, &value, screen) {
                Ok(Done::Step(step)) => done.steps.push(step),
                Ok(Done::Comment(text)) => done.comments.push(text),
                Err(words) => drop(errors.insert(name, words)),
            }
        }
        if errors.is_empty() { Ok(done) } else { Err(Refusal::Fields(Vec::new(), errors)) }
    }

    fn operation(&self, name: &str, verb: Verb, value: &Value, screen: &[&str]) -> Result<Done, String> {
        if name != "comment" {
            return self.step(name, verb, value, screen).map(Done::Step);
        }
        if verb != Verb::Add {
            return Err("Only adding is possible for the field 'comment'.".into());
        }
        let text = comments::text(&value["body"], self.shape, self.most);
        let told = |words| if words == comments::too_long(self.most) { words } else { no_text(self.shape) };
        text.map(Done::Comment).map_err(told)
    }

    fn step(&self, name: &str, verb: Verb, value: &Value, screen: &[&str]) -> Result<Step, String> {
        if !screen.contains(&name) {
            return Err(format!("Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."));
        }
        let is_list = FIELDS.iter().any(|field| field.id == name && field.of.0 == "array");
        if verb != Verb::Set && !is_list {
            return Err(format!("Operation not supported for the field '{name}': only 'set' is."));
        }
        self.value(name, verb, value)
    }
}

enum Done {
    Step(Step),
    Comment(Text),
}

fn both(name: &str) -> String {
    format!("Field '{name}' cannot appear in both 'fields' and 'update'.")
}

pub(super) fn no_text(shape: Shape) -> String {
    match shape {
        Shape::V3 => "Operation value must be an Atlassian Document (see the Atlassian Document Format)".into(),
        Shape::V2 | Shape::Webhook => "Operation value must be a string".into(),
    }
}

/// The operations of an `update` object, one by one, in order.
fn operations(update: &Map<String, Value>, errors: &mut Errors) -> Vec<(String, Verb, Value)> {
    let mut all = Vec::new();
    for (name, list) in update {
        let wrong = |errors: &mut Errors| {
            let words = format!("The operations of the field '{name}' must be a list of set, add and remove.");
            errors.insert(name.clone(), words);
        };
        let Some(list) = list.as_array() else {
            wrong(errors);
            continue;
        };
        for (verb, value) in list.iter().filter_map(Value::as_object).flatten() {
            match verb.as_str() {
                "set" => all.push((name.clone(), Verb::Set, value.clone())),
                "add" => all.push((name.clone(), Verb::Add, value.clone())),
                "remove" => all.push((name.clone(), Verb::Remove, value.clone())),
                _ => wrong(errors),
            }
        }
    }
    all
}
