-- no parameters; the outbox of captured events on blue; safe to run again
CREATE SEQUENCE IF NOT EXISTS teal.event_id CACHE 1;
CREATE TABLE IF NOT EXISTS teal.event (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('teal.event_id'),
    xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    format text NOT NULL DEFAULT 'teal.event/1',
    event text NOT NULL,
    relation text NOT NULL,
    key jsonb NOT NULL,
    "row" jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    taken_at timestamptz
);
-- the reader's: what it has not taken yet, in order
CREATE INDEX IF NOT EXISTS event_waiting ON teal.event (id) WHERE taken_at IS NULL;
-- by key, of any size: which later event superseded an earlier one
CREATE INDEX IF NOT EXISTS event_key ON teal.event USING hash (key);
-- one row or more: the budget was passed, capture has stopped, this run can't cut over
CREATE TABLE IF NOT EXISTS teal.overflow (at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp());
-- rows on their way from one partition to another, between the delete and the insert of the same statement
CREATE TABLE IF NOT EXISTS teal.moving (xid xid8 NOT NULL, event text NOT NULL, key jsonb NOT NULL);
-- a statement that moves many rows writes all its marks before the first is consumed
CREATE INDEX IF NOT EXISTS moving_key ON teal.moving USING hash (key);
-- what is captured, written in the transaction that makes the triggers
CREATE TABLE IF NOT EXISTS teal.capture (event text PRIMARY KEY, number integer NOT NULL, relation text NOT NULL);
