-- no parameters; what tells of the server's machine and of what a session may take there: name text, value text, source text
SELECT s.name, s.reset_val AS value, s.source
FROM pg_catalog.pg_settings s
WHERE s.name IN ('block_size', 'shared_buffers', 'effective_cache_size', 'maintenance_work_mem',
                 'max_parallel_maintenance_workers', 'max_parallel_workers', 'max_worker_processes',
                 -- not told to everybody
                 'data_directory', 'port')
