-- :table name, :kind text, :version text, :description text, :script text, :checksum text, :ms int; as Flyway records it
INSERT INTO :table (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
SELECT coalesce(max(installed_rank), 0) + 1,
       CASE WHEN :kind::text = 'repeatable' THEN NULL ELSE :version::text END,
       :description::text,
       CASE WHEN :kind::text = 'baseline' THEN 'SQL_BASELINE' ELSE 'SQL' END,
       :script::text, :checksum::text::int, session_user, :ms::text::int, true
FROM :table
