-- no parameters; which sequences there are right after the copy, and the columns that own them
BEGIN;
DELETE FROM teal.sequence;
INSERT INTO teal.sequence (schema, name, oid, owner_table, owner_column)
SELECT n.nspname, c.relname, c.oid, d.refobjid, d.refobjsubid
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend d
    ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
   AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname <> 'teal';
COMMIT;
