-- Which files of this folder are in. Every later file is recorded here in its own transaction.
CREATE TABLE schema_migration (
    version    text PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
