//! Asking the operator.

use std::io::{IsTerminal, Write};

use crate::error::{Failure, Result};

/// Whether there will be an answer: to be asked before anything is begun that a missing one would undo.
pub fn can_ask(yes: bool) -> Result<()> {
    if yes || std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::blocked("approval is needed, and there is no terminal to ask at")
        .state("nothing was done")
        .hint("run it again with --yes"))
}

/// Asks a question that only `yes` answers with yes. Without a terminal there is nobody to ask: `--yes` is needed.
pub async fn confirm(question: &str, yes: bool) -> Result<bool> {
    can_ask(yes)?;
    if yes {
        return Ok(true);
    }
    let question = format!("{question} Type yes to go on: ");
    // Reading a line blocks a thread; the heartbeat must go on meanwhile.
    let answer = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        std::io::stderr().write_all(question.as_bytes())?;
        std::io::stderr().flush()?;
        std::io::stdin().read_line(&mut line)?;
        Ok::<_, std::io::Error>(line)
    })
    .await
    .map_err(|e| Failure::failed(e.to_string()))??;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}
