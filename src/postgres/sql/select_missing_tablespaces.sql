-- names text[]; those that this server lacks: name text, quoted
SELECT quote_ident(n.name) AS name FROM unnest($1::text[]) n (name)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_tablespace t WHERE t.spcname = n.name)
