//! Who did what to what: the words of the audit log, cut to bounded lengths. Nothing secret belongs into them.

use std::{collections::BTreeMap, fmt};

use domain::InstanceId;
use uuid::Uuid;

/// Names one line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuditId(pub Uuid);

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What kind of somebody acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A person at the command line, by the name of the account.
    Operator,
    /// A program, by the id of its key.
    ApiKey,
    /// A person at an interface, by an opaque id.
    User,
    /// A process of ours, by its name.
    Process,
}

impl ActorKind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::ApiKey => "api_key",
            Self::User => "user",
            Self::Process => "process",
        }
    }
}

/// Who acts, and as part of which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What kind of somebody.
    pub kind: ActorKind,
    /// Who of them; never a mail address.
    pub id: String,
    /// The request that was made of us.
    pub request_id: Option<String>,
    /// The trace it belongs to.
    pub trace_id: Option<String>,
}

impl Actor {
    /// Somebody outside any request.
    pub fn new(kind: ActorKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), request_id: None, trace_id: None }
    }
}

/// Something that somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    pub(crate) actor_kind: String,
    pub(crate) actor_id: String,
    pub(crate) action: String,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) target: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) details: BTreeMap<String, String>,
}

/// As many details as a line takes; more are left out.
const DETAILS: usize = 16;

impl Deed {
    /// `action` is a dotted name such as `instance.pause`.
    pub fn new(actor: &Actor, action: &str) -> Self {
        let id = short(&actor.id, 255);
        Self {
            actor_kind: actor.kind.name().to_owned(),
            actor_id: if id.is_empty() { "unknown".to_owned() } else { id },
            action: short(action, 64),
            instance: None,
            target: None,
            request_id: actor.request_id.as_deref().map(|id| short(id, 64)),
            trace_id: actor.trace_id.as_deref().map(|id| short(id, 64)),
            details: BTreeMap::new(),
        }
    }

    /// On which site.
    pub fn on(self, instance: InstanceId) -> Self {
        Self { instance: Some(instance), ..self }
    }

    /// What it is done to: an issue's key, a name. At most 255 bytes are kept.
    pub fn about(self, target: &str) -> Self {
        Self { target: Some(short(target, 255)), ..self }
    }

    /// One more circumstance, never a secret or a body. At most 16 are kept, of 256 bytes each.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        if self.details.len() < DETAILS {
            self.details.insert(short(name, 64), short(&value.to_string(), 256));
        }
        self
    }
}

/// Something that was begun; what completes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The line that said so, which also names the operation.
    pub id: AuditId,
    pub(crate) deed: Deed,
}

impl Begun {
    /// One more circumstance, known at the end only.
    pub fn saying(self, name: &str, value: impl fmt::Display) -> Self {
        Self { deed: self.deed.with(name, value), ..self }
    }

    /// A circumstance that was known when it began.
    pub fn said(&self, name: &str) -> Option<&str> {
        self.deed.details.get(name).map(String::as_str)
    }
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was done.
    Done,
    /// It was not done: refused, or failed without a trace.
    NotDone,
    /// Nobody can tell.
    Unknown,
}

impl Ending {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotDone => "not_done",
            Self::Unknown => "unknown",
        }
    }
}

/// At most so many bytes of a text, whole characters, without what PostgreSQL cannot hold.
fn short(text: &str, bytes: usize) -> String {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace('\0', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_is_bounded() {
        let actor = Actor::new(ActorKind::Operator, "");
        let mut deed = Deed::new(&actor, "x\0y").about(&"ä".repeat(1000));
        for n in 0..100 {
            deed = deed.with(&format!("n{n}"), "v".repeat(1000));
        }
        assert_eq!((deed.actor_id.as_str(), deed.action.as_str()), ("unknown", "x y"));
        assert_eq!(deed.target.as_deref().map(str::len), Some(254));
        assert_eq!(deed.details.len(), DETAILS);
        assert!(deed.details.values().all(|value| value.len() == 256));
    }
}
