//! What no text of one statement tells: files that can't be read, and what a trace has shown.
//!
//! Their examples are run by the tests of what finds them: `tests/lint.rs`, `tests/lint_trace.rs`.

use super::{Rule, TOKENS};
use crate::finding::Severity::{Blocker, Note};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "not-readable",
        severity: Blocker,
        so_what: "where its statements end can't be told with certainty, so none of the file is judged",
        instead: "mend what stands there; psql's own commands, data after COPY and templates have no place in a migration",
        setup: TOKENS,
        bad: "UPDATE token SET note = 'open",
        good: "UPDATE token SET note = 'closed' WHERE id = 1;",
    },
    Rule {
        id: "not-in-this-version",
        severity: Blocker,
        so_what: "the server of that version refuses it",
        instead: "write it in that version's own words, or upgrade the server first",
        setup: TOKENS,
        bad: "ALTER TABLE token ADD COLUMN twice int GENERATED ALWAYS AS (used * 2) VIRTUAL;",
        good: "CREATE VIEW doubled AS SELECT used * 2 AS twice FROM token;",
    },
    Rule {
        id: "trace-failed",
        severity: Blocker,
        so_what: "the server refuses it on a database with this schema; nothing after it was traced",
        instead: "mend it, or give the schema that it is meant for: --schema",
        setup: TOKENS,
        bad: "ALTER TABLE token ADD COLUMN note text;",
        good: "ALTER TABLE token ADD COLUMN scope text;",
    },
    Rule {
        id: "trace-contradicts",
        severity: Blocker,
        so_what: "what is said of it from its text is too mild: believe the trace, and report the statement as a fault of lint",
        instead: "name tables with their schema, and give the whole schema of the database: --schema",
        setup: "CREATE SCHEMA app;\nCREATE TABLE app.token (id bigint PRIMARY KEY, note text);\nCREATE FUNCTION app_path() RETURNS text LANGUAGE sql AS $$ SELECT set_config('search_path', 'app', false) $$;",
        bad: "SELECT app_path();\nALTER TABLE token ADD COLUMN scope text;",
        good: "ALTER TABLE app.token ADD COLUMN scope text;",
    },
    Rule {
        id: "traced-blocks",
        severity: Blocker,
        so_what: "writers of the table wait while all its rows are read or written, and readers too under ACCESS EXCLUSIVE",
        instead: "write the statement out and use its safe form: what is hidden in a block can't be made safe",
        setup: TOKENS,
        bad: "DO $$ BEGIN EXECUTE 'CREATE INDEX token_subject ON token (subject)'; END $$;",
        good: "DO $$ BEGIN EXECUTE 'COMMENT ON TABLE token IS ''tokens'''; END $$;",
    },
    Rule {
        id: "traced",
        severity: Note,
        so_what: "its text doesn't say so",
        instead: "write its statements out, so that a reader sees them",
        setup: TOKENS,
        bad: "DO $$ BEGIN EXECUTE 'ALTER TABLE token ADD COLUMN scope text'; END $$;",
        good: "ALTER TABLE token ADD COLUMN scope text;",
    },
    Rule {
        id: "trace-unseen",
        severity: Note,
        so_what: "its locks are gone when it ends, so the trace ran it and saw nothing: what is said of it is from its text",
        instead: "nothing; it is the form that gives way to others",
        setup: TOKENS,
        bad: "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY token_subject ON token (subject);",
        good: "CREATE TABLE scope (id bigint);",
    },
];
