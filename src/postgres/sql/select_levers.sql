-- no parameters; the levers in the order in which they were turned, times in microseconds since 1970
SELECT name,
       (extract(epoch FROM turning_at) * 1000000)::int8 AS turning_at,
       (extract(epoch FROM turned_at) * 1000000)::int8 AS turned_at,
       (extract(epoch FROM back_at) * 1000000)::int8 AS back_at
FROM teal.lever
ORDER BY turning_at, name
