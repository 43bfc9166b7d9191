//! What Jira says when it refuses.

use serde::Deserialize;

use crate::lenient;

/// Jira's sentences about a refusal, in any of the shapes that were recorded; none when the body is something else.
pub(crate) fn messages(text: &str) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Refusal<'a> {
        #[serde(default, deserialize_with = "lenient::part")]
        error_messages: Option<Vec<String>>,
        #[serde(borrow, default, deserialize_with = "lenient::part")]
        errors: Option<lenient::Members<'a>>,
        #[serde(default, deserialize_with = "lenient::text")]
        detail: Option<String>,
        #[serde(default, deserialize_with = "lenient::text")]
        message: Option<String>,
        #[serde(rename = "error_description", default, deserialize_with = "lenient::text")]
        error_description: Option<String>,
    }
    let Ok(refusal) = serde_json::from_str::<Refusal<'_>>(text) else { return Vec::new() };
    let errors = refusal.errors.map(|errors| errors.0).unwrap_or_default();
    let about = errors.iter().filter_map(|(field, said)| Some(format!("{field}: {}", lenient::spelled(said)?)));
    let rest = [refusal.detail, refusal.message, refusal.error_description].into_iter().flatten();
    let all = refusal.error_messages.unwrap_or_default().into_iter().chain(about).chain(rest);
    all.map(|said| said.chars().take(300).collect()).take(5).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_every_shape() {
        assert_eq!(messages(r#"{"errorMessages":["a"],"errors":{"project":"b"}}"#), ["a", "project: b"]);
        assert_eq!(messages(r#"{"title":"Not Found","status":404,"detail":"No endpoint."}"#), ["No endpoint."]);
        assert_eq!(messages(r#"{"code":401,"message":"Unauthorized"}"#), ["Unauthorized"]);
        assert!(messages("<html>Page unavailable</html>").is_empty());
        assert!(messages("").is_empty());
    }
}
