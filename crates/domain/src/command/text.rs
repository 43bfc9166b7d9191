//! A text with a form: written in Markdown, or as the document that Jira keeps.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Invalid, RawJson, adf::Document};

/// A text with a form, in exactly one of two ways.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RichText {
    /// In GitHub's flavour of Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub markdown: Option<String>,
    /// An ADF document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adf: Option<RawJson>,
}

impl RichText {
    /// One that is written in Markdown.
    pub fn markdown(text: &str) -> Self {
        Self { markdown: Some(text.to_owned()), adf: None }
    }

    /// The document; an empty one of a text that is not valid.
    pub fn document(&self) -> Document {
        match (&self.markdown, &self.adf) {
            (_, Some(json)) => Document::parse(json),
            (markdown, None) => Document::from_markdown(markdown.as_deref().unwrap_or_default()),
        }
    }

    /// Characters of Markdown: some of them are signs, which Jira does not count.
    pub const LONGEST: usize = 2 * Document::LONGEST;

    /// Refuses what is not written in exactly one way, or far longer than Jira takes. What it takes is the document's to
    /// know.
    pub fn check(&self, field: &str) -> Result<(), Invalid> {
        if self.markdown.is_some() == self.adf.is_some() {
            return Err(Invalid::new(field, "must have either `markdown` or `adf`"));
        }
        if self.markdown.as_ref().is_some_and(|text| text.chars().count() > Self::LONGEST) {
            return Err(Invalid::new(field, format!("must have at most {} characters", Self::LONGEST)));
        }
        Ok(())
    }
}
