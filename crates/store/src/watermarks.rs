//! When the last complete poll of an instance began.

use domain::{InstanceId, Watermark};
use entity::sync_watermark::Entity;
use sea_orm::EntityTrait;

use crate::{Error, TenantStore, orm::sql};

const POLL: &str = "poll";

impl TenantStore {
    /// The poll's mark; `None` before the first complete poll.
    pub async fn poll_mark(&self, instance: InstanceId) -> Result<Option<Watermark>, Error> {
        let mut tx = self.read().await?;
        let row = Entity::find_by_id((self.id().0, instance.0, POLL.to_owned())).one(&tx.orm()).await?;
        tx.rollback().await?;
        Ok(row.and_then(|row| row.mark).map(Watermark))
    }

    /// Moves the poll's mark forward; one that is further already stays.
    pub async fn advance_poll_mark(&self, instance: InstanceId, mark: Watermark) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sql("/* poll.advance */ INSERT INTO mirror.sync_watermarks (tenant_id, instance_id, stream, mark)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant_id, instance_id, stream) DO UPDATE
                SET mark = greatest(sync_watermarks.mark, excluded.mark), updated_at = now()")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(POLL)
        .bind(mark.0)
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }
}
