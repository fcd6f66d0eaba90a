//! `pg_dump` and `pg_restore`: run to their end or killed, what they say kept.

use std::process::Stdio;

use tokio::process::Command;

use crate::error::{Context, Failure, Result};
use crate::postgres::Target;

/// Every timeout explicit, as for our own sessions; an empty role or database setting must not decide for us.
const SESSION_OPTIONS: &str = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";

/// A client program; with a target, one that reaches it through its environment: no secret in `ps`.
///
/// It is killed when the future that waits for it is dropped. Finds its messages in English, whatever the locale.
pub fn program(name: &str, target: Option<&Target>) -> Command {
    let mut command = Command::new(name);
    command.kill_on_drop(true).stdin(Stdio::null()).env("LC_MESSAGES", "C");
    // What of the operator's environment is meant for this server, the target knows; the rest is meant for others.
    for (variable, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(variable);
    }
    if let Some(target) = target {
        let options =
            target.options().map_or_else(|| SESSION_OPTIONS.to_owned(), |own| format!("{own} {SESSION_OPTIONS}"));
        command.envs(target.program_env()).env("PGOPTIONS", options).env("PGAPPNAME", "teal");
    }
    command
}

/// Runs a program to its end and gives what it wrote to stdout.
///
/// Fails with what it wrote to stderr as the detail, the target's password masked.
pub async fn output(mut command: Command, target: Option<&Target>) -> Result<Vec<u8>> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let done = command.output().await.map_err(|e| {
        Failure::failed(format!("{name}: {e}")).hint(format!("install the Postgres client programs: {name}"))
    })?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    let said = without_password(String::from_utf8_lossy(&done.stderr).trim(), target);
    let full = said.contains("out of shared memory");
    let failed = Failure::failed(format!("{name}: {}", done.status)).detail(said);
    Err(match target {
        // All of the schema is restored in one transaction, a lock an object.
        Some(Target { name, .. }) if full => failed.context(name).hint(format!(
            "raise max_locks_per_transaction and restart the server of {name}, then run the same command again"
        )),
        Some(target) => failed.context(&target.name),
        None => failed,
    })
}

/// Like [`output`], for text.
pub async fn text(command: Command, target: Option<&Target>) -> Result<String> {
    let bytes = output(command, target).await?;
    String::from_utf8(bytes).map_err(|e| Failure::failed(e.to_string())).context("a client program's output")
}

fn without_password(said: &str, target: Option<&Target>) -> String {
    let env = target.map(Target::program_env).unwrap_or_default();
    let secrets = env.iter().filter(|(name, value)| *name == "PGPASSWORD" && !value.is_empty());
    secrets.fold(said.to_owned(), |said, (_, secret)| said.replace(secret, "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failing_program_is_shown_without_the_password() {
        let target = Target::parse("blue", "postgres://app:s3cret@db/oauth").unwrap();
        let mut command = program("sh", Some(&target));
        command.args(["-c", "echo \"no luck with $PGPASSWORD\" >&2; exit 3"]);
        let failure = output(command, Some(&target)).await.unwrap_err();
        assert_eq!(failure.what, "blue: sh: exit status: 3");
        assert_eq!(failure.detail.unwrap(), "no luck with ***");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let failure = output(program("pg_dump_of_nowhere", None), None).await.unwrap_err();
        assert!(failure.what.starts_with("pg_dump_of_nowhere: "), "{failure}");
    }
}
