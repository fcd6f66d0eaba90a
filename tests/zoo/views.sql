-- Views over everything: recursive, with options, rules, over keys (GROUP BY), over each other in a circle of functions.
CREATE SCHEMA views;
SET search_path = views;
CREATE TABLE base (id int PRIMARY KEY, name text NOT NULL, owner int REFERENCES base, secret text);
INSERT INTO base VALUES (1, 'a', NULL, 's'), (2, 'b', 1, 't');
CREATE VIEW plain AS SELECT * FROM base;
CREATE VIEW renamed ("Column; one", b) AS SELECT id, name FROM plain;
CREATE VIEW barrier WITH (security_barrier) AS SELECT id, name FROM base WHERE secret IS NOT NULL;
CREATE VIEW invoker WITH (security_invoker = true) AS SELECT id FROM base;
CREATE VIEW updatable AS SELECT id, name FROM base WHERE id < 100 WITH LOCAL CHECK OPTION;
CREATE VIEW updatable_too AS SELECT * FROM updatable WHERE name <> 'x' WITH CASCADED CHECK OPTION;
ALTER VIEW updatable ALTER name SET DEFAULT 'by the view';
CREATE RECURSIVE VIEW chain (id, depth) AS SELECT id, 0 FROM base WHERE owner IS NULL UNION ALL SELECT b.id, depth + 1 FROM base b JOIN chain c ON b.owner = c.id;
-- These need the primary key, which comes after the data: the dump makes them in two parts.
CREATE VIEW grouped AS SELECT b.id, b.name, count(*) FROM base b JOIN base c ON c.owner = b.id GROUP BY b.id;
CREATE VIEW over_grouped AS SELECT * FROM grouped WHERE count > 0;
CREATE MATERIALIZED VIEW grouped_kept AS SELECT b.id, b.name, b.secret, count(*) FROM base b GROUP BY b.id;
CREATE UNIQUE INDEX grouped_kept_id ON grouped_kept (id);
CREATE INDEX grouped_kept_name ON grouped_kept (name) WHERE secret IS NOT NULL;
COMMENT ON INDEX grouped_kept_name IS 'of a materialized view that needs a key';
ALTER MATERIALIZED VIEW grouped_kept CLUSTER ON grouped_kept_id;
CREATE STATISTICS grouped_kept_stats ON id, name FROM grouped_kept;
CREATE FUNCTION grouped_in_function() RETURNS TABLE (id int, name text) LANGUAGE sql BEGIN ATOMIC SELECT b.id, b.name FROM base b GROUP BY b.id; END;
CREATE VIEW over_function AS SELECT * FROM grouped_in_function();
CREATE MATERIALIZED VIEW kept AS SELECT name, count(*) AS n FROM over_grouped GROUP BY name;
CREATE INDEX kept_name ON kept (name) WITH (fillfactor = 80);
ALTER MATERIALIZED VIEW kept ALTER n SET STATISTICS 5;
CREATE MATERIALIZED VIEW kept_over_kept WITH (autovacuum_enabled = off) AS SELECT sum(n) AS n FROM kept;
CREATE MATERIALIZED VIEW unpopulated AS SELECT * FROM kept WITH NO DATA;
CREATE UNIQUE INDEX unpopulated_name ON unpopulated (name);
CREATE VIEW types_view AS SELECT NULL::regclass AS c, ARRAY[1]::int[] AS a, b AS whole_row FROM base b;
CREATE VIEW odd_expressions AS SELECT GROUPING(id) AS g, count(*) FILTER (WHERE id > 1) AS f, percentile_cont(0.5) WITHIN GROUP (ORDER BY id) AS p,
    rank() OVER w AS r, CASE WHEN id IS DISTINCT FROM 3 THEN 'x' COLLATE "C" END AS c, xmlelement(name a, id) AS x, (ARRAY[1,2,3])[2:] AS s
    FROM base GROUP BY GROUPING SETS ((id), ()) WINDOW w AS (ORDER BY id ROWS 1 PRECEDING EXCLUDE TIES);
CREATE RULE plain_insert AS ON INSERT TO plain DO INSTEAD (INSERT INTO base (id, name) VALUES (NEW.id, NEW.name); SELECT 1; NOTIFY "odd channel");
CREATE RULE base_update AS ON UPDATE TO base WHERE NEW.id = 99 DO ALSO NOTHING;
CREATE RULE base_off AS ON DELETE TO base WHERE OLD.id = 98 DO INSTEAD NOTHING;
ALTER TABLE base DISABLE RULE base_off;
ALTER TABLE base ENABLE ALWAYS RULE base_update;
COMMENT ON VIEW plain IS 'a view';
COMMENT ON COLUMN plain.name IS 'its name';
COMMENT ON RULE plain_insert ON plain IS 'a rule';
COMMENT ON MATERIALIZED VIEW kept IS 'kept';
RESET search_path;
