//! Objects in the order in which PostgreSQL's `jsonb` keeps their members.

use std::borrow::Cow;

use crate::walk::Quoted;

/// A member's name, and its value as it is written.
pub(crate) type Member<'t> = (Quoted<'t>, Cow<'t, str>);

/// An object of these members: shorter names first, then byte by byte. PostgreSQL sorts the members of every object that it
/// reads, and is done sooner when they are sorted.
///
/// With an escape in a name they stay as they came: of two with one name the later counts, so these must not change places,
/// and only what the escape means would tell them.
pub(crate) fn in_order(mut members: Vec<Member<'_>>) -> String {
    if members.iter().all(|(name, _)| !name.escaped) {
        // Stable, so that of two with one name the later stays behind the earlier.
        members.sort_by_key(|(name, _)| (name.written.len(), name.written));
    }
    let length: usize = members.iter().map(|(name, value)| name.written.len() + value.len() + 2).sum();
    let mut object = String::with_capacity(length + 2);
    object.push('{');
    for (n, (name, value)) in members.iter().enumerate() {
        if n > 0 {
            object.push(',');
        }
        object.push_str(name.written);
        object.push(':');
        object.push_str(value);
    }
    object.push('}');
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::Walk;

    fn ordered(text: &str) -> String {
        let mut members = Vec::new();
        Walk::over(text).object(|walk, name| members.push((name, walk.skip().into())));
        in_order(members)
    }

    #[test]
    fn short_names_come_first() {
        let text = r#" { "key" : "A-1" , "id" : [ 1 , 2 ] , "abc" : null , "" : { "b" : 1 } } "#;
        assert_eq!(ordered(text), r#"{"":{ "b" : 1 },"id":[ 1 , 2 ],"abc":null,"key":"A-1"}"#);
        assert_eq!(ordered("{}"), "{}");
    }

    #[test]
    fn of_two_members_with_one_name_the_later_stays_behind() {
        assert_eq!(ordered(r#"{"b":1,"a":2,"b":3}"#), r#"{"a":2,"b":1,"b":3}"#);
        let escaped = r#"{"b":1,"a":2,"\u0062":3}"#;
        assert_eq!(ordered(escaped), escaped);
    }
}
