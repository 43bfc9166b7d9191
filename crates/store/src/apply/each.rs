//! A page in which something cannot be stored: it is found by halving and left out, and the others are stored.

use domain::{InstanceId, IssueId, IssueSnapshot};

use super::Applied;
use crate::{Error, TenantTx};

impl TenantTx {
    /// [`apply`](Self::apply) without the snapshots that cannot be stored, each of which is told with its reason. Only what
    /// is wrong with them is borne; any other error ends the transaction.
    pub async fn apply_storable(
        &mut self,
        instance: InstanceId,
        snapshots: &[IssueSnapshot],
    ) -> Result<(Applied, Vec<(IssueId, Error)>), Error> {
        let (mut applied, mut spoilt) = (Applied::default(), Vec::new());
        let mut open = vec![snapshots];
        while let Some(part) = open.pop() {
            self.say("/* apply.mark */ SAVEPOINT part").await?;
            match self.apply(instance, part).await {
                Ok(more) => {
                    applied = applied.and(more);
                    self.say("/* apply.keep */ RELEASE SAVEPOINT part").await?;
                }
                Err(error) if error.is_about_content() => {
                    self.say("/* apply.forget */ ROLLBACK TO SAVEPOINT part").await?;
                    match part {
                        [one] => spoilt.push((one.issue.id, error)),
                        _ => open.extend([part.split_at(part.len() / 2).1, part.split_at(part.len() / 2).0]),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok((applied, spoilt))
    }
}

impl Applied {
    fn and(self, other: Self) -> Self {
        Self {
            written: self.written + other.written,
            unchanged: self.unchanged + other.unchanged,
            refused: self.refused + other.refused,
        }
    }
}
