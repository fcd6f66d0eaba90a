-- no parameters; one row per structural object: object text (unique), digest text; run with search_path = '', which
-- makes every name qualified
WITH
user_schema (oid, name, owner, acl) AS MATERIALIZED (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'teal')
      AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
),
-- relations outside extensions; what hangs on them (indexes, triggers, ...) joins here
relation AS MATERIALIZED (
    SELECT c.*, c.oid::pg_catalog.regclass::text AS name
    FROM pg_catalog.pg_class c
    JOIN user_schema s ON s.oid = c.relnamespace
    WHERE c.relpersistence <> 't'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
),
-- live columns by their order, never by number: a dropped column leaves a gap in the one and none in the other
columns (relation, definition) AS MATERIALIZED (
    SELECT a.attrelid, jsonb_agg(jsonb_build_array(
               a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               a.attgenerated, a.attstorage, a.attcompression, a.attislocal, a.attinhcount,
               CASE WHEN a.attcollation <> 0 THEN a.attcollation::pg_catalog.regcollation::text END,
               CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END,
               pg_catalog.pg_get_expr(d.adbin, d.adrelid), to_jsonb(a.attoptions), to_jsonb(a.attfdwoptions),
               (SELECT jsonb_agg(g::text ORDER BY g::text COLLATE "C") FROM unnest(a.attacl) g)
           ) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a
    JOIN relation r ON r.oid = a.attrelid AND r.relkind IN ('r', 'p', 'f', 'v', 'm', 'c')
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
    GROUP BY a.attrelid
),
part (object, classid, objid, owner, acl, definition) AS (
    SELECT 'schema ' || quote_ident(s.name), 'pg_catalog.pg_namespace'::regclass, s.oid, s.owner,
           coalesce(s.acl, acldefault('n', s.owner)), '[]'::jsonb
    FROM user_schema s
  UNION ALL -- tables, foreign tables, views
    SELECT CASE r.relkind WHEN 'f' THEN 'foreign table ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
                          ELSE 'table ' END || r.name,
           'pg_catalog.pg_class'::regclass, r.oid, r.relowner, coalesce(r.relacl, acldefault('r', r.relowner)),
           jsonb_build_object(
               'kind', r.relkind, 'columns', k.definition, 'persistence', r.relpersistence,
               'options', (SELECT jsonb_agg(o ORDER BY o COLLATE "C") FROM unnest(r.reloptions) o),
               'toast options', (SELECT jsonb_agg(o ORDER BY o COLLATE "C")
                                 FROM pg_catalog.pg_class t, unnest(t.reloptions) o WHERE t.oid = r.reltoastrelid),
               'identity', r.relreplident, 'security', jsonb_build_array(r.relrowsecurity, r.relforcerowsecurity),
               'access method', (SELECT m.amname FROM pg_catalog.pg_am m WHERE m.oid = r.relam),
               'tablespace', (SELECT t.spcname FROM pg_catalog.pg_tablespace t WHERE t.oid = r.reltablespace),
               'of type', CASE WHEN r.reloftype <> 0 THEN r.reloftype::regtype::text END,
               'inherits', (SELECT jsonb_agg(i.inhparent::regclass::text ORDER BY i.inhseqno)
                            FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.oid),
               'bound', pg_catalog.pg_get_expr(r.relpartbound, r.oid),
               'partition key', CASE WHEN r.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(r.oid) END,
               'query', CASE WHEN r.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(r.oid) END,
               'foreign', (SELECT jsonb_build_array(s.srvname, f.ftoptions)
                           FROM pg_catalog.pg_foreign_table f JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
                           WHERE f.ftrelid = r.oid))
    FROM relation r LEFT JOIN columns k ON k.relation = r.oid
    WHERE r.relkind IN ('r', 'p', 'f', 'v', 'm')
  UNION ALL -- sequences: what they are, never where they stand
    SELECT 'sequence ' || r.name, 'pg_catalog.pg_class'::regclass, r.oid, r.relowner,
           coalesce(r.relacl, acldefault('s', r.relowner)),
           jsonb_build_array(q.seqtypid::regtype::text, q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
               q.seqcycle, r.relpersistence,
               (SELECT jsonb_agg(jsonb_build_array(d.refobjid::regclass::text, a.attname))
                FROM pg_catalog.pg_depend d
                JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i')
                  AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0))
    FROM relation r JOIN pg_catalog.pg_sequence q ON q.seqrelid = r.oid
  UNION ALL
    SELECT 'index ' || i.name, 'pg_catalog.pg_class'::regclass, i.oid, NULL, NULL,
           jsonb_build_array(pg_catalog.pg_get_indexdef(x.indexrelid), x.indisvalid, x.indisready, x.indisclustered,
               x.indisreplident, (SELECT t.spcname FROM pg_catalog.pg_tablespace t WHERE t.oid = i.reltablespace),
               (SELECT jsonb_agg(h.inhparent::regclass::text) FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.oid),
               (SELECT jsonb_agg(jsonb_build_array(a.attnum, a.attstattarget) ORDER BY a.attnum)
                FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.oid AND a.attstattarget >= 0))
    FROM pg_catalog.pg_index x
    JOIN relation i ON i.oid = x.indexrelid
    JOIN relation r ON r.oid = x.indrelid
  UNION ALL -- with the state of the triggers that enforce it: DISABLE TRIGGER ALL turns a foreign key off
    SELECT 'constraint ' || r.name || '.' || quote_ident(c.conname), 'pg_catalog.pg_constraint'::regclass, c.oid,
           NULL, NULL,
           jsonb_build_array(pg_catalog.pg_get_constraintdef(c.oid), c.convalidated, c.conislocal, c.coninhcount,
               c.connoinherit,
               (SELECT jsonb_agg(DISTINCT t.tgenabled) FROM pg_catalog.pg_trigger t
                WHERE t.tgconstraint = c.oid AND t.tgisinternal))
    FROM pg_catalog.pg_constraint c JOIN relation r ON r.oid = c.conrelid
  UNION ALL
    SELECT 'trigger ' || r.name || '.' || quote_ident(t.tgname), 'pg_catalog.pg_trigger'::regclass, t.oid, NULL, NULL,
           jsonb_build_array(pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled)
    FROM pg_catalog.pg_trigger t JOIN relation r ON r.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND t.tgname NOT LIKE 'teal\_%'
  UNION ALL
    SELECT 'rule ' || r.name || '.' || quote_ident(u.rulename), 'pg_catalog.pg_rewrite'::regclass, u.oid, NULL, NULL,
           jsonb_build_array(pg_catalog.pg_get_ruledef(u.oid), u.ev_enabled)
    FROM pg_catalog.pg_rewrite u JOIN relation r ON r.oid = u.ev_class
    WHERE u.rulename <> '_RETURN'
  UNION ALL
    SELECT 'policy ' || r.name || '.' || quote_ident(p.polname), 'pg_catalog.pg_policy'::regclass, p.oid, NULL, NULL,
           jsonb_build_array(p.polcmd, p.polpermissive,
               (SELECT jsonb_agg(m.name ORDER BY m.name COLLATE "C")
                FROM unnest(p.polroles) g,
                     LATERAL (SELECT CASE g WHEN 0 THEN 'public' ELSE pg_get_userbyid(g)::text END) m (name)),
               pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_catalog.pg_policy p JOIN relation r ON r.oid = p.polrelid
  UNION ALL
    SELECT 'statistics ' || format('%I.%I', s.name, x.stxname), 'pg_catalog.pg_statistic_ext'::regclass, x.oid,
           x.stxowner, NULL,
           jsonb_build_array(pg_catalog.pg_get_statisticsobjdef(x.oid), nullif(x.stxstattarget, -1))
    FROM pg_catalog.pg_statistic_ext x JOIN user_schema s ON s.oid = x.stxnamespace
  UNION ALL
    SELECT CASE p.prokind WHEN 'a' THEN 'aggregate ' WHEN 'p' THEN 'procedure ' ELSE 'function ' END
               || p.oid::regprocedure::text,
           'pg_catalog.pg_proc'::regclass, p.oid, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)),
           CASE WHEN p.prokind <> 'a' THEN to_jsonb(pg_catalog.pg_get_functiondef(p.oid))
                ELSE (SELECT jsonb_build_array(pg_catalog.pg_get_function_arguments(p.oid), p.prorettype::regtype::text,
                                 p.proparallel, g.aggkind, g.aggtransfn::text, g.aggfinalfn::text, g.aggcombinefn::text,
                                 g.aggserialfn::text, g.aggdeserialfn::text, g.aggmtransfn::text,
                                 g.aggminvtransfn::text, g.aggmfinalfn::text, g.aggfinalmodify, g.aggmfinalmodify,
                                 g.aggtranstype::regtype::text, g.aggmtranstype::regtype::text, g.agginitval,
                                 g.aggminitval, g.aggsortop::regoperator::text)
                      FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid) END
    FROM pg_catalog.pg_proc p JOIN user_schema s ON s.oid = p.pronamespace
  UNION ALL -- types that somebody made: no rows of tables, arrays, multiranges
    SELECT CASE t.typtype WHEN 'd' THEN 'domain ' WHEN 'e' THEN 'enum ' ELSE 'type ' END || t.oid::regtype::text,
           'pg_catalog.pg_type'::regclass, t.oid, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner)),
           jsonb_build_object(
               'facts', jsonb_build_array(t.typtype, t.typcategory, t.typispreferred, t.typisdefined, t.typdelim,
                   t.typlen, t.typalign, t.typstorage, t.typnotnull, t.typdefault, t.typcollation::regcollation::text,
                   pg_catalog.format_type(nullif(t.typbasetype, 0), t.typtypmod), t.typinput::text, t.typoutput::text),
               'labels', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder)
                          FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid),
               'columns', k.definition,
               'range', (SELECT jsonb_build_array(g.rngsubtype::regtype::text, g.rngcollation::regcollation::text,
                                    g.rngcanonical::text, g.rngsubdiff::text)
                         FROM pg_catalog.pg_range g WHERE g.rngtypid = t.oid),
               'constraints', (SELECT jsonb_agg(jsonb_build_array(c.conname, pg_catalog.pg_get_constraintdef(c.oid),
                                                    c.convalidated) ORDER BY c.conname)
                               FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid))
    FROM pg_catalog.pg_type t
    JOIN user_schema s ON s.oid = t.typnamespace
    LEFT JOIN columns k ON k.relation = t.typrelid
    WHERE t.typtype <> 'm'
      AND (t.typrelid = 0 OR EXISTS (SELECT FROM relation r WHERE r.oid = t.typrelid AND r.relkind = 'c'))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
  UNION ALL
    SELECT 'collation ' || format('%I.%I', s.name, c.collname), 'pg_catalog.pg_collation'::regclass, c.oid,
           c.collowner, NULL, to_jsonb(c) - '{oid,collnamespace,collowner,collversion}'::text[]
    FROM pg_catalog.pg_collation c JOIN user_schema s ON s.oid = c.collnamespace
  UNION ALL
    SELECT 'operator ' || o.oid::regoperator::text, 'pg_catalog.pg_operator'::regclass, o.oid, o.oprowner, NULL,
           jsonb_build_array(o.oprcode::text, o.oprresult::regtype::text, o.oprcom::regoperator::text,
               o.oprnegate::regoperator::text, o.oprrest::text, o.oprjoin::text, o.oprcanhash, o.oprcanmerge)
    FROM pg_catalog.pg_operator o JOIN user_schema s ON s.oid = o.oprnamespace
  UNION ALL
    SELECT 'operator class ' || format('%I.%I', s.name, o.opcname) || ' using ' || m.amname,
           'pg_catalog.pg_opclass'::regclass, o.oid, o.opcowner, NULL,
           jsonb_build_array(o.opcintype::regtype::text, o.opckeytype::regtype::text, o.opcdefault)
    FROM pg_catalog.pg_opclass o
    JOIN user_schema s ON s.oid = o.opcnamespace
    JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
  UNION ALL -- with its members, also those that came later
    SELECT 'operator family ' || format('%I.%I', s.name, f.opfname) || ' using ' || m.amname,
           'pg_catalog.pg_opfamily'::regclass, f.oid, f.opfowner, NULL,
           jsonb_build_array(
               (SELECT jsonb_agg(jsonb_build_array(o.amopstrategy, o.amopopr::regoperator::text, o.amoppurpose)
                                 ORDER BY o.amopstrategy, o.amopopr::regoperator::text COLLATE "C")
                FROM pg_catalog.pg_amop o WHERE o.amopfamily = f.oid),
               (SELECT jsonb_agg(jsonb_build_array(p.amprocnum, p.amproc::regprocedure::text)
                                 ORDER BY p.amprocnum, p.amproc::regprocedure::text COLLATE "C")
                FROM pg_catalog.pg_amproc p WHERE p.amprocfamily = f.oid))
    FROM pg_catalog.pg_opfamily f
    JOIN user_schema s ON s.oid = f.opfnamespace
    JOIN pg_catalog.pg_am m ON m.oid = f.opfmethod
  UNION ALL
    SELECT 'conversion ' || format('%I.%I', s.name, c.conname), 'pg_catalog.pg_conversion'::regclass, c.oid, c.conowner,
           NULL, jsonb_build_array(pg_catalog.pg_encoding_to_char(c.conforencoding),
               pg_catalog.pg_encoding_to_char(c.contoencoding), c.conproc::text, c.condefault)
    FROM pg_catalog.pg_conversion c JOIN user_schema s ON s.oid = c.connamespace
  UNION ALL
    SELECT 'transform for ' || t.trftype::regtype::text || ' language ' || quote_ident(l.lanname),
           'pg_catalog.pg_transform'::regclass, t.oid, NULL, NULL,
           jsonb_build_array(t.trffromsql::regprocedure::text, t.trftosql::regprocedure::text)
    FROM pg_catalog.pg_transform t JOIN pg_catalog.pg_language l ON l.oid = t.trflang
  UNION ALL
    SELECT 'access method ' || quote_ident(m.amname), 'pg_catalog.pg_am'::regclass, m.oid, NULL, NULL,
           jsonb_build_array(m.amtype, m.amhandler::text)
    FROM pg_catalog.pg_am m WHERE m.oid >= 16384
  UNION ALL
    SELECT 'text search parser ' || format('%I.%I', s.name, p.prsname), 'pg_catalog.pg_ts_parser'::regclass, p.oid, NULL,
           NULL, jsonb_build_array(p.prsstart::text, p.prstoken::text, p.prsend::text, p.prsheadline::text,
               p.prslextype::text)
    FROM pg_catalog.pg_ts_parser p JOIN user_schema s ON s.oid = p.prsnamespace
  UNION ALL
    SELECT 'text search template ' || format('%I.%I', s.name, t.tmplname), 'pg_catalog.pg_ts_template'::regclass, t.oid,
           NULL, NULL, jsonb_build_array(t.tmplinit::text, t.tmpllexize::text)
    FROM pg_catalog.pg_ts_template t JOIN user_schema s ON s.oid = t.tmplnamespace
  UNION ALL -- never their options: passwords, and not everybody sees them
    SELECT 'user mapping for ' || quote_ident(m.usename) || ' on server ' || quote_ident(m.srvname),
           'pg_catalog.pg_user_mapping'::regclass, m.umid, NULL, NULL, '[]'
    FROM pg_catalog.pg_user_mappings m
  UNION ALL -- the system's own casts have OIDs below FirstNormalObjectId (access/transam.h)
    SELECT 'cast ' || c.castsource::regtype::text || ' as ' || c.casttarget::regtype::text,
           'pg_catalog.pg_cast'::regclass, c.oid, NULL, NULL,
           jsonb_build_array(c.castfunc::regprocedure::text, c.castcontext, c.castmethod)
    FROM pg_catalog.pg_cast c WHERE c.oid >= 16384
  UNION ALL
    SELECT 'text search configuration ' || format('%I.%I', s.name, c.cfgname), 'pg_catalog.pg_ts_config'::regclass,
           c.oid, c.cfgowner, NULL,
           jsonb_build_array((SELECT p.prsname FROM pg_catalog.pg_ts_parser p WHERE p.oid = c.cfgparser),
               (SELECT jsonb_agg(jsonb_build_array(m.maptokentype, m.mapdict::regdictionary::text)
                                 ORDER BY m.maptokentype, m.mapseqno)
                FROM pg_catalog.pg_ts_config_map m WHERE m.mapcfg = c.oid))
    FROM pg_catalog.pg_ts_config c JOIN user_schema s ON s.oid = c.cfgnamespace
  UNION ALL
    SELECT 'text search dictionary ' || format('%I.%I', s.name, d.dictname), 'pg_catalog.pg_ts_dict'::regclass, d.oid,
           d.dictowner, NULL,
           jsonb_build_array((SELECT t.tmplname FROM pg_catalog.pg_ts_template t WHERE t.oid = d.dicttemplate),
               d.dictinitoption)
    FROM pg_catalog.pg_ts_dict d JOIN user_schema s ON s.oid = d.dictnamespace
  UNION ALL
    SELECT 'extension ' || quote_ident(e.extname), 'pg_catalog.pg_extension'::regclass, e.oid, e.extowner, NULL,
           jsonb_build_array(e.extversion, e.extnamespace::regnamespace::text,
               (SELECT jsonb_agg(t.oid::regclass::text ORDER BY t.position)
                FROM unnest(e.extconfig) WITH ORDINALITY t (oid, position)), e.extcondition)
    FROM pg_catalog.pg_extension e
  UNION ALL
    SELECT 'language ' || quote_ident(l.lanname), 'pg_catalog.pg_language'::regclass, l.oid, l.lanowner,
           coalesce(l.lanacl, acldefault('l', l.lanowner)), jsonb_build_array(l.lanpltrusted, l.lanplcallfoid::regproc::text)
    FROM pg_catalog.pg_language l WHERE l.oid >= 16384
  UNION ALL
    SELECT 'foreign data wrapper ' || quote_ident(w.fdwname), 'pg_catalog.pg_foreign_data_wrapper'::regclass, w.oid,
           w.fdwowner, coalesce(w.fdwacl, acldefault('F', w.fdwowner)),
           jsonb_build_array(w.fdwhandler::regproc::text, w.fdwvalidator::regproc::text, w.fdwoptions)
    FROM pg_catalog.pg_foreign_data_wrapper w
  UNION ALL
    SELECT 'server ' || quote_ident(v.srvname), 'pg_catalog.pg_foreign_server'::regclass, v.oid, v.srvowner,
           coalesce(v.srvacl, acldefault('S', v.srvowner)),
           jsonb_build_array(w.fdwname, v.srvtype, v.srvversion,
               (SELECT jsonb_agg(o ORDER BY o COLLATE "C") FROM unnest(v.srvoptions) o))
    FROM pg_catalog.pg_foreign_server v JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = v.srvfdw
  UNION ALL
    SELECT 'event trigger ' || quote_ident(t.evtname), 'pg_catalog.pg_event_trigger'::regclass, t.oid, t.evtowner,
           NULL, jsonb_build_array(t.evtevent, t.evtfoid::regprocedure::text, t.evtenabled, t.evttags)
    FROM pg_catalog.pg_event_trigger t WHERE t.evtname NOT LIKE 'teal\_%'
  UNION ALL -- to_jsonb: columns differ between majors; attnames are all columns where the publication lists none
    SELECT 'publication ' || quote_ident(p.pubname), 'pg_catalog.pg_publication'::regclass, p.oid, p.pubowner, NULL,
           jsonb_build_array(to_jsonb(p) - '{oid,pubowner}'::text[],
               CASE WHEN NOT p.puballtables THEN
                   (SELECT jsonb_agg(to_jsonb(t) - 'attnames' ORDER BY t.schemaname, t.tablename)
                    FROM pg_catalog.pg_publication_tables t WHERE t.pubname = p.pubname) END,
               (SELECT jsonb_agg(to_jsonb(r) -> 'prattrs' ORDER BY r.prrelid::regclass::text COLLATE "C")
                FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid))
    FROM pg_catalog.pg_publication p WHERE p.pubname NOT LIKE 'teal\_%'
  UNION ALL
    SELECT 'default privileges of ' || quote_ident(pg_get_userbyid(a.defaclrole)) || ' for ' || a.defaclobjtype::text
               || coalesce(' in ' || quote_ident(s.name), ''),
           'pg_catalog.pg_default_acl'::regclass, a.oid, NULL, a.defaclacl, '[]'
    FROM pg_catalog.pg_default_acl a LEFT JOIN user_schema s ON s.oid = a.defaclnamespace
    WHERE a.defaclnamespace = 0 OR s.oid IS NOT NULL
)
SELECT p.object,
       encode(sha256(convert_to(jsonb_build_array(
           p.definition, pg_get_userbyid(p.owner),
           (SELECT jsonb_agg(g::text ORDER BY g::text COLLATE "C") FROM unnest(p.acl) g),
           (SELECT jsonb_agg(jsonb_build_array(a.attname, d.description) ORDER BY a.attname, d.description)
            FROM pg_catalog.pg_description d
            LEFT JOIN pg_catalog.pg_attribute a
                ON d.objsubid > 0 AND a.attrelid = d.objoid AND a.attnum = d.objsubid
            WHERE d.classoid = p.classid AND d.objoid = p.objid),
           (SELECT jsonb_agg(jsonb_build_array(l.objsubid, l.provider, l.label) ORDER BY l.objsubid, l.provider)
            FROM pg_catalog.pg_seclabel l WHERE l.classoid = p.classid AND l.objoid = p.objid)
       )::text, 'UTF8')), 'hex') AS digest
FROM part p
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = p.classid AND d.objid = p.objid AND d.deptype = 'e')
ORDER BY p.object COLLATE "C"
