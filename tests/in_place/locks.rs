//! Waiting for others, and others waiting for us.

use super::*;

#[tokio::test]
async fn who_is_in_the_way_is_named_and_others_never_queue_behind_us_for_long() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    let reader = stage.pair.on_blue().await;
    reader.run("SET application_name = 'a long report'; BEGIN; SELECT 'a secret', count(*) FROM token").await.unwrap();
    let mut run = stage.command(&["apply", "--yes"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // Several attempts, each of which has let go: we are in the queue, then we are not, then we are again.
    let queued = "SELECT count(*)::text FROM pg_locks WHERE NOT granted AND relation = 'token'::regclass AND mode = 'AccessExclusiveLock'";
    let (mut turns, mut was) = (0, false);
    while turns < 6 {
        let is = column(&blue, queued).await == ["1"];
        turns += usize::from(is != was);
        was = is;
        if is {
            // The server's own clock: how long we have stood there.
            let longest = "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0) < 2 FROM pg_locks
                           WHERE NOT granted AND relation = 'token'::regclass";
            assert!(blue.row(longest, &[]).await.unwrap().get::<_, bool>(0), "longer in the queue than lock_timeout");
        }
    }
    // While the reader reads, a writer comes through between two attempts.
    blue.run("UPDATE token SET issued_at = now() WHERE signature = 't1'").await.unwrap();
    reader.run("COMMIT").await.unwrap();
    assert!(run.wait().unwrap().success());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut run.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("a long report, idle in transaction"), "{said}");
    assert!(
        said.contains("holding public.token, last ran: BEGIN; SELECT …, count") || said.contains("last ran:"),
        "{said}"
    );
    assert!(!said.contains("a secret"), "{said}");
    is_migrated(&blue).await;
}
