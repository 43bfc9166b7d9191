//! From clauses to a condition: negations move inward, relative times become instants.

use super::{Clause, Field, JqlError, Operator, Surroundings, Term, Value, ValueKind, moment::Moment};
use crate::{
    StatusCategory,
    search::{Attribute, Condition, FieldTest, Handle, Relation, Sense, Test, words_asked},
};

/// No clause asks for everything.
pub(super) fn condition(clause: Option<&Clause>, around: &Surroundings) -> Result<Condition, JqlError> {
    clause.map_or(Ok(Condition::All(Vec::new())), |clause| of_clause(clause, Sense::Is, around))
}

fn of_clause(clause: &Clause, sense: Sense, around: &Surroundings) -> Result<Condition, JqlError> {
    let each =
        |parts: &[Clause]| parts.iter().map(|part| of_clause(part, sense, around)).collect::<Result<Vec<_>, _>>();
    match (clause, sense) {
        (Clause::Not(inner), sense) => of_clause(inner, sense.reversed(), around),
        (Clause::And(parts), Sense::Is) | (Clause::Or(parts), Sense::IsNot) => Ok(Condition::All(each(parts)?)),
        (Clause::Or(parts), Sense::Is) | (Clause::And(parts), Sense::IsNot) => Ok(Condition::Any(each(parts)?)),
        (Clause::Term(term), sense) => of_term(term, sense, around),
    }
}

fn of_term(term: &Term, sense: Sense, around: &Surroundings) -> Result<Condition, JqlError> {
    let own = if term.operator.is_reversed() { Sense::IsNot } else { Sense::Is };
    let sense = if sense == Sense::Is { own } else { own.reversed() };
    if let Field::Words(place) = &term.field
        && let [Value { kind: ValueKind::Text(text), .. }] = &term.values[..]
    {
        return Ok(Condition::Test(Test::Words { place: *place, sense, words: words_asked(text) }));
    }
    if let Some(relation) = term.operator.relation() {
        let relation = if sense == Sense::Is { relation } else { relation.reversed() };
        return compared(&term.field, relation, &term.values[0], around);
    }
    let (none, some): (Vec<&Value>, Vec<&Value>) = term.values.iter().partition(|value| is_empty(&term.field, value));
    let mut tests = Vec::new();
    if !none.is_empty() {
        tests.push(Condition::Test(empty(&term.field, sense)));
    }
    if !some.is_empty() {
        tests.push(among(&term.field, sense, &some, around)?);
    }
    Ok(match (tests.len(), sense) {
        (1, _) => tests.remove(0),
        (_, Sense::Is) => Condition::Any(tests),
        (_, Sense::IsNot) => Condition::All(tests),
    })
}

/// What is not resolved has no resolution.
fn is_empty(field: &Field, value: &Value) -> bool {
    match &value.kind {
        ValueKind::Empty => true,
        ValueKind::Text(text) => {
            *field == Field::Listed(Attribute::Resolution) && text.eq_ignore_ascii_case("unresolved")
        }
        ValueKind::CurrentUser | ValueKind::Time(_) => false,
    }
}

fn empty(field: &Field, sense: Sense) -> Test {
    use crate::search::{Place, TimeAttribute};
    let attribute = match field {
        Field::Listed(attribute) => *attribute,
        Field::Due => Attribute::Due,
        Field::Time(TimeAttribute::Resolved) => Attribute::Resolved,
        Field::Words(Place::Description) => Attribute::Description,
        // These are never empty, like the issue itself.
        Field::Time(TimeAttribute::Created | TimeAttribute::Updated) | Field::Words(_) => Attribute::Issue,
        Field::Custom(field) => return Test::Field { field: field.clone(), sense, test: FieldTest::Empty },
    };
    Test::Empty { attribute, sense }
}

fn compared(field: &Field, relation: Relation, value: &Value, around: &Surroundings) -> Result<Condition, JqlError> {
    let ValueKind::Time(moment) = &value.kind else {
        return Err(JqlError::new(value.at, "a comparison takes a time"));
    };
    Ok(Condition::Test(at_moment(field, relation, value.at, moment, around)?))
}

fn at_moment(
    field: &Field,
    relation: Relation,
    at: usize,
    moment: &Moment,
    around: &Surroundings,
) -> Result<Test, JqlError> {
    let beyond = || JqlError::new(at, "this time is out of range");
    match field {
        Field::Time(attribute) => {
            let time = moment.instant(around).ok_or_else(beyond)?;
            Ok(Test::Time { attribute: *attribute, relation, at: time })
        }
        _ => Ok(Test::Due { relation, on: moment.day(around).ok_or_else(beyond)? }),
    }
}

fn among(field: &Field, sense: Sense, values: &[&Value], around: &Surroundings) -> Result<Condition, JqlError> {
    match field {
        Field::Listed(attribute) => {
            let handles = values.iter().map(|value| handles(*attribute, value, around));
            let values = handles.collect::<Result<Vec<_>, _>>()?.concat();
            Ok(Condition::Test(Test::OneOf { attribute: *attribute, sense, values }))
        }
        Field::Custom(field) => {
            let texts = values
                .iter()
                .filter_map(|value| if let ValueKind::Text(text) = &value.kind { Some(text) } else { None });
            let test = FieldTest::OneOf(texts.cloned().collect());
            Ok(Condition::Test(Test::Field { field: field.clone(), sense, test }))
        }
        Field::Time(_) | Field::Due | Field::Words(_) => {
            let relation = if sense == Sense::Is { Relation::Equal } else { Relation::NotEqual };
            let tests = values.iter().map(|value| compared(field, relation, value, around));
            let tests = tests.collect::<Result<Vec<_>, _>>()?;
            Ok(if sense == Sense::Is { Condition::Any(tests) } else { Condition::All(tests) })
        }
    }
}

/// Digits may be a number or a name; a category has many names and one of ours.
fn handles(attribute: Attribute, value: &Value, around: &Surroundings) -> Result<Vec<Handle>, JqlError> {
    let text = match &value.kind {
        ValueKind::Text(text) => text,
        ValueKind::CurrentUser => {
            let nobody = || JqlError::new(value.at, "nobody is known who asks, so currentUser() is nobody");
            let account = around.account.as_ref().ok_or_else(nobody)?;
            return Ok(vec![Handle::Name(account.0.clone())]);
        }
        ValueKind::Empty | ValueKind::Time(_) => return Err(JqlError::new(value.at, "expected a name or a number")),
    };
    let name = || Handle::Name(text.clone());
    let number = text.parse().ok().map(Handle::Id);
    Ok(match attribute {
        Attribute::Category => category(text).map(|one| Handle::Name(one.name().to_owned())).into_iter().collect(),
        Attribute::Assignee | Attribute::Reporter | Attribute::Creator | Attribute::Label => vec![name()],
        Attribute::Sprint => number.into_iter().collect(),
        _ => number.into_iter().chain([name()]).collect(),
    })
}

/// By Jira's name, key or number.
pub(super) fn category(text: &str) -> Option<StatusCategory> {
    match text.to_ascii_lowercase().as_str() {
        "to do" | "todo" | "new" | "2" => Some(StatusCategory::New),
        "in progress" | "indeterminate" | "4" => Some(StatusCategory::Indeterminate),
        "done" | "complete" | "3" => Some(StatusCategory::Done),
        "no category" | "undefined" | "1" => Some(StatusCategory::Undefined),
        _ => None,
    }
}

impl Operator {
    fn is_reversed(self) -> bool {
        matches!(self, Self::NotEquals | Self::HasNot | Self::NotIn | Self::IsNot)
    }

    /// Of those that compare what is earlier and later.
    fn relation(self) -> Option<Relation> {
        match self {
            Self::Less => Some(Relation::Less),
            Self::AtMost => Some(Relation::AtMost),
            Self::More => Some(Relation::More),
            Self::AtLeast => Some(Relation::AtLeast),
            _ => None,
        }
    }
}
