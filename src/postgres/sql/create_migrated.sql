-- no parameters; what is in of the migrations, on whichever database they run, whose schema teal is there; safe to run again
-- one row per migration file that is in, written in the transaction of its last effect
CREATE TABLE IF NOT EXISTS teal.migrated (
    step text PRIMARY KEY,
    digest text NOT NULL,
    facts jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
-- one row per statement that runs without the file's own transaction: announced, where no transaction can hold it, or done
CREATE TABLE IF NOT EXISTS teal.piece (
    step text NOT NULL,
    number int NOT NULL,
    digest text NOT NULL,
    done boolean NOT NULL,
    before oid[] NOT NULL,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (step, number)
);
