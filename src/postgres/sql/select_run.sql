-- no parameters; the run row, with the age of its heartbeat by this server's own clock
SELECT plan, run, journal_host, journal_path, who, host, pid, token, seq, state, step, progress, wanted,
       extract(epoch FROM pg_catalog.now() - heartbeat_at)::float8 AS age_seconds
FROM teal.run
