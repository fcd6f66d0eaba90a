-- no parameters; every user relation with its file, the scans of it that this transaction has begun, the locks that this
-- session holds on it, and its columns; takes no lock on any of them
SELECT c.oid,
       n.nspname::text AS schema,
       c.relname::text AS name,
       COALESCE(pg_catalog.pg_relation_filenode(c.oid), 0::oid) AS file,
       pg_catalog.pg_stat_get_xact_numscans(c.oid) AS scans,
       ARRAY(SELECT l.mode FROM pg_catalog.pg_locks l
             WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted
               AND l.relation = c.oid) AS locks,
       COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                            'number', a.attnum,
                            'name', a.attname,
                            'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                            'required', a.attnotnull AND NOT a.atthasdef AND a.attidentity = '')
                        ORDER BY a.attnum)
                 FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]')::text AS columns
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'p', 'v', 'f') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema', 'teal')
