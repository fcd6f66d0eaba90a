-- no parameters; our schema and the run row, on blue and on green alike; safe to run again
CREATE SCHEMA IF NOT EXISTS teal;
CREATE TABLE IF NOT EXISTS teal.run (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    plan text NOT NULL,
    run text NOT NULL,
    journal_host text NOT NULL,
    journal_path text NOT NULL,
    who text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    token bigint NOT NULL,
    seq bigint NOT NULL,
    state text NOT NULL,
    step text NOT NULL DEFAULT '',
    progress text NOT NULL DEFAULT '',
    wanted text NOT NULL DEFAULT 'run' CHECK (wanted IN ('run', 'abort')),
    heartbeat_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
