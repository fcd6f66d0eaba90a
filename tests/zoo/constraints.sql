-- Constraints: circular, to oneself, deferrable, exclusion, not valid, without columns, replica identity, cluster.
CREATE SCHEMA constraints;
CREATE EXTENSION btree_gist SCHEMA constraints;
SET search_path = constraints;

CREATE TABLE hen (id int PRIMARY KEY, egg int NOT NULL);
CREATE TABLE egg (id int PRIMARY KEY, hen int NOT NULL REFERENCES hen DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE hen ADD CONSTRAINT hen_egg FOREIGN KEY (egg) REFERENCES egg ON DELETE CASCADE ON UPDATE SET NULL
    DEFERRABLE INITIALLY IMMEDIATE;
BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO hen VALUES (1, 1); INSERT INTO egg VALUES (1, 1); COMMIT;

CREATE TABLE node (id int PRIMARY KEY, parent int REFERENCES node MATCH FULL ON DELETE SET DEFAULT DEFAULT 1);
INSERT INTO node VALUES (1, 3), (2, 1), (3, 2);
CREATE TABLE pair (a int, b int, c text, d text, UNIQUE NULLS NOT DISTINCT (a, b), UNIQUE (c) INCLUDE (d) DEFERRABLE);
INSERT INTO pair VALUES (1, NULL, 'x', 'y'), (NULL, NULL, NULL, NULL);
CREATE TABLE pair_note (a int, b int, FOREIGN KEY (a, b) REFERENCES pair (a, b) ON DELETE SET NULL (b));
INSERT INTO pair_note VALUES (1, NULL);

CREATE TABLE booking (room int, during tstzrange, canceled boolean,
    EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (NOT canceled) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO booking VALUES (1, '[2024-01-01,2024-01-02)', false), (1, '[2024-01-01,2024-01-02)', true);

CREATE TABLE late (id int, other int, CONSTRAINT "only here" CHECK (id > 0) NO INHERIT);
INSERT INTO late VALUES (7, 99);
ALTER TABLE late ADD CONSTRAINT late_node FOREIGN KEY (other) REFERENCES node NOT VALID;
ALTER TABLE late ADD CONSTRAINT late_check CHECK (id < 0) NOT VALID;
ALTER TABLE late ADD CONSTRAINT whole CHECK (late IS NOT NULL);

CREATE TABLE identified (a int NOT NULL, b text NOT NULL, c int);
CREATE UNIQUE INDEX identified_b ON identified (b);
ALTER TABLE identified REPLICA IDENTITY USING INDEX identified_b;
INSERT INTO identified VALUES (1, 'x', NULL);
CREATE TABLE identified_full (a int);
ALTER TABLE identified_full REPLICA IDENTITY FULL;
CREATE TABLE identified_not (a int PRIMARY KEY);
ALTER TABLE identified_not REPLICA IDENTITY NOTHING;

CREATE TABLE clustered (id int PRIMARY KEY, v int);
CREATE INDEX clustered_v ON clustered (v DESC NULLS LAST, (id + v));
ALTER TABLE clustered CLUSTER ON clustered_v;
ALTER INDEX clustered_v ALTER COLUMN 2 SET STATISTICS 400;
CREATE INDEX clustered_gin ON clustered USING gin ((ARRAY[id, v])) WITH (fastupdate = off);
CREATE INDEX clustered_brin ON clustered USING brin (id int4_bloom_ops (n_distinct_per_range = 100)) WITH (pages_per_range = 4);
CREATE INDEX clustered_hash ON clustered USING hash (id);
INSERT INTO clustered SELECT g, g FROM generate_series(1, 10) g;
-- A unique index that a constraint carries under another name, and one that nobody uses as a constraint.
CREATE UNIQUE INDEX named_otherwise ON clustered (id, v);
ALTER TABLE clustered ADD CONSTRAINT "its constraint" UNIQUE USING INDEX named_otherwise;

CREATE TABLE blank ();
INSERT INTO blank DEFAULT VALUES;
INSERT INTO blank DEFAULT VALUES;
CREATE TABLE emptied (gone int);
INSERT INTO emptied VALUES (1), (2), (3);
ALTER TABLE emptied DROP COLUMN gone;
CREATE TABLE never_filled (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
RESET search_path;
