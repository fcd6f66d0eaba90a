-- One of everything that a copy can trip over.
CREATE ROLE teal_reader;
CREATE SCHEMA "Odd ""schema";
CREATE EXTENSION btree_gist;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN relation AS regclass;

CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT n * 2; END;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN NULL; END$$;
CREATE SEQUENCE by_hand INCREMENT -3 MINVALUE -1000 MAXVALUE -1 START -10;
SELECT nextval('by_hand'), nextval('by_hand');

CREATE TABLE ticket (
    id serial PRIMARY KEY,
    title text NOT NULL,
    mood mood,
    size positive,
    pair pair,
    tags text[],
    moods mood[],
    doubled int GENERATED ALWAYS AS (twice(size)) STORED,
    during tstzrange,
    body jsonb,
    EXCLUDE USING gist (size WITH =, during WITH &&)
);
CREATE INDEX ticket_title ON ticket (lower(title)) INCLUDE (id) WHERE title <> '';
COMMENT ON TABLE ticket IS 'it''s; a \ ticket';
COMMENT ON INDEX ticket_title IS 'by title';
CREATE STATISTICS ticket_stats ON title, size FROM ticket;
INSERT INTO ticket (title, mood, size, pair, tags, moods, during, body)
SELECT 't' || g, 'ok', g, ROW(g, E'tab\t"quoted"\\')::pair, ARRAY['a', NULL, 'c,d'], '{sad,happy}',
       tstzrange(now(), now() + g * interval '1 hour'), '{"a": 1}'
FROM generate_series(1, 2000) g;

CREATE TABLE "Weird ""name" ("Column; DROP" int GENERATED ALWAYS AS IDENTITY, "select" text, CONSTRAINT "Un ique" UNIQUE ("select"));
INSERT INTO "Weird ""name" ("select") VALUES (NULL), (''), (E'a\nb'), ('\N'), ('\.');
CREATE TABLE n23456789012345678901234567890123456789012345678901234567890123 (a int, n int CHECK (n > 0));
CREATE INDEX i23456789012345678901234567890123456789012345678901234567890123 ON n23456789012345678901234567890123456789012345678901234567890123 (a);
INSERT INTO n23456789012345678901234567890123456789012345678901234567890123 VALUES (1, 2);
CREATE TABLE "Odd ""schema".inner_table (id bigint PRIMARY KEY, relation regclass, domained relation, many regclass[]);
INSERT INTO "Odd ""schema".inner_table VALUES (1, 'ticket', 'ticket', '{ticket,pg_class}'), (2, NULL, NULL, NULL);

CREATE TABLE hen (id int PRIMARY KEY, egg int);
CREATE TABLE egg (id int PRIMARY KEY, hen int REFERENCES hen DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE hen ADD CONSTRAINT hen_egg FOREIGN KEY (egg) REFERENCES egg ON DELETE SET NULL;
BEGIN; INSERT INTO egg VALUES (1, 1); INSERT INTO hen VALUES (1, 1); COMMIT;
ALTER TABLE hen ADD CONSTRAINT late FOREIGN KEY (id) REFERENCES ticket NOT VALID;
ALTER TABLE hen ADD CONSTRAINT late_check CHECK (id < 0) NOT VALID;

CREATE TABLE blank ();
INSERT INTO blank DEFAULT VALUES;
INSERT INTO blank DEFAULT VALUES;
INSERT INTO blank DEFAULT VALUES;
CREATE TABLE empty_table (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
CREATE UNLOGGED TABLE unlogged_table (id int);
INSERT INTO unlogged_table VALUES (1);
CREATE TABLE dropped_column (a int, gone text, b int);
INSERT INTO dropped_column VALUES (1, 'x', 2);
ALTER TABLE dropped_column DROP COLUMN gone;

CREATE TABLE base (id int, what text);
CREATE TABLE derived (extra int) INHERITS (base);
INSERT INTO base VALUES (1, 'base');
INSERT INTO derived VALUES (2, 'derived', 3);

CREATE TABLE event (id int, region text, at date, PRIMARY KEY (id, region, at)) PARTITION BY LIST (region);
CREATE TABLE event_eu PARTITION OF event FOR VALUES IN ('eu') PARTITION BY RANGE (at);
CREATE TABLE event_eu_old PARTITION OF event_eu FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE event_eu_new PARTITION OF event_eu FOR VALUES FROM ('2020-01-01') TO (MAXVALUE) PARTITION BY HASH (id);
CREATE TABLE event_eu_new_0 PARTITION OF event_eu_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE event_eu_new_1 PARTITION OF event_eu_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE event_rest PARTITION OF event DEFAULT;
CREATE INDEX event_at ON event (at);
CREATE TABLE event_note (id int, region text, at date, FOREIGN KEY (id, region, at) REFERENCES event);
INSERT INTO event SELECT g, (ARRAY['eu', 'us'])[1 + g % 2], date '2019-06-01' + g FROM generate_series(1, 500) g;
INSERT INTO event_note SELECT * FROM event LIMIT 10;

CREATE VIEW titles AS SELECT id, title FROM ticket;
CREATE RULE titles_insert AS ON INSERT TO titles DO INSTEAD (INSERT INTO ticket (title) VALUES (NEW.title); SELECT 1);
CREATE MATERIALIZED VIEW counted AS SELECT mood, count(*) FROM ticket GROUP BY mood;
CREATE UNIQUE INDEX counted_mood ON counted (mood);
CREATE MATERIALIZED VIEW unpopulated AS SELECT 1 AS one WITH NO DATA;

CREATE TRIGGER touched BEFORE UPDATE ON ticket FOR EACH ROW WHEN (OLD.title IS DISTINCT FROM NEW.title) EXECUTE FUNCTION touch();
CREATE TRIGGER disabled BEFORE INSERT ON ticket FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE ticket DISABLE TRIGGER disabled;
CREATE TRIGGER always BEFORE INSERT ON ticket FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE ticket ENABLE ALWAYS TRIGGER always;
CREATE CONSTRAINT TRIGGER constrained AFTER INSERT ON ticket DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER on_event AFTER INSERT ON event FOR EACH ROW EXECUTE FUNCTION touch();
CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION noted();
ALTER TABLE ticket ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON ticket FOR SELECT TO teal_reader USING (size > 1);
ALTER TABLE ticket REPLICA IDENTITY FULL;
ALTER TABLE egg CLUSTER ON egg_pkey;
CREATE PUBLICATION partly FOR TABLE hen, egg;

GRANT SELECT ON ticket, titles TO teal_reader;
GRANT UPDATE (title) ON ticket TO teal_reader;
GRANT USAGE ON SCHEMA "Odd ""schema" TO teal_reader;
REVOKE EXECUTE ON FUNCTION twice(int) FROM PUBLIC;
ALTER DATABASE blue SET work_mem = '7MB';
ALTER DATABASE blue SET search_path = "$user", public, "Odd ""schema";
ALTER ROLE teal_reader IN DATABASE blue SET app.tenant = 'x, y';
