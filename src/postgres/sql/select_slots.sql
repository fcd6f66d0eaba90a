-- no parameters; replication slots of this server: name text, kind text, here boolean (of this database or physical),
-- active boolean, held_bytes bigint (of log), xmin_age int
SELECT s.slot_name::text AS name, s.slot_type AS kind,
       s.database IS NULL OR s.database = pg_catalog.current_database() AS here, s.active,
       coalesce(pg_catalog.pg_wal_lsn_diff(
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END, s.restart_lsn), 0)::bigint AS held_bytes,
       greatest(age(s.xmin), age(s.catalog_xmin), 0) AS xmin_age
FROM pg_catalog.pg_replication_slots s
WHERE NOT s.temporary
ORDER BY s.slot_name
