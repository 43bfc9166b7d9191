//! Moving issues on: only where Jira says that they can go from where they stand.

use domain::{Invalid, Issue, IssueRef, Status, TransitionIssue, announced, search::Handle};
use jira::{Asked, Landed as Placed, Mark, NewComment, NewTransition, Transition};
use store::Deed;

use super::{Answer, Intent, Target, carried_out, checked, fields::Fields, plan, reference, refreshed};
use crate::usecases::{
    Caller, Context, Error,
    write_back::{Landed, Site},
};

/// Moves an issue to another status.
pub(crate) async fn transition(
    context: &Context,
    caller: &Caller,
    target: &Target<'_>,
    command: &TransitionIssue,
    intent: Intent,
) -> Result<Answer, Error> {
    checked(command.validate(), command.suits_jira())?;
    if let Some(told) = intent.told_before(context, caller).await? {
        return Ok(told);
    }
    let (site, found) = target.found(context, caller).await?;
    let found = refreshed(&site, found).await?;
    let ways = site.jira.transitions(found.issue.id).await?.ok_or(Error::NotFound("issue"))?;
    let way = chosen(&found.issue, ways, command)?;
    let fields = Fields::of_transition(command)?;
    must_fit(&way, &fields)?;
    let once = match intent {
        Intent::Checked => return Ok(plan("issue.transition", fields.end())),
        Intent::Done(once) => once,
    };
    let to = way.to.as_ref().map_or(way.name.as_str(), |status| status.name.as_str());
    let deed = Deed::new(&caller.actor, "issue.transition").about(found.issue.key.as_str());
    let deed = deed.with("from", &found.issue.status.name).with("to", to).with(announced::ISSUE, found.issue.id);
    let (issue, fields) = (reference(&found), fields.end());
    let comment = command.comment.as_ref().map(|text| text.document().to_json());
    let deed = if comment.is_some() { deed.with(announced::WITH_COMMENT, true) } else { deed };
    carried_out(site, once, async move |site: Site| {
        let ask = async |mark: Mark| {
            let comment = comment.map(|body| NewComment { body, visibility: None, mark: mark.clone() });
            let new = NewTransition { id: way.id.clone(), fields, comment, mark: Some(mark) };
            moved(&site, issue, &new, way.to.as_ref()).await
        };
        site.write(deed, ask).await
    })
    .await
}

/// The way that is wanted, or why there is none.
fn chosen(issue: &Issue, ways: Vec<Transition>, command: &TransitionIssue) -> Result<Transition, Error> {
    let here = &issue.status;
    let leads = |status: &Status, to: &Handle| match to {
        Handle::Id(id) => status.id == *id,
        Handle::Name(name) => status.name.to_lowercase() == name.to_lowercase(),
    };
    if command.to.as_ref().is_some_and(|to| leads(here, to)) {
        return Err(Error::Conflict(format!("{} is in {:?} already", issue.key, here.name)));
    }
    let fits = |way: &Transition| match (&command.transition, &command.to) {
        (Some(id), _) => way.id == *id,
        (None, Some(to)) => way.to.as_ref().is_some_and(|status| leads(status, to)),
        (None, None) => false,
    };
    let names: Vec<String> = ways.iter().filter_map(|way| Some(format!("{:?}", way.to.as_ref()?.name))).collect();
    ways.into_iter().find(fits).ok_or_else(|| {
        let names = if names.is_empty() { "nowhere".to_owned() } else { names.join(", ") };
        Error::Conflict(format!("from {:?} Jira lets {} go to {names}", here.name, issue.key))
    })
}

/// Names every field that the transition's screen lacks, and every one that it asks for.
fn must_fit(way: &Transition, given: &Fields) -> Result<(), Error> {
    let place = |name: &str| if name == "resolution" { name.to_owned() } else { format!("fields.{name}") };
    let missed = way.fields.iter().filter(|(name, required)| *required && !given.has(name) && name != "comment");
    let mut faults: Vec<Invalid> =
        missed.map(|(name, _)| Invalid::new(place(name), "is required by the transition")).collect();
    let on_screen = |name: &str| way.fields.iter().any(|(known, _)| known == name);
    if given.has("resolution") && !on_screen("resolution") {
        faults.push(Invalid::new("resolution", "must be left out, since the transition's screen has none"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Unfit(faults)) }
}

/// An issue that moved while its comment was refused has moved all the same.
async fn moved(site: &Site, issue: IssueRef, new: &NewTransition, to: Option<&Status>) -> Result<Landed, jira::Error> {
    let refused = match site.jira.transition(issue.id, new).await {
        Ok(Placed::NoComment) => return Ok(Landed::from(issue)),
        Ok(Placed::Along(id) | Placed::Apart(id)) => return Ok(Landed { comment: Some(id), ..Landed::from(issue) }),
        Err(error) if new.comment.is_none() => return Err(error),
        Err(error) => error,
    };
    if matches!(refused, jira::Error::Unknown { .. }) {
        return Err(refused);
    }
    let now = site.jira.issue(issue.id).await.map_err(|error| unknown(site, &error))?;
    let arrived = now.is_some_and(|now| to.is_some_and(|to| to.id == now.issue.status.id));
    if arrived {
        Ok(Landed { left_out: Some(format!("the comment: {refused}")), ..Landed::from(issue) })
    } else {
        Err(refused)
    }
}

fn unknown(site: &Site, error: &jira::Error) -> jira::Error {
    let asked = Asked { site: site.instance.site.to_string(), route: "/issue/{id}/transitions", trace: None };
    let settle = "to find out, read the issue's status and comments";
    jira::Error::Unknown { asked: Box::new(asked), reason: error.to_string(), settle }
}
