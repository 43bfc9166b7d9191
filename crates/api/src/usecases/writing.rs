//! Making, changing, moving and commenting issues: each command is checked here, and goes the one way of `write_back`.

mod create;
mod fields;
mod transition;

use std::collections::BTreeMap;

use domain::{AddComment, Invalid, RawJson, Scope, UpdateIssue, Written, announced, search::Listed};
use jira::NewComment;
use serde::Serialize;
use store::Deed;
use utoipa::ToSchema;

pub(crate) use create::create;
pub(crate) use transition::transition;

use super::{
    Caller, Context, Error,
    issues::{Name, find},
    once::{Once, Told},
    version::Belief,
    write_back::{Landed, Site, site, to_the_end},
};
use fields::Fields;

/// What would be asked of Jira.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Plan {
    /// Always true: nothing was done.
    pub(crate) dry_run: bool,
    /// What would be done.
    pub(crate) action: &'static str,
    /// Fields with their new values, in Jira's own form.
    pub(crate) fields: BTreeMap<String, RawJson>,
}

/// Whether a write is meant.
#[derive(Clone, Debug)]
pub(crate) enum Intent {
    /// It is to be done.
    Done(Option<Once>),
    /// It is to be checked only.
    Checked,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) enum Answer {
    Told(Box<Told>),
    Plan(Plan),
}

impl Intent {
    /// What is told without looking at anything else: what came of the same command before.
    async fn told_before(&self, context: &Context, caller: &Caller) -> Result<Option<Answer>, Error> {
        caller.require(Scope::WriteIssues)?;
        let Self::Done(Some(once)) = self else { return Ok(None) };
        Ok(once.before(&context.mirror(caller)).await?.map(|told| Answer::Told(Box::new(told))))
    }
}

/// One issue of a site, to be written to.
pub(crate) struct Target<'r> {
    pub(crate) site: Option<&'r str>,
    pub(crate) issue: &'r Name,
}

impl Target<'_> {
    async fn found(&self, context: &Context, caller: &Caller) -> Result<(Site, Listed), Error> {
        let site = site(context, caller, self.site).await?;
        let found = find(&site.mirror, &site.instance, self.issue).await?;
        Ok((site, found))
    }
}

/// Refuses a command that is none, or else one that Jira would not take; all that is wrong with it is named at once.
fn checked(form: Result<(), Vec<Invalid>>, content: Result<(), Vec<Invalid>>) -> Result<(), Error> {
    match (form, content) {
        (Ok(()), content) => content.map_err(Error::Unfit),
        (Err(mut faults), content) => {
            faults.extend(content.err().into_iter().flatten());
            Err(Error::Invalid(faults))
        }
    }
}

/// Changes fields of an issue, if it is what the caller believes it to be: Jira is asked for it first.
pub(crate) async fn update(
    context: &Context,
    caller: &Caller,
    target: &Target<'_>,
    command: &UpdateIssue,
    belief: &Belief,
    intent: Intent,
) -> Result<Answer, Error> {
    checked(command.validate(), command.suits_jira())?;
    let (site, found) = target.found(context, caller).await?;
    let found = refreshed(&site, found).await?;
    belief.check(&found)?;
    let fields = Fields::of_update(command)?.end();
    let names = fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",");
    let deed = Deed::new(&caller.actor, "issue.update").about(found.issue.key.as_str()).with(announced::FIELDS, names);
    let once = match intent {
        Intent::Checked => return Ok(plan("issue.update", fields)),
        Intent::Done(once) => once,
    };
    let reference = reference(&found);
    let deed = deed.with(announced::ISSUE, reference.id);
    carried_out(site, once, async move |site: Site| {
        let ask = async |mark| {
            site.jira.edit(reference.id, &fields, Some(&mark)).await.map(|()| Landed::from(reference.clone()))
        };
        site.write(deed, ask).await
    })
    .await
}

/// Comments an issue.
pub(crate) async fn comment(
    context: &Context,
    caller: &Caller,
    target: &Target<'_>,
    command: &AddComment,
    intent: Intent,
) -> Result<Answer, Error> {
    checked(command.validate(), command.suits_jira())?;
    if let Some(told) = intent.told_before(context, caller).await? {
        return Ok(told);
    }
    let (site, found) = target.found(context, caller).await?;
    let body = command.body.document().to_json();
    let once = match intent {
        Intent::Checked => return Ok(plan("issue.comment", vec![("comment".to_owned(), body)])),
        Intent::Done(once) => once,
    };
    let reference = reference(&found);
    let deed = Deed::new(&caller.actor, "issue.comment").about(found.issue.key.as_str());
    let deed = deed.with(announced::ISSUE, reference.id);
    carried_out(site, once, async move |site: Site| {
        let ask = async |mark| {
            let new = NewComment { body, visibility: None, mark };
            let made = site.jira.comment(reference.id, &new).await?;
            Ok(Landed { comment: Some(made.id), ..Landed::from(reference.clone()) })
        };
        site.write(deed, ask).await
    })
    .await
}

/// Carries a write out to its end, once if the caller has a key for it.
async fn carried_out<F>(
    site: Site,
    once: Option<Once>,
    work: impl FnOnce(Site) -> F + Send + 'static,
) -> Result<Answer, Error>
where
    F: Future<Output = Result<Written, Error>> + Send + 'static,
{
    let told = to_the_end(async move {
        let mirror = site.mirror.clone();
        match once {
            Some(once) => once.run(&mirror, |claim| work(site.under(claim))).await,
            None => work(site).await.map(|written| Told { written, again: false }),
        }
    });
    told.await.map(|told| Answer::Told(Box::new(told)))
}

/// The issue as Jira has it now, once the mirror shows that.
async fn refreshed(site: &Site, found: Listed) -> Result<Listed, Error> {
    let id = found.issue.id;
    let snapshot = site.jira.issue(id).await?.ok_or(Error::NotFound("issue"))?;
    let mut tx = site.mirror.begin().await?;
    tx.apply(site.instance.id, &[snapshot]).await?;
    tx.commit().await?;
    find(&site.mirror, &site.instance, &Name::Id(id)).await
}

fn reference(found: &Listed) -> domain::IssueRef {
    domain::IssueRef { id: found.issue.id, key: found.issue.key.clone() }
}

fn plan(action: &'static str, fields: Vec<(String, RawJson)>) -> Answer {
    Answer::Plan(Plan { dry_run: true, action, fields: fields.into_iter().collect() })
}
