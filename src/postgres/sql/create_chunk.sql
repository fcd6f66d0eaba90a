-- no parameters; which chunks of the copy are on green, each row written in the transaction of its rows
CREATE SCHEMA IF NOT EXISTS teal;
DROP TABLE IF EXISTS teal.chunk, teal.unlogged_chunk;
CREATE TABLE teal.chunk (
    relation text NOT NULL,
    part int4 NOT NULL,
    rows int8 NOT NULL DEFAULT 0,
    PRIMARY KEY (relation, part)
);
-- those of unlogged tables: a crash empties both
CREATE UNLOGGED TABLE teal.unlogged_chunk (LIKE teal.chunk INCLUDING ALL)
