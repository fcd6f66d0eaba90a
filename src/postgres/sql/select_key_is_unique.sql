-- table oid, columns text[]; whether equal values in these columns mean the same row: some whole, valid, immediate
-- unique index lies within them
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_index x
    WHERE x.indrelid = $1 AND x.indisunique AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL
      AND NOT EXISTS (
          SELECT FROM unnest(x.indkey::int2[]) WITH ORDINALITY k (attnum, position)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
          WHERE k.position <= x.indnkeyatts AND a.attname <> ALL ($2::text[])))
