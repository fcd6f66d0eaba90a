-- no parameters; what the run writes on green beside the application's data; safe to run again
-- one row per captured event that was dealt with, written in the transaction of its effect: exactly once
CREATE TABLE IF NOT EXISTS teal.applied (
    event_id bigint PRIMARY KEY,
    event text NOT NULL,
    outcome text NOT NULL
        CHECK (outcome IN ('applied', 'nothing to do', 'in copy', 'reversed', 'dead letter', 'given up')),
    relation text NOT NULL,
    key jsonb NOT NULL,
    error text,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX IF NOT EXISTS applied_dead ON teal.applied (event_id) WHERE outcome = 'dead letter';
-- whether green takes writes from everybody, and the word that lets the run's own sessions pass until then
CREATE TABLE IF NOT EXISTS teal.gate (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    pass text NOT NULL,
    open boolean NOT NULL DEFAULT false
);
-- how the database was before the first copy, as statements: put back when green is emptied
CREATE TABLE IF NOT EXISTS teal.before (
    position bigint PRIMARY KEY,
    sql text NOT NULL
);
-- blue's sequences as the copy made them on green: a migration may rename one, move it, or replace it
CREATE TABLE IF NOT EXISTS teal.sequence (
    schema text NOT NULL,
    name text NOT NULL,
    oid oid NOT NULL,
    owner_table oid,
    owner_column smallint,
    PRIMARY KEY (schema, name)
);
