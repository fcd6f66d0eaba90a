-- $1 names text[]; those that this database has no collation for: name text
SELECT n.name FROM unnest($1::text[]) n (name)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_collation c
                  WHERE c.collname = n.name AND c.collnamespace = 'pg_catalog'::regnamespace
                    AND c.collencoding IN (-1, pg_catalog.pg_char_to_encoding(pg_catalog.getdatabaseencoding())))
ORDER BY n.name
