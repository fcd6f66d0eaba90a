-- An extension that keeps its user's rows: in tables that refer to each other, some rows its own, and in a sequence.
CREATE TABLE kinds (id serial PRIMARY KEY, name text UNIQUE, own boolean NOT NULL DEFAULT false, parent int REFERENCES kinds);
CREATE TABLE a_notes (kind int REFERENCES kinds, at regclass, note text DEFAULT 'nothing');
CREATE TABLE not_marked (id int);
SELECT pg_catalog.pg_extension_config_dump('kinds', 'WHERE NOT own');
SELECT pg_catalog.pg_extension_config_dump('a_notes', '');
SELECT pg_catalog.pg_extension_config_dump('kinds_id_seq', '');
INSERT INTO kinds (name, own) VALUES ('first', true), ('second', true);
INSERT INTO kinds (name) VALUES ('a default that may be deleted');
INSERT INTO a_notes (kind) VALUES (3);
