-- {work}: the function's name; {table}, {column}, {shadow}, {trigger}: text literals; {known} text[]: the column's dependents as pg_identify_object has them; {old}, {new} name[]: constraints and what they are called on the shadow; {default} boolean: whether the shadow takes the column's default
CREATE FUNCTION {work}(swap boolean) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $teal$
-- Before anything is done, and again under the lock of the swap: what the catalog knows of the column is what this file was
-- rewritten for, so that nothing goes in silence with the old column.
DECLARE
  tab CONSTANT regclass := {table}::regclass;
  col CONSTANT name := {column};
  shadow CONSTANT name := {shadow};
  known CONSTANT text[] := {known};
  old CONSTANT name[] := {old};
  new CONSTANT name[] := {new};
  had pg_attribute;
  one record;
  defs text[];
  wrong text;
BEGIN
  SELECT * INTO STRICT had FROM pg_attribute WHERE attrelid = tab AND attname = col AND NOT attisdropped;
  WITH dependent AS (
    SELECT DISTINCT i.type || ' ' || i.identity AS what, d.classid, d.objid
    FROM pg_depend d, pg_identify_object(d.classid, d.objid, d.objsubid) i
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = tab AND d.refobjsubid = had.attnum
      AND NOT EXISTS (SELECT FROM pg_attrdef a WHERE d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid AND a.adnum = had.attnum)
      AND NOT (i.type = 'sequence' AND d.deptype = 'a')
  ), amiss AS (
    SELECT what FROM dependent WHERE what <> ALL (known)
    UNION ALL SELECT k || ', which is not there' FROM unnest(known) k WHERE k NOT IN (SELECT what FROM dependent)
    UNION ALL SELECT 'the comment of ' || what FROM dependent
      WHERE EXISTS (SELECT FROM pg_description c WHERE c.classoid = dependent.classid AND c.objoid = dependent.objid)
    UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgrelid = tab AND NOT tgisinternal AND tgname <> {trigger}
    UNION ALL SELECT 'rule ' || rulename FROM pg_rewrite WHERE ev_class = tab
    UNION ALL SELECT 'publication ' || pubname FROM pg_publication_tables, pg_class c
      WHERE c.oid = tab AND schemaname = c.relnamespace::regnamespace::name AND tablename = c.relname
    UNION ALL SELECT 'inheritance or partitioning' FROM pg_inherits WHERE tab IN (inhrelid, inhparent)
    UNION ALL SELECT 'a table of another kind' FROM pg_class
      WHERE oid = tab AND (relkind <> 'r' OR relforcerowsecurity OR reloftype <> 0)
    UNION ALL SELECT 'an identity or a generated column' WHERE had.attidentity <> '' OR had.attgenerated <> ''
    UNION ALL SELECT 'STORAGE or COMPRESSION' FROM pg_type
      WHERE oid = had.atttypid AND (typstorage <> had.attstorage OR had.attcompression <> '')
    UNION ALL SELECT 'index ' || indexrelid::regclass || ', replica identity or cluster' FROM pg_index
      WHERE indrelid = tab AND (indisreplident OR indisclustered) AND had.attnum = ANY (indkey)
    UNION ALL SELECT 'a security label' FROM pg_seclabel WHERE objoid = tab AND objsubid = had.attnum
  )
  SELECT string_agg(what, '; ' ORDER BY what) INTO wrong FROM amiss;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'no column takes the place of %.%: %', tab, quote_ident(col), wrong
      USING HINT = 'Nothing is lost. Take away what is named there, or rewrite the file again with a --schema that has it.';
  END IF;

  IF NOT swap THEN
    IF {default} AND had.atthasdef THEN
      SELECT pg_get_expr(adbin, adrelid) INTO wrong FROM pg_attrdef WHERE adrelid = tab AND adnum = had.attnum;
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', tab, shadow, wrong);
    END IF;
    -- Their words stay as they are: for a moment the shadow has the column's name.
    SELECT array_agg(regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', '') ORDER BY o.n) INTO defs
      FROM unnest(old) WITH ORDINALITY o (name, n) JOIN pg_constraint c ON c.conrelid = tab AND c.conname = o.name;
    EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO teal_old', tab, col);
    EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', tab, shadow, col);
    FOR one IN SELECT d, n FROM unnest(defs, new) x (d, n) LOOP
      EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', tab, one.n, one.d);
    END LOOP;
    EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', tab, col, shadow);
    EXECUTE format('ALTER TABLE %s RENAME COLUMN teal_old TO %I', tab, col);
    RETURN;
  END IF;

  EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', tab, shadow, col_description(tab, had.attnum));
  IF had.attstattarget >= 0 THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', tab, shadow, had.attstattarget);
  END IF;
  IF had.attoptions IS NOT NULL THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET (%s)', tab, shadow, array_to_string(had.attoptions, ', '));
  END IF;
  FOR one IN SELECT privilege_type AS may, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS who,
      CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS further FROM aclexplode(had.attacl) LOOP
    EXECUTE format('GRANT %s (%I) ON %s TO %s%s', one.may, shadow, tab, one.who, one.further);
  END LOOP;
  -- A sequence goes with the column that owns it.
  FOR one IN SELECT objid::regclass AS sequence FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'a'
      AND refclassid = 'pg_class'::regclass AND refobjid = tab AND refobjsubid = had.attnum
      AND objid IN (SELECT oid FROM pg_class WHERE relkind = 'S') LOOP
    EXECUTE format('ALTER SEQUENCE %s OWNED BY %s.%I', one.sequence, tab, shadow);
  END LOOP;
END $teal$
