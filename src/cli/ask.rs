//! Asking the operator.

use std::io::{IsTerminal, Write};

use crate::error::{Failure, Result};

/// Asks a question that only `yes` answers with yes. Without a terminal there is nobody to ask: `--yes` is needed.
pub async fn confirm(question: &str, yes: bool) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::blocked("approval is needed, and there is no terminal to ask at")
            .state("nothing was done")
            .hint("run it again with --yes"));
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
