//! The first question: can both databases be reached?

use tokio_postgres::error::SqlState;

use crate::error::{Failure, Result};
use crate::plan::Plan;
use crate::postgres::{Access, Db, Error, Ident, Target};

/// Opens a read-only session on blue and one on green.
///
/// Fails with [`crate::error::Kind::Failed`]: once the network or the password is right, the same command goes on.
pub async fn connect_both(plan: &Plan) -> Result<(Db, Db)> {
    Ok((connect(&plan.blue).await?, connect(&plan.green).await?))
}

pub(super) async fn connect(target: &Target) -> Result<Db> {
    target.connect(Access::ReadOnly).await.map_err(|e| {
        let hint = hint(target, &e);
        Failure::from(e).detail(format!("address: {}", target.address())).hint(hint)
    })
}

fn hint(target: &Target, e: &Error) -> String {
    let (name, user, database) = (&target.name, Ident::new(target.user()), Ident::new(target.dbname()));
    match e.code() {
        Some(code) if *code == SqlState::INVALID_PASSWORD => {
            format!("check the password for role {user} in the URL of `{name}` (section [databases] of the plan)")
        }
        Some(code) if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            format!("check the role in the URL of `{name}`, that it may log in, and the server's pg_hba.conf")
        }
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => format!("make it: CREATE DATABASE {database}"),
        Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => {
            "close sessions, or raise max_connections of that server".to_owned()
        }
        Some(code) if *code == SqlState::CANNOT_CONNECT_NOW => {
            "the server is starting or stopping; run the same command again".to_owned()
        }
        _ => format!("see whether a server answers there: pg_isready -h {} -p {}", target.host(), target.port()),
    }
}
