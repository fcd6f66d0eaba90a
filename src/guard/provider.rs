//! Whose server it is: what an operator can set there, and how.

use crate::error::Result;
use crate::postgres::Db;

/// Who runs the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    /// Somebody who can be its superuser.
    OwnServer,
    /// Amazon RDS or Aurora.
    Rds,
    /// Google Cloud SQL or `AlloyDB`.
    CloudSql,
    /// Azure's flexible server.
    Azure,
}

/// By the role that each of them gives its customers instead of a superuser.
pub(super) async fn read_provider(db: &Db) -> Result<Provider> {
    let rows = db.rows(include_str!("../postgres/sql/select_provider.sql"), &[]).await?;
    Ok(match rows.first().map(|row| row.get::<_, String>("role")).as_deref() {
        Some("rds_superuser") => Provider::Rds,
        Some("cloudsqlsuperuser" | "alloydbsuperuser") => Provider::CloudSql,
        Some("azure_pg_admin") => Provider::Azure,
        _ => Provider::OwnServer,
    })
}

impl Provider {
    /// For people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::OwnServer => "self-managed",
            Self::Rds => "Amazon RDS",
            Self::CloudSql => "Google Cloud SQL",
            Self::Azure => "Azure",
        }
    }

    /// How a setting of the whole server is changed; nobody's ALTER SYSTEM works on a managed one.
    pub(super) fn set(self, name: &str, value: impl std::fmt::Display) -> String {
        match self {
            Self::OwnServer => format!("ALTER SYSTEM SET {name} = {value}; -- needs a restart"),
            Self::Rds => format!(
                "aws rds modify-db-parameter-group --db-parameter-group-name GROUP --parameters \
                 ParameterName={name},ParameterValue={value},ApplyMethod=pending-reboot"
            ),
            Self::CloudSql => format!("gcloud sql instances patch INSTANCE --database-flags={name}={value}"),
            Self::Azure => format!(
                "az postgres flexible-server parameter set --resource-group GROUP --server-name SERVER --name {name} \
                 --value {value}"
            ),
        }
    }

    /// Where free space can be read.
    pub(super) fn free_space(self, data_directory: Option<&str>) -> String {
        match self {
            Self::OwnServer => format!("on its machine: df -h {}", data_directory.unwrap_or("$(its data_directory)")),
            Self::Rds => "CloudWatch: FreeStorageSpace (Aurora: grows by itself)".to_owned(),
            Self::CloudSql => "Cloud Monitoring: database/disk/bytes_used and quota".to_owned(),
            Self::Azure => "Azure Monitor: storage_free".to_owned(),
        }
    }
}
