-- no parameters; counts of the outbox
SELECT count(*) AS captured,
       count(*) FILTER (WHERE taken_at IS NULL) AS waiting,
       coalesce(sum(pg_catalog.pg_column_size(e.*)) FILTER (WHERE taken_at IS NULL), 0)::bigint AS waiting_bytes,
       EXISTS (SELECT FROM teal.overflow) AS overflowed
FROM teal.event e
