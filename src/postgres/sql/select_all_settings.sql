-- no parameters; every setting as a new session of our role begins with it: name text, value text, unit text,
-- source text, settable boolean (by ALTER DATABASE), about text (its category)
SELECT s.name, s.reset_val AS value, coalesce(s.unit, '') AS unit, s.source,
       s.context IN ('user', 'superuser', 'backend') AS settable, s.category AS about
FROM pg_catalog.pg_settings s
WHERE s.reset_val IS NOT NULL
ORDER BY s.name
