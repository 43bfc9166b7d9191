//! Comments by their ids, with the marks that were put on them.

use domain::{Comment, CommentId, RawJson};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Client, Error, convert, reference::read, request::Request};

/// As many comments as one question may ask for.
const BATCH: usize = 1000;

/// A comment, and what apps put on it that nobody sees.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkedComment {
    /// The comment.
    pub comment: Comment,
    /// Its properties, by their keys.
    pub properties: Vec<(String, RawJson)>,
}

#[derive(Serialize)]
struct Question<'a> {
    ids: &'a [CommentId],
}

#[derive(Deserialize)]
struct Found<'a> {
    #[serde(borrow)]
    values: Option<Vec<&'a RawValue>>,
}

impl Client {
    /// These comments, with their properties. Those that are gone, and those that the account may not see, are left out.
    pub async fn comments(&self, ids: &[CommentId]) -> Result<Vec<MarkedComment>, Error> {
        let mut comments = Vec::new();
        for ids in ids.chunks(BATCH) {
            let url = self.at("/rest/api/3/comment/list");
            let request = Request::reading_post(url, "/comment/list", &Question { ids })?;
            let answer = self.send(request.with(&[("expand", "properties")])).await?;
            let found: Found<'_> = answer.read("comments by their ids")?;
            let values = found.values.ok_or_else(|| answer.malformed("comments by their ids, without a list"))?;
            for value in values {
                let comment = answer.tell(marked(value))?;
                // The list is not told from one of other comments by anything else.
                if ids.contains(&comment.comment.id) {
                    comments.push(comment);
                }
            }
        }
        Ok(comments)
    }
}

fn marked(raw: &RawValue) -> Result<MarkedComment, Error> {
    #[derive(Deserialize)]
    struct Marked<'a> {
        #[serde(borrow)]
        properties: Option<Vec<Property<'a>>>,
    }
    #[derive(Deserialize)]
    struct Property<'a> {
        key: String,
        #[serde(borrow)]
        value: &'a RawValue,
    }
    let comment = convert::comment(&read(raw, "a comment")?, &mut convert::People::default())?;
    let marked: Marked<'_> = read(raw, "a comment's properties")?;
    let properties = marked.properties.unwrap_or_default().into_iter();
    Ok(MarkedComment {
        comment,
        properties: properties.map(|property| (property.key, RawJson::from(property.value.to_owned()))).collect(),
    })
}
