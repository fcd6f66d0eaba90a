-- no parameters; what the copy has to be asked about, one row an object: kind text, object text, next text (a statement
-- to run, or NULL)
WITH
user_schema AS MATERIALIZED (
    SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
      AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
),
system_schema AS (
    SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname IN ('pg_catalog', 'information_schema')
),
-- what users made, by class; members of extensions come with them and are left out below
made (kind, classid, objid, next) AS (
    SELECT 'event trigger', t.tableoid, t.oid, NULL FROM pg_catalog.pg_event_trigger t WHERE t.evtname NOT LIKE 'teal\_%'
  UNION ALL
    SELECT 'publication', p.tableoid, p.oid, NULL FROM pg_catalog.pg_publication p WHERE p.pubname NOT LIKE 'teal\_%'
  UNION ALL -- of whole schemas since 15, whose catalog 14 does not have
    SELECT 'wide publication', p.tableoid, p.oid, NULL FROM pg_catalog.pg_publication p
    WHERE p.puballtables
       OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = pg_catalog.to_regclass('pg_catalog.pg_publication_namespace')
                    AND d.refclassid = 'pg_catalog.pg_publication'::regclass AND d.refobjid = p.oid)
  UNION ALL
    SELECT 'system object', c.tableoid, c.oid, NULL FROM pg_catalog.pg_class c JOIN system_schema s ON s.oid = c.relnamespace
    WHERE c.relkind NOT IN ('i', 'I', 't')
  UNION ALL
    SELECT 'system object', p.tableoid, p.oid, NULL FROM pg_catalog.pg_proc p JOIN system_schema s ON s.oid = p.pronamespace
  UNION ALL
    SELECT 'system object', o.tableoid, o.oid, NULL FROM pg_catalog.pg_operator o JOIN system_schema s ON s.oid = o.oprnamespace
  UNION ALL
    SELECT 'system object', t.tableoid, t.oid, NULL FROM pg_catalog.pg_type t JOIN system_schema s ON s.oid = t.typnamespace
    WHERE t.typrelid = 0 AND t.typtype <> 'm' AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
  UNION ALL -- pg_dump writes the handler only of a function that it dumps itself
    SELECT 'language without handler', l.tableoid, l.oid, format('DROP LANGUAGE %I;', l.lanname)
    FROM pg_catalog.pg_language l
    JOIN pg_catalog.pg_proc p ON p.oid = l.lanplcallfoid
    WHERE p.pronamespace = 'pg_catalog'::regnamespace
  UNION ALL
    SELECT 'invalid index', c.tableoid, c.oid, format('REINDEX INDEX CONCURRENTLY %s;', c.oid::regclass)
    FROM pg_catalog.pg_index x
    JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid AND c.relkind = 'i'
    JOIN user_schema s ON s.oid = c.relnamespace
    WHERE NOT x.indisvalid
  UNION ALL -- what a user hung on an extension's table
    SELECT 'on an extension''s table', h.classid, h.objid, NULL
    FROM (SELECT c.tableoid AS classid, c.oid AS objid, x.indrelid AS relation
          FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
          UNION ALL
          SELECT t.tableoid, t.oid, t.tgrelid FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal
          UNION ALL
          SELECT u.tableoid, u.oid, u.ev_class FROM pg_catalog.pg_rewrite u WHERE u.rulename <> '_RETURN') h
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = h.relation AND d.deptype = 'e'
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend i
                      WHERE i.classid = h.classid AND i.objid = h.objid AND i.deptype IN ('i', 'a') AND h.objid < i.refobjid)
      -- made together with the table, so not long after it
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_class r, pg_catalog.pg_extension e
                      WHERE r.oid = h.relation AND e.oid = d.refobjid AND h.classid = 'pg_catalog.pg_class'::regclass
                        AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = h.objid AND c.xmin = e.xmin))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t, pg_catalog.pg_extension e
                      WHERE h.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = h.objid AND e.oid = d.refobjid
                        AND t.xmin = e.xmin)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite u, pg_catalog.pg_extension e
                      WHERE h.classid = 'pg_catalog.pg_rewrite'::regclass AND u.oid = h.objid AND e.oid = d.refobjid
                        AND u.xmin = e.xmin)
  UNION ALL
    SELECT 'superuser''s', p.tableoid, p.oid, NULL
    FROM pg_catalog.pg_proc p
    JOIN user_schema s ON s.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    LEFT JOIN pg_catalog.pg_aggregate g ON g.aggfnoid = p.oid
    -- an aggregate counts as a function in language internal, and wants a superuser for a state that is internal
    WHERE p.prokind <> 'a' AND NOT l.lanpltrusted OR p.proleakproof OR p.prosupport <> 0
       OR g.aggtranstype = 'pg_catalog.internal'::regtype OR g.aggmtranstype = 'pg_catalog.internal'::regtype
       OR EXISTS (SELECT FROM unnest(p.proconfig) c
                  JOIN pg_catalog.pg_settings g ON g.name = pg_catalog.split_part(c, '=', 1) AND g.context = 'superuser')
  UNION ALL
    SELECT 'superuser''s', t.tableoid, t.oid, NULL
    FROM pg_catalog.pg_type t JOIN user_schema s ON s.oid = t.typnamespace
    WHERE (t.typtype = 'b' OR t.typtype = 'p' AND NOT t.typisdefined)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
  UNION ALL
    SELECT 'superuser''s', c.tableoid, c.oid, NULL FROM pg_catalog.pg_cast c WHERE c.castmethod = 'b'
  UNION ALL
    SELECT 'superuser''s', t.tableoid, t.oid, NULL FROM pg_catalog.pg_transform t
  UNION ALL
    SELECT 'superuser''s', o.tableoid, o.oid, NULL FROM pg_catalog.pg_opclass o
  UNION ALL
    SELECT 'superuser''s', f.tableoid, f.oid, NULL FROM pg_catalog.pg_opfamily f
  UNION ALL
    SELECT 'superuser''s', m.tableoid, m.oid, NULL FROM pg_catalog.pg_am m
  UNION ALL
    SELECT 'superuser''s', w.tableoid, w.oid, NULL FROM pg_catalog.pg_foreign_data_wrapper w
  UNION ALL
    SELECT 'superuser''s', p.tableoid, p.oid, NULL FROM pg_catalog.pg_ts_parser p
  UNION ALL
    SELECT 'superuser''s', t.tableoid, t.oid, NULL FROM pg_catalog.pg_ts_template t
  UNION ALL
    SELECT 'superuser''s', l.tableoid, l.oid, NULL FROM pg_catalog.pg_language l
  UNION ALL -- pg_dump gives such privileges under SET SESSION AUTHORIZATION of who gave them
    SELECT DISTINCT 'granted by another', a.classid, a.objid, NULL
    FROM (SELECT c.tableoid, c.oid, c.relowner, c.relacl FROM pg_catalog.pg_class c JOIN user_schema s ON s.oid = c.relnamespace
          UNION ALL
          SELECT c.tableoid, c.oid, c.relowner, a.attacl FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN user_schema s ON s.oid = c.relnamespace
          UNION ALL
          SELECT p.tableoid, p.oid, p.proowner, p.proacl FROM pg_catalog.pg_proc p JOIN user_schema s ON s.oid = p.pronamespace
          UNION ALL
          SELECT t.tableoid, t.oid, t.typowner, t.typacl FROM pg_catalog.pg_type t JOIN user_schema s ON s.oid = t.typnamespace
          UNION ALL
          SELECT n.tableoid, n.oid, n.nspowner, n.nspacl FROM pg_catalog.pg_namespace n JOIN user_schema s ON s.oid = n.oid
          UNION ALL
          SELECT v.tableoid, v.oid, v.srvowner, v.srvacl FROM pg_catalog.pg_foreign_server v) a (classid, objid, owner, acl),
         aclexplode(a.acl) x
    WHERE x.grantor <> a.owner
)
SELECT m.kind, pg_catalog.format('%s %s', i.type, i.identity) AS object, m.next
FROM made m
CROSS JOIN LATERAL pg_catalog.pg_identify_object(m.classid, m.objid, 0) i
WHERE m.objid >= 16384
  AND (m.kind = 'on an extension''s table'
       OR NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = m.classid AND d.objid = m.objid AND d.deptype IN ('e', 'i')))
UNION ALL
SELECT 'subscription', quote_ident(s.subname), NULL
FROM pg_catalog.pg_subscription s
JOIN pg_catalog.pg_database d ON d.oid = s.subdbid AND d.datname = pg_catalog.current_database()
UNION ALL
SELECT DISTINCT 'tablespace', t.spcname::text, NULL
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace AND t.spcname <> 'pg_global'
UNION ALL -- types whose input refuses every value
SELECT 'type that can''t be read', format('%s.%I', c.oid::regclass, a.attname),
       format('ALTER TABLE %s ALTER COLUMN %I TYPE text USING %I::text;', c.oid::regclass, a.attname, a.attname)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
JOIN user_schema s ON s.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typnamespace = 'pg_catalog'::regnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped
  AND t.typname IN ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary',
                    'pg_brin_minmax_multi_summary', 'gtsvector')
UNION ALL -- from 18 on NOT NULL is a constraint that a child can't lack
SELECT DISTINCT 'looser than its parent', format('%s.%I', a.attrelid::regclass, a.attname),
       format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL;', a.attrelid::regclass, a.attname)
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_attribute p ON p.attrelid = i.inhparent AND p.attnum > 0 AND p.attnotnull
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.inhrelid AND a.attname = p.attname AND NOT a.attnotnull
UNION ALL
SELECT 'pending detach', i.inhrelid::regclass::text,
       format('ALTER TABLE %s DETACH PARTITION %s FINALIZE;', i.inhparent::regclass, i.inhrelid::regclass)
FROM pg_catalog.pg_inherits i WHERE i.inhdetachpending
UNION ALL
SELECT DISTINCT 'constraint switched off', format('%I on %s', k.conname, k.conrelid::regclass),
       format('ALTER TABLE %s ENABLE TRIGGER ALL;', t.tgrelid::regclass)
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint AND k.contype = 'f'
WHERE t.tgisinternal AND t.tgenabled = 'D'
UNION ALL
SELECT DISTINCT 'security label', l.provider, NULL FROM pg_catalog.pg_seclabel l
UNION ALL
SELECT 'hidden user mapping', format('for %s on server %I', m.usename, m.srvname), NULL
FROM pg_catalog.pg_user_mappings m
JOIN pg_catalog.pg_foreign_server v ON v.oid = m.srvid
WHERE m.umoptions IS NULL
  AND NOT coalesce((SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user), false)
  AND NOT (m.umuser = 0 AND pg_catalog.pg_has_role(v.srvowner, 'USAGE')
           OR m.usename = current_user AND pg_catalog.has_server_privilege(v.oid, 'USAGE'))
UNION ALL
SELECT 'materialized view', c.oid::regclass::text, NULL
FROM pg_catalog.pg_class c JOIN user_schema s ON s.oid = c.relnamespace WHERE c.relkind = 'm' AND c.relispopulated
UNION ALL
SELECT 'large objects', count(*)::text, NULL FROM pg_catalog.pg_largeobject_metadata HAVING count(*) > 0
UNION ALL
SELECT 'unreadable large object', m.oid::text,
       format('GRANT %I TO %I;', pg_catalog.pg_get_userbyid(m.lomowner), current_user)
FROM pg_catalog.pg_largeobject_metadata m
WHERE NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM aclexplode(m.lomacl) x
                  WHERE x.privilege_type = 'SELECT'
                    AND (x.grantee = 0 OR pg_catalog.pg_has_role(x.grantee, 'USAGE')))
UNION ALL
SELECT 'extension rows', c.oid::regclass::text,
       format('GRANT SELECT, INSERT, DELETE ON %s TO ', c.oid::regclass)
FROM pg_catalog.pg_extension e, unnest(e.extconfig) t (oid)
JOIN pg_catalog.pg_class c ON c.oid = t.oid
WHERE c.relkind = 'r' AND pg_catalog.pg_relation_size(c.oid) > 0
ORDER BY kind, object
