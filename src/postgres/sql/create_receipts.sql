-- no parameters; in place: what the run writes on blue beside the application's data; safe to run again
CREATE SCHEMA IF NOT EXISTS teal;
-- how far a whole-table UPDATE or DELETE has come: the last key of the last batch, written in that batch's transaction
CREATE TABLE IF NOT EXISTS teal.position (
    step text NOT NULL,
    number int NOT NULL,
    key text[] NOT NULL,
    stop text[] NOT NULL,
    rows bigint NOT NULL,
    PRIMARY KEY (step, number)
);
