-- $1 plan text, $2 run text, $3 journal_host text, $4 journal_path text, $5 who text, $6 host text, $7 pid int4,
-- $8 token int8, $9 seq int8, $10 state text
INSERT INTO teal.run AS r (plan, run, journal_host, journal_path, who, host, pid, token, seq, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (only_one) DO UPDATE SET
    journal_host = excluded.journal_host, journal_path = excluded.journal_path,
    who = excluded.who, host = excluded.host, pid = excluded.pid,
    token = excluded.token, seq = excluded.seq, state = excluded.state,
    wanted = 'run', heartbeat_at = pg_catalog.now()
WHERE r.run = excluded.run AND r.token < excluded.token
