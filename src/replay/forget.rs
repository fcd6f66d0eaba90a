//! Before a copy: what earlier copies of this run left in receipts is about a green that is gone.

use crate::error::{Context, Result};
use crate::postgres::Db;

/// Every captured event counts as not taken again, and no migration as run: a new copy has events of its own in it,
/// and which they are only its snapshot tells. With the receipts kept, an event that the old green had applied and blue
/// has reversed since would be asked for on the new one, and a migration would meet its own receipt.
///
/// Blue first: an event that is taken again while green's receipt is there is skipped, never applied twice. Safe to run
/// again after a crash between the two, as the copy is not done then.
pub async fn forget_receipts(blue: &Db, green: &Db) -> Result<()> {
    blue.execute("UPDATE teal.event SET taken_at = NULL WHERE taken_at IS NOT NULL", &[])
        .await
        .context("taking all events as new")?;
    green
        .run("TRUNCATE teal.applied, teal.migrated, teal.piece")
        .await
        .map_err(|e| e.doing("emptying the receipts"))?;
    Ok(())
}
