//! What somebody may have meant: the nearest of some names.

use strsim::damerau_levenshtein;

/// The nearest of these, if it is near: at most a third of it is typed otherwise.
pub(crate) fn to<'n>(text: &str, names: impl IntoIterator<Item = &'n String>) -> Option<&'n str> {
    let (distance, name) = names.into_iter().map(|name| (damerau_levenshtein(text, name), name)).min()?;
    (distance * 3 <= name.chars().count().max(3)).then_some(name)
}

/// The same as the end of a sentence: `: is "acme" meant?`, or nothing.
pub(crate) fn hint<'n>(text: &str, names: impl IntoIterator<Item = &'n String>) -> String {
    to(text, names).map(|name| format!(" (is {name:?} meant?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_named() {
        let names = ["acme", "globex", "sync_touched"].map(str::to_owned);
        for (typed, meant) in
            [("acmee", Some("acme")), ("amce", Some("acme")), ("sync_toched", Some("sync_touched")), ("initech", None)]
        {
            assert_eq!(to(typed, &names), meant, "{typed}");
        }
        assert_eq!(hint("globx", &names), " (is \"globex\" meant?)");
        assert_eq!(hint("", &names), "");
    }
}
