//! A standby takes over from blue in the middle: what the journal calls done may be gone with the old server.

use super::support::standby::Standby;
use super::*;

#[tokio::test]
async fn a_standby_that_lacks_a_file_is_refused_and_one_that_lacks_a_statement_gets_it_again() {
    let stage = stage(PARTICIPANTS).await;
    // Half of the first file is on the standby: statement, receipt and run row.
    assert_eq!(stage.crash(&["apply", "--yes"], "live.after_commit").code, None);
    let standby = Standby::of(&stage.pair.server);
    assert_eq!(stage.crash(&["apply", "--yes"], "live.after_commit").code, None);
    standby.take_over(&stage.pair.server).await;
    // The journal calls no file done: what the receipts of this server lack is run again.
    stage.run(&["apply", "--yes"]).expect(0);
    is_migrated(&stage.pair.on_blue().await).await;

    begin_again(&stage, &stage.pair.on_blue().await).await;
    assert_eq!(stage.crash(&["apply", "--yes"], "live.after_commit").code, None);
    std::fs::remove_dir_all(stage.pair.server.folder().join("lost")).unwrap();
    let standby = Standby::of(&stage.pair.server);
    stage.run(&["apply", "--yes"]).expect(0);
    standby.take_over(&stage.pair.server).await;
    let lost = "blue has no receipt of migrate/002_state.sql, which the journal calls done";
    for command in [&["apply", "--yes"][..], &["cutover", "--yes"], &["cutover", "--dry-run"]] {
        let refused = stage.run(command).expect(3).says(lost);
        assert!(hint_of(&refused).contains("migrate abort"), "{}", refused.stderr);
    }
    assert_eq!(stage.read("app.conf"), "blue");
    let aborted = stage.run(&["abort", "--yes"]).expect(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(aborted.contains("002_state.sql, which the journal calls done and blue lacks the receipt of"), "{aborted}");
    nothing_of_ours(&stage.pair.on_blue().await).await;
}
