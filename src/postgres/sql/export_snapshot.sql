-- no parameters; one row: the exported snapshot's id, the snapshot as text, the log position after it
SELECT pg_catalog.pg_export_snapshot() AS snapshot,
       pg_catalog.pg_current_snapshot()::text AS visible,
       pg_catalog.pg_current_wal_insert_lsn()::text AS lsn
