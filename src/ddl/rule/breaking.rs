//! What breaks clients, fails on rows that are there, or loses something.

use super::{Rule, TOKENS};
use crate::finding::Severity::{Blocker, Note, Warning};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "required-column",
        severity: Blocker,
        so_what: "it fails where the table has rows, and every INSERT of a client that does not know the column fails",
        instead: "give it a default, or let it be NULL first and demand it when every client fills it",
        setup: TOKENS,
        bad: "ALTER TABLE token ADD COLUMN scope text NOT NULL;",
        good: "ALTER TABLE token ADD COLUMN scope text NOT NULL DEFAULT '';",
    },
    Rule {
        id: "drop-breaks-clients",
        severity: Blocker,
        so_what: "queries that still name it fail from that moment, and what it held is gone",
        instead: "a contract step: deploy clients that no longer name it first, and drop it in a later release",
        setup: TOKENS,
        bad: "ALTER TABLE token DROP COLUMN note;",
        good: "ALTER TABLE token ALTER COLUMN note DROP NOT NULL;",
    },
    Rule {
        id: "rename-breaks-clients",
        severity: Blocker,
        so_what: "queries by the old name fail from that moment, those by the new one before it",
        instead: "a contract step: a view by the old name, or a new column kept alike by a trigger, until no client uses the old one",
        setup: TOKENS,
        bad: "ALTER TABLE token RENAME TO oauth_token;",
        good: "CREATE VIEW oauth_token AS SELECT * FROM token;",
    },
    Rule {
        id: "truncate-loses-rows",
        severity: Blocker,
        so_what: "all rows are gone, and readers and writers wait until the transaction ends",
        instead: "delete what must go, in batches, when it is sure",
        setup: TOKENS,
        bad: "TRUNCATE token;",
        good: "DELETE FROM token WHERE id = 7;",
    },
    Rule {
        id: "cascade-reach",
        severity: Blocker,
        so_what: "what it takes along does not stand here: views, foreign keys, columns, rows of other tables",
        instead: "drop what depends on it by name, so that a reader sees what goes",
        setup: "CREATE VIEW live AS SELECT 1 AS id;\nCREATE VIEW live_names AS SELECT id FROM live;",
        bad: "DROP VIEW live CASCADE;",
        good: "DROP VIEW live_names;\nDROP VIEW live;",
    },
    Rule {
        id: "json-column",
        severity: Note,
        so_what: "SELECT DISTINCT, GROUP BY and UNION over the table's rows fail with such a column",
        instead: "jsonb, which has an equality operator",
        setup: TOKENS,
        bad: "ALTER TABLE token ADD COLUMN claims json;",
        good: "ALTER TABLE token ADD COLUMN claims jsonb;",
    },
    Rule {
        id: "foreign-key-without-index",
        severity: Warning,
        so_what: "each DELETE or key change of a referenced row reads this table whole",
        instead: "index the referencing columns first, concurrently",
        setup: "CREATE TABLE person (id bigint PRIMARY KEY, name text UNIQUE);\nCREATE TABLE token (id bigint PRIMARY KEY, client_id bigint, subject text);\nCREATE INDEX token_client ON token (client_id);",
        bad: "ALTER TABLE token ADD CONSTRAINT token_subject_fk FOREIGN KEY (subject) REFERENCES person (name) NOT VALID;",
        good: "ALTER TABLE token ADD CONSTRAINT token_client_fk FOREIGN KEY (client_id) REFERENCES person (id) NOT VALID;",
    },
    Rule {
        id: "name-too-long",
        severity: Warning,
        so_what: "the server cuts it at 63 bytes: two names may become one, and a later file that drops it by its full name relies on the cut",
        instead: "a name of 63 bytes at most",
        setup: "",
        bad: "CREATE TABLE a_name_that_is_longer_than_the_sixty_three_bytes_that_the_server_keeps (id int);",
        good: "CREATE TABLE a_name_that_fits (id int);",
    },
];
