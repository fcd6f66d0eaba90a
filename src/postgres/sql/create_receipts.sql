-- no parameters; in place: what the run writes on blue beside the application's data; safe to run again
CREATE SCHEMA IF NOT EXISTS teal;
-- one row per migration file that is in, written in the transaction of its last effect
CREATE TABLE IF NOT EXISTS teal.migrated (
    step text PRIMARY KEY,
    digest text NOT NULL,
    facts jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
-- one row per statement: announced, where no transaction can hold it, or done
CREATE TABLE IF NOT EXISTS teal.piece (
    step text NOT NULL,
    number int NOT NULL,
    digest text NOT NULL,
    done boolean NOT NULL,
    before oid[] NOT NULL,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (step, number)
);
-- how far a whole-table UPDATE or DELETE has come: the last key of the last batch, written in that batch's transaction
CREATE TABLE IF NOT EXISTS teal.position (
    step text NOT NULL,
    number int NOT NULL,
    key text[] NOT NULL,
    stop text[] NOT NULL,
    rows bigint NOT NULL,
    PRIMARY KEY (step, number)
);
