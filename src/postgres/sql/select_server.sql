-- no parameters; one row of facts about this server and this database
SELECT pg_catalog.current_setting('server_version_num')::int AS version_num,
       pg_catalog.current_setting('server_version') AS version,
       extract(epoch FROM pg_catalog.pg_postmaster_start_time())::bigint AS started_at,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('max_connections')::int AS max_connections,
       -- reserved_connections came with 16
       pg_catalog.current_setting('superuser_reserved_connections')::int
           + coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0) AS reserved_connections,
       (SELECT sum(s.numbackends)::int FROM pg_catalog.pg_stat_database s) AS used_connections,
       pg_catalog.current_setting('max_locks_per_transaction')::int AS max_locks_per_transaction,
       pg_catalog.current_setting('max_prepared_transactions')::int AS max_prepared_transactions,
       pg_catalog.pg_database_size(d.oid) AS database_bytes,
       d.oid AS database_oid,
       pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
       d.datcollate::text AS collate,
       d.datctype::text AS ctype,
       -- columns that came with 15 and changed their names in 17
       coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')
           || coalesce(':' || coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'), '')
           AS locale_provider,
       r.rolsuper AS superuser,
       -- CONNECTION LIMIT does not bind superusers; least() passes over NULLs
       CASE WHEN NOT r.rolsuper THEN least(
           CASE WHEN d.datconnlimit >= 0 THEN d.datconnlimit - (
               SELECT count(*) FROM pg_catalog.pg_stat_activity a
               WHERE a.datid = d.oid AND a.backend_type = 'client backend') END,
           CASE WHEN r.rolconnlimit >= 0 THEN r.rolconnlimit - (
               SELECT count(*) FROM pg_catalog.pg_stat_activity a
               WHERE a.usesysid = r.oid AND a.backend_type = 'client backend') END) END::int AS left_by_limit,
       r.rolsuper OR r.rolbypassrls AS bypasses_row_security
FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
WHERE d.datname = pg_catalog.current_database() AND r.rolname = current_user
