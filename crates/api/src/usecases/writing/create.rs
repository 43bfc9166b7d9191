//! Making issues.

use domain::{CreateIssue, Invalid, ProjectId, RawJson, announced, search::Handle};
use jira::{NewIssue, Visible};
use serde_json::json;
use store::Deed;

use super::{Answer, Intent, carried_out, checked, fields::Fields, plan};
use crate::usecases::{
    Caller, Context, Error,
    write_back::{Landed, Site, site},
};

/// Fields of a new issue that Jira is told apart from the others.
const APART: [&str; 5] = ["project", "issuetype", "summary", "labels", "reporter"];

/// Makes an issue.
pub(crate) async fn create(
    context: &Context,
    caller: &Caller,
    command: &CreateIssue,
    intent: Intent,
) -> Result<Answer, Error> {
    checked(command.validate(), command.suits_jira())?;
    if let Some(told) = intent.told_before(context, caller).await? {
        return Ok(told);
    }
    let site = site(context, caller, command.instance.as_deref()).await?;
    let project = site.mirror.project_by_key(site.instance.id, &command.project.parse()?).await?;
    let project = project.ok_or_else(|| Error::unfit("project", "must be one that the mirror knows"))?.id;
    let kind = kind(&site, project, &command.issue_type).await?;
    let fields = Fields::of_create(command)?;
    let once = match intent {
        Intent::Checked => {
            must_be_complete(&site, project, kind, &fields).await?;
            return planned(command, fields);
        }
        Intent::Done(once) => once,
    };
    let deed = Deed::new(&caller.actor, "issue.create").about(&command.project).with(announced::PROJECT, project);
    let (summary, labels, fields) = (command.summary.clone(), command.labels.clone(), fields.end());
    carried_out(site, once, async move |site: Site| {
        let ask = async |mark| {
            let visible = Visible::Label;
            let new = NewIssue { project, kind, summary, labels, fields, mark, visible };
            site.jira.create(&new).await.map(Landed::from)
        };
        site.write(deed, ask).await
    })
    .await
}

/// Jira's number of a type that may be made in the project.
async fn kind(site: &Site, project: ProjectId, wanted: &Handle) -> Result<i64, Error> {
    let types = site.jira.creatable_types(project).await?;
    let types = types.ok_or_else(|| Error::unfit("project", "must be one in which the mirror's account may work"))?;
    let found = types.iter().find(|one| match wanted {
        Handle::Id(id) => one.id == *id,
        Handle::Name(name) => one.name.to_lowercase() == name.to_lowercase(),
    });
    found.map(|one| one.id).ok_or_else(|| {
        let names = types.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
        Error::unfit("issue_type", format!("must be one of the project's: {names}"))
    })
}

/// Names every field that Jira would miss.
async fn must_be_complete(site: &Site, project: ProjectId, kind: i64, given: &Fields) -> Result<(), Error> {
    let known = site.jira.creatable_fields(project, kind).await?.unwrap_or_default();
    let missed = known.iter().filter(|field| field.required && !field.has_default);
    let missed = missed.filter(|field| !given.has(&field.id) && !APART.contains(&field.id.as_str()));
    let faults: Vec<Invalid> = missed
        .map(|field| Invalid::new(format!("fields.{}", field.id), format!("is required ({})", field.name)))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::Unfit(faults)) }
}

fn planned(command: &CreateIssue, fields: Fields) -> Result<Answer, Error> {
    let mut fields = fields.end();
    for (name, value) in [("summary", json!(command.summary)), ("labels", json!(command.labels))] {
        let value = RawJson::of(&value).map_err(|error| Error::Broken(error.to_string()))?;
        fields.push((name.to_owned(), value));
    }
    Ok(plan("issue.create", fields))
}
