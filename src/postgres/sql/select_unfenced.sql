-- schemas text[], tables text[] (pairs), $3 text: trigger name; those of them that carry no trigger of the fence that always fires
SELECT t.schema, t.relation AS name
FROM unnest($1::text[], $2::text[]) t (schema, relation)
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
    JOIN pg_catalog.pg_trigger g ON g.tgrelid = c.oid
    WHERE n.nspname = t.schema AND c.relname = t.relation AND g.tgname = $3 AND g.tgenabled = 'A'
      AND g.tgfoid = pg_catalog.to_regproc('teal.pass_fence')
)
