-- Partitions of all kinds, nested, attached with other column orders, by expression, with keys, indexes and triggers.
CREATE SCHEMA partitions;
SET search_path = partitions;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;

CREATE TABLE event (id int, region text, at date, payload text, PRIMARY KEY (id, region, at)) PARTITION BY LIST (region);
CREATE TABLE event_eu PARTITION OF event FOR VALUES IN ('eu', NULL) PARTITION BY RANGE (at, id);
CREATE TABLE event_eu_old PARTITION OF event_eu FOR VALUES FROM (MINVALUE, MINVALUE) TO ('2020-01-01', MINVALUE);
CREATE TABLE event_eu_new PARTITION OF event_eu FOR VALUES FROM ('2020-01-01', MINVALUE) TO (MAXVALUE, MAXVALUE) PARTITION BY HASH (id);
CREATE TABLE event_eu_new_0 PARTITION OF event_eu_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE event_eu_new_1 PARTITION OF event_eu_new (payload DEFAULT 'one') FOR VALUES WITH (MODULUS 2, REMAINDER 1) WITH (fillfactor = 60);
-- Another order of columns, a dropped one, and indexes that were there before.
CREATE TABLE event_us (gone int, payload text, at date NOT NULL, region text NOT NULL, id int NOT NULL);
ALTER TABLE event_us DROP COLUMN gone;
ALTER TABLE event_us ADD CONSTRAINT us_key PRIMARY KEY (id, region, at);
CREATE INDEX us_at ON event_us (at);
ALTER TABLE event ATTACH PARTITION event_us FOR VALUES IN ('us');
CREATE TABLE event_rest PARTITION OF event DEFAULT;
CREATE INDEX event_at ON event (at);
CREATE INDEX event_partial ON event ((lower(payload))) WHERE payload IS NOT NULL;
CREATE INDEX event_only ON ONLY event (payload);
CREATE INDEX event_us_only ON event_us (payload);
ALTER INDEX event_only ATTACH PARTITION event_us_only;
CREATE TABLE event_note (id int, region text, at date, FOREIGN KEY (id, region, at) REFERENCES event ON DELETE CASCADE) PARTITION BY HASH (id);
CREATE TABLE event_note_0 PARTITION OF event_note FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TRIGGER on_event AFTER INSERT OR UPDATE ON event FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE event_us DISABLE TRIGGER on_event;
ALTER TABLE event_eu_old ENABLE ALWAYS TRIGGER on_event;
CREATE TRIGGER on_leaf BEFORE INSERT ON event_rest FOR EACH ROW EXECUTE FUNCTION touch();
COMMENT ON TABLE event IS 'partitioned';
COMMENT ON INDEX event_at IS 'of all parts';
INSERT INTO event SELECT g, (ARRAY['eu', 'us', 'asia'])[1 + g % 3], date '2019-06-01' + g, 'p' || g FROM generate_series(1, 600) g;
INSERT INTO event_note SELECT id, region, at FROM event LIMIT 10;

CREATE TABLE measure (day date NOT NULL, value numeric, day_no int NOT NULL) PARTITION BY RANGE (extract(year FROM day), (value % 2));
CREATE TABLE measure_1 PARTITION OF measure FOR VALUES FROM (2000, 0) TO (2030, 9);
INSERT INTO measure VALUES ('2024-01-01', 3, 1);
CREATE TABLE by_text (k text COLLATE "C", v int) PARTITION BY RANGE (k text_pattern_ops);
CREATE TABLE by_text_am PARTITION OF by_text FOR VALUES FROM ('a') TO ('m');
CREATE TABLE by_text_all PARTITION OF by_text FOR VALUES FROM ('m') TO (MAXVALUE) PARTITION BY LIST (v);
CREATE TABLE by_text_one PARTITION OF by_text_all FOR VALUES IN (1, 2);
INSERT INTO by_text VALUES ('b', 1), ('z', 2);
CREATE TABLE no_parts (a int, b int GENERATED ALWAYS AS (1) STORED) PARTITION BY RANGE (a);
CREATE TABLE identified (id int NOT NULL, k int NOT NULL, v text, UNIQUE (id, k)) PARTITION BY LIST (k);
CREATE TABLE identified_1 PARTITION OF identified FOR VALUES IN (1);
ALTER TABLE identified_1 REPLICA IDENTITY USING INDEX identified_1_id_k_key;
ALTER TABLE identified_1 CLUSTER ON identified_1_id_k_key;
INSERT INTO identified VALUES (1, 1, 'x');
-- Detached again, with what its parent left it.
CREATE TABLE was_part PARTITION OF identified FOR VALUES IN (2);
INSERT INTO identified VALUES (1, 2, 'y');
ALTER TABLE identified DETACH PARTITION was_part;
RESET search_path;
