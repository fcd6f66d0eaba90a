-- $1 statements text[]; keeps them unless some are kept already
INSERT INTO teal.before (position, sql)
SELECT s.position, s.sql FROM unnest($1::text[]) WITH ORDINALITY s (sql, position)
WHERE NOT EXISTS (SELECT FROM teal.before)
