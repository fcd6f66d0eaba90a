-- no parameters; every user table or partitioned table of green, and whether its gate stands and always fires
SELECT n.nspname::text AS schema, c.relname::text AS name,
       EXISTS (SELECT FROM pg_catalog.pg_trigger t
               WHERE t.tgrelid = c.oid AND t.tgname = 'teal_gate' AND t.tgenabled = 'A'
                 AND t.tgfoid = pg_catalog.to_regproc('teal.refuse_until_open')) AS gated
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
