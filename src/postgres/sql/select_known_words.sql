-- $1 oid: table, $2 text: column; words that the column may take: labels of its enum, literals of its CHECK constraints
SELECT e.enumlabel::text AS word
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_enum e ON e.enumtypid = a.atttypid
WHERE a.attrelid = $1 AND a.attname = $2
UNION
SELECT m.found[1]
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_constraint c ON c.conrelid = a.attrelid AND c.contype = 'c' AND a.attnum = ANY (c.conkey),
     pg_catalog.regexp_matches(pg_catalog.pg_get_constraintdef(c.oid), '''([^'']*)''', 'g') m (found)
WHERE a.attrelid = $1 AND a.attname = $2
LIMIT 20
