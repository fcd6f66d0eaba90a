//! The first question: can both databases be reached?

use crate::error::{Failure, Result};
use crate::plan::Plan;
use crate::postgres::{Access, Db, Target};

/// Opens a read-only session on blue and one on green.
///
/// Fails with [`crate::error::Kind::Failed`]: once the network or the password is right, the same command goes on.
pub async fn connect_both(plan: &Plan) -> Result<(Db, Db)> {
    Ok((connect(&plan.blue).await?, connect(&plan.green).await?))
}

/// Opens a read-only session on one of them.
pub async fn connect(target: &Target) -> Result<Db> {
    let opened = target.connect(Access::ReadOnly).await;
    opened.map_err(|e| Failure::from(e).detail(format!("address: {}", target.address())))
}
