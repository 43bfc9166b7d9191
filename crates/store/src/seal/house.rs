//! The keys of the whole house: peppers. They are made once and stay, whichever master key seals them, because nothing
//! that was hashed with them can be hashed again. Beside them the seed of the keys that sign our own tokens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, RwLock},
};

use domain::TenantId;
use sea_orm::sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{Key, Keys, MasterKey, Place, Ring, Wrapped, fresh};
use crate::{Error, orm::sql};

/// What hashes mail addresses and tokens, and what seals the heads of audit chains and the places in listings.
pub(super) struct House {
    pub(super) email_pepper: Key,
    pub(super) token_pepper: Key,
    pub(super) audit_seal: Key,
    pub(super) cursor_seal: Key,
    pub(super) signing_seed: Key,
}

const EMAIL: &str = "e-mail-pepper";
const TOKEN: &str = "token-pepper";
const AUDIT: &str = "audit-seal";
const CURSOR: &str = "cursor-seal";
const SIGNING: &str = "signing-seed";

const ALL: [&str; 5] = [EMAIL, TOKEN, AUDIT, CURSOR, SIGNING];

pub(super) fn place(name: &str) -> Place<'_> {
    Place { column: "house_keys.key_sealed", tenant: TenantId(Uuid::nil()), row: name.as_bytes() }
}

impl Keys {
    /// Opens the house's keys, or makes them. Refuses a master key that does not open them.
    pub(crate) async fn load(connection: &mut PgConnection, master: &MasterKey) -> Result<Self, Error> {
        let mut ring = Ring::of(master);
        let mut held = read(connection).await?;
        // The file may have changed since it was read.
        if held.values().any(|wrapped| !ring.knows(&wrapped.kek))
            && let Some(master) = master.read_again().await
        {
            ring = Ring::of(&master);
        }
        if ALL.iter().any(|name| !held.contains_key(*name)) {
            make(connection, &ring).await?;
            held = read(connection).await?;
        }
        let mut open = |name: &str| ring.unwrap(&place(name), &held.remove(name).ok_or(Error::NotFound("house key"))?);
        let (email_pepper, token_pepper) = (open(EMAIL)?, open(TOKEN)?);
        let (audit_seal, cursor_seal, signing_seed) = (open(AUDIT)?, open(CURSOR)?, open(SIGNING)?);
        let house = House { email_pepper, token_pepper, audit_seal, cursor_seal, signing_seed };
        Ok(Self { master: master.clone(), ring: RwLock::new(Arc::new(ring)), house, data: Mutex::new(HashMap::new()) })
    }
}

async fn read(connection: &mut PgConnection) -> Result<HashMap<String, Wrapped>, Error> {
    let rows =
        sql("/* house_keys.read */ SELECT name, kek, key_sealed FROM mirror.house_keys").fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("name")?, Wrapped::read(row)?))).collect()
}

/// Several processes may start at once: the first one's stay. The pepper of mail addresses is the one that the first
/// releases derived, so that what they hashed can still be compared.
async fn make(connection: &mut PgConnection, ring: &Ring) -> Result<(), Error> {
    let email = ring.old_email_pepper().unwrap_or_else(fresh);
    let (mut names, mut keks, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for (name, key) in [(EMAIL, email), (TOKEN, fresh()), (AUDIT, fresh()), (CURSOR, fresh()), (SIGNING, fresh())] {
        let wrapped = ring.wrap(&place(name), &key)?;
        names.push(name);
        keks.push(wrapped.kek);
        texts.push(wrapped.text);
    }
    sql("/* house_keys.make */ INSERT INTO mirror.house_keys (name, kek, key_sealed)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) ON CONFLICT (name) DO NOTHING")
    .bind(names)
    .bind(keks)
    .bind(texts)
    .execute(connection)
    .await?;
    Ok(())
}
