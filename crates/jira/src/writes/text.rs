//! How long a text may be. Jira refuses longer ones with a sentence that does not always name the field.

use domain::{Invalid, RawJson, plain_text};

use super::FieldValues;
use crate::Error;

/// The most characters that a text field or a comment takes.
const LONGEST: usize = 32_767;

/// Refuses the first field whose text is too long.
pub(super) fn check(fields: &FieldValues) -> Result<(), Error> {
    fields.iter().try_for_each(|(name, value)| fits(name, value))
}

/// Refuses a text or a document that is too long. Of a document its words count.
pub(super) fn fits(name: &str, value: &RawJson) -> Result<(), Error> {
    let is_text = value.as_str().starts_with('"') || value.as_str().starts_with('{');
    let length = if is_text { plain_text(value).chars().count() } else { 0 };
    if length <= LONGEST {
        return Ok(());
    }
    let why = format!("must have at most {LONGEST} characters, and has {length}");
    Err(Invalid::new(format!("the field {name}"), why).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(value: &serde_json::Value) -> RawJson {
        RawJson::of(value).expect("JSON")
    }

    #[test]
    fn only_texts_that_are_too_long_are_refused() {
        let (long, longest) = ("ä".repeat(LONGEST + 1), "ä".repeat(LONGEST));
        let document = |text: &str| json!({"type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]});
        for fits_well in [json!(longest), document(&longest), json!(7), json!([long])] {
            assert!(fits("x", &value(&fits_well)).is_ok());
        }
        for too_long in [json!(long), document(&long)] {
            let fields = [("summary".to_owned(), value(&json!("s"))), ("environment".to_owned(), value(&too_long))];
            let error = check(&fields).expect_err("too long").to_string();
            assert!(error.contains("environment") && error.contains("32768") && error.len() < 200, "{error}");
        }
    }
}
