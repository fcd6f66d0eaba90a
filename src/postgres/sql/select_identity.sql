-- no parameters; which server and history this is: system_identifier bigint, timeline int, checksums text, lc_messages text
SELECT s.system_identifier, c.timeline_id AS timeline,
       pg_catalog.current_setting('data_checksums') AS checksums, pg_catalog.current_setting('lc_messages') AS lc_messages
FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c
