//! What the account may do: permissions, and what a new issue of a project may and must have.

use std::collections::BTreeMap;

use domain::{ProjectId, RawJson};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Client, Error, lenient,
    paging::Listing,
    reference::{SiteIssueType, issue_type, read},
    request::Request,
};

/// The most that Jira gives of these at once; more is a refusal.
const PAGE: usize = 200;

/// A field of a new issue.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateField {
    /// Such as `summary` or `customfield_10010`.
    pub id: String,
    /// As the service account's language shows it.
    pub name: String,
    /// Whether an issue without it is refused.
    pub required: bool,
    /// Whether Jira fills it in when it is not given.
    pub has_default: bool,
    /// As Jira said it: its schema, and the values that it takes.
    pub raw: RawJson,
}

impl Client {
    /// The types of issue that the account may create in a project; `None` where it may not see the project.
    pub async fn creatable_types(&self, project: ProjectId) -> Result<Option<Vec<SiteIssueType>>, Error> {
        let listing = Listing {
            route: "/issue/createmeta/{project}/issuetypes",
            path: &format!("/rest/api/3/issue/createmeta/{project}/issuetypes"),
            parameters: &[],
            size: PAGE,
            lists: &["issueTypes", "createMetaIssueType", "values"],
        };
        present(self.all(&listing, issue_type).await)
    }

    /// The fields that a new issue of this type may have; `None` where the account may not see the project or type.
    pub async fn creatable_fields(&self, project: ProjectId, kind: i64) -> Result<Option<Vec<CreateField>>, Error> {
        let listing = Listing {
            route: "/issue/createmeta/{project}/issuetypes/{type}",
            path: &format!("/rest/api/3/issue/createmeta/{project}/issuetypes/{kind}"),
            parameters: &[],
            size: PAGE,
            lists: &["fields", "results", "values"],
        };
        present(self.all(&listing, create_field).await)
    }

    /// Which of these permissions (such as `BROWSE_PROJECTS`) the account has: in a project, or anywhere. Jira refuses names
    /// that it does not know.
    pub async fn permissions(
        &self,
        names: &[&str],
        project: Option<ProjectId>,
    ) -> Result<BTreeMap<String, bool>, Error> {
        #[derive(Deserialize)]
        struct Permissions {
            permissions: BTreeMap<String, Permission>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Permission {
            #[serde(default, deserialize_with = "lenient::flag")]
            have_permission: Option<bool>,
        }
        let names = names.join(",");
        let mut request = Request::get(self.at("/rest/api/3/mypermissions"), "/mypermissions");
        request = request.with(&[("permissions", &names)]);
        if let Some(project) = project {
            request = request.with(&[("projectId", &project.to_string())]);
        }
        let answer = self.send(request).await?;
        let found: Permissions = answer.read("the permissions")?;
        let told = |(name, permission): (String, Permission)| (name, permission.have_permission.unwrap_or(false));
        Ok(found.permissions.into_iter().map(told).collect())
    }
}

/// What Jira knows nothing of, or does not show, is `None`.
pub(crate) fn present<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Err(error) if error.is_absence() => Ok(None),
        result => result.map(Some),
    }
}

fn create_field(raw: &RawValue) -> Result<CreateField, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        #[serde(default, deserialize_with = "lenient::text")]
        field_id: Option<String>,
        #[serde(default, deserialize_with = "lenient::text")]
        key: Option<String>,
        #[serde(default, deserialize_with = "lenient::text")]
        name: Option<String>,
        #[serde(default, deserialize_with = "lenient::flag")]
        required: Option<bool>,
        #[serde(default, deserialize_with = "lenient::flag")]
        has_default_value: Option<bool>,
    }
    let wire: Wire = read(raw, "a field of a new issue")?;
    let id = wire.field_id.or(wire.key).ok_or_else(|| Error::malformed("a field of a new issue without an id"))?;
    Ok(CreateField {
        name: wire.name.unwrap_or_else(|| id.clone()),
        id,
        required: wire.required.unwrap_or(false),
        has_default: wire.has_default_value.unwrap_or(false),
        raw: RawJson::from(raw.to_owned()),
    })
}
