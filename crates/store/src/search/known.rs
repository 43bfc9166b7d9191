//! What the names in a question stand for, asked before the question is.

use std::collections::{BTreeSet, HashMap};

use domain::search::{Attribute, Condition, Handle, Test};
use sea_orm::sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use crate::{Error, TenantTx, orm::sql};

/// One of Jira's numbers, and the site whose it is.
pub(super) type Place = (Uuid, i64);

/// The meaning of every name in one question.
#[derive(Default)]
pub(super) struct Known {
    projects: HashMap<String, Vec<Place>>,
    issues: HashMap<String, Vec<Place>>,
    fields: HashMap<String, Vec<String>>,
    instances: Vec<Uuid>,
}

/// The names in one question.
#[derive(Default)]
struct Names {
    projects: BTreeSet<String>,
    issues: BTreeSet<String>,
    fields: BTreeSet<String>,
    has_project_ids: bool,
}

impl Known {
    /// Asks nothing where the question names nothing.
    pub(super) async fn of(tx: &mut TenantTx, condition: &Condition) -> Result<Self, Error> {
        let mut names = Names::default();
        names.collect(condition);
        let mut known = Self::default();
        if !names.projects.is_empty() {
            let rows = tx.named(PROJECTS, &names.projects).await?;
            known.projects = grouped(&rows, place)?;
        }
        if !names.issues.is_empty() {
            let rows = tx.named(ISSUES, &names.issues).await?;
            known.issues = grouped(&rows, place)?;
        }
        if !names.fields.is_empty() {
            let rows = tx.named(FIELDS, &names.fields).await?;
            known.fields = grouped(&rows, |row| Ok(row.try_get("id")?))?;
        }
        if names.has_project_ids {
            known.instances = tx.instance_ids().await?;
        }
        Ok(known)
    }

    /// The projects behind a key or a name; behind a number, that number on every site.
    pub(super) fn projects(&self, handle: &Handle) -> Vec<Place> {
        match handle {
            Handle::Id(id) => self.instances.iter().map(|instance| (*instance, *id)).collect(),
            Handle::Name(name) => self.projects.get(&folded(name)).cloned().unwrap_or_default(),
        }
    }

    /// The issues that have or had a key.
    pub(super) fn issues(&self, key: &str) -> &[Place] {
        self.issues.get(&folded(key)).map_or(&[], Vec::as_slice)
    }

    /// The ids of the fields that have a name, or this one, which is an id.
    pub(super) fn fields(&self, field: &str) -> Vec<String> {
        if is_field_id(field) {
            return vec![field.to_owned()];
        }
        self.fields.get(&folded(field)).cloned().unwrap_or_default()
    }
}

impl Names {
    fn collect(&mut self, condition: &Condition) {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| self.collect(part)),
            Condition::Test(test) => self.collect_test(test),
        }
    }

    fn collect_test(&mut self, test: &Test) {
        match test {
            Test::OneOf { attribute, values, .. } => {
                for value in values {
                    match (attribute, value) {
                        (Attribute::Project, Handle::Id(_)) => self.has_project_ids = true,
                        (Attribute::Project, Handle::Name(name)) => _ = self.projects.insert(folded(name)),
                        (Attribute::Issue | Attribute::Parent, Handle::Name(key)) => {
                            self.issues.insert(folded(key));
                        }
                        _ => {}
                    }
                }
            }
            Test::Field { field, .. } if !is_field_id(field) => _ = self.fields.insert(folded(field)),
            _ => {}
        }
    }
}

impl TenantTx {
    async fn named(&mut self, text: &'static str, names: &BTreeSet<String>) -> Result<Vec<PgRow>, Error> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Ok(sql(text).bind(self.tenant.0).bind(names).fetch_all(self.connection()).await?)
    }

    async fn instance_ids(&mut self) -> Result<Vec<Uuid>, Error> {
        let rows = sql("/* search.instances */ SELECT id FROM mirror.jira_instances WHERE tenant_id = $1 ORDER BY id")
            .bind(self.tenant.0)
            .fetch_all(self.connection())
            .await?;
        rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
    }
}

/// Names are compared without regard to case, both sides by PostgreSQL's rule; the question's spelling comes back.
const PROJECTS: &str = "/* search.projects */
SELECT n.name, p.instance_id, p.id FROM unnest($2::text[]) AS n (name)
JOIN mirror.projects p ON p.tenant_id = $1 AND lower(n.name) IN (lower(p.key), lower(p.name))
ORDER BY n.name, p.instance_id, p.id";

/// Keys are in capitals on every site.
const ISSUES: &str = "/* search.keys */
SELECT n.name, found.instance_id, found.id FROM unnest($2::text[]) AS n (name) CROSS JOIN LATERAL (
    SELECT instance_id, id FROM mirror.issues WHERE tenant_id = $1 AND key = upper(n.name)
    UNION
    SELECT instance_id, issue_id FROM mirror.issue_key_aliases WHERE tenant_id = $1 AND key = upper(n.name) OFFSET 0
) AS found
ORDER BY n.name, found.instance_id, found.id";

const FIELDS: &str = "/* search.fields */
SELECT DISTINCT n.name, f.id FROM unnest($2::text[]) AS n (name)
JOIN mirror.custom_fields f ON f.tenant_id = $1 AND f.custom AND lower(f.name) = lower(n.name)
ORDER BY n.name, f.id";

fn grouped<T>(rows: &[PgRow], read: impl Fn(&PgRow) -> Result<T, Error>) -> Result<HashMap<String, Vec<T>>, Error> {
    let mut grouped: HashMap<String, Vec<T>> = HashMap::new();
    for row in rows {
        grouped.entry(row.try_get("name")?).or_default().push(read(row)?);
    }
    Ok(grouped)
}

fn place(row: &PgRow) -> Result<Place, Error> {
    Ok((row.try_get("instance_id")?, row.try_get("id")?))
}

fn folded(name: &str) -> String {
    name.to_lowercase()
}

fn is_field_id(field: &str) -> bool {
    field.strip_prefix("customfield_").is_some_and(|number| number.parse::<u64>().is_ok())
}
