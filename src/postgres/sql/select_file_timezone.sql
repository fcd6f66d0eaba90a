-- no parameters; the time zone that the server's own files set; fails for those who may not read pg_file_settings: value text
SELECT f.setting AS value FROM pg_catalog.pg_file_settings f
WHERE pg_catalog.lower(f.name) = 'timezone' AND f.applied
