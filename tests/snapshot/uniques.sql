-- Primary keys and unique constraints, in every form that has an index of its own.
CREATE SCHEMA uniques;
CREATE TABLE uniques.kept (id int PRIMARY KEY WITH (fillfactor = 70), "other Col" text COLLATE "C" UNIQUE, n int);
INSERT INTO uniques.kept SELECT g, 'v' || g, g FROM generate_series(1, 50) g;
COMMENT ON CONSTRAINT kept_pkey ON uniques.kept IS 'the key';
COMMENT ON INDEX uniques.kept_pkey IS 'its index';
ALTER TABLE uniques.kept REPLICA IDENTITY USING INDEX kept_pkey;
ALTER TABLE uniques.kept CLUSTER ON kept_pkey;
CREATE INDEX kept_n ON uniques.kept (n);
CREATE TABLE uniques.refers (id int REFERENCES uniques.kept, other text REFERENCES uniques.kept ("other Col"));
INSERT INTO uniques.refers VALUES (1, 'v2');
CREATE TABLE uniques.part_in (a int CONSTRAINT in_key UNIQUE, b int, c int);
ALTER TABLE uniques.part_in DROP CONSTRAINT in_key;
ALTER TABLE uniques.part_in ADD CONSTRAINT in_key UNIQUE (a) INCLUDE (b);
ALTER TABLE uniques.part_in ADD CONSTRAINT "in ""later" UNIQUE NULLS NOT DISTINCT (b, c) WITH (fillfactor = 60, deduplicate_items = off)
    DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE uniques.part_in ADD CONSTRAINT in_now UNIQUE (c) DEFERRABLE;
INSERT INTO uniques.part_in VALUES (1, NULL, NULL), (2, 1, 2);
CREATE TABLE uniques.mother (id int PRIMARY KEY);
CREATE TABLE uniques.daughter (PRIMARY KEY (id)) INHERITS (uniques.mother);
INSERT INTO uniques.mother VALUES (1); INSERT INTO uniques.daughter VALUES (1);
CREATE UNLOGGED TABLE uniques.quick (id int PRIMARY KEY);
CREATE TABLE uniques.whole (id int, k int, PRIMARY KEY (id, k), UNIQUE (k, id)) PARTITION BY LIST (k);
CREATE TABLE uniques.whole_1 PARTITION OF uniques.whole FOR VALUES IN (1);
ALTER TABLE uniques.whole_1 ADD CONSTRAINT only_here UNIQUE (id);
INSERT INTO uniques.whole VALUES (1, 1);
