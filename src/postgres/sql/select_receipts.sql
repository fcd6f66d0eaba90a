-- no parameters; in place: each migration step that has left a receipt, whether all of it is in, how many parts are, and how
-- many were begun outside a transaction and never said to be done
SELECT r.step, bool_or(r.whole) AS whole, sum(r.part) AS done, sum(r.begun) AS begun
FROM (
    SELECT m.step, true AS whole, 0 AS part, 0 AS begun FROM teal.migrated m
    UNION ALL
    SELECT p.step, false, p.done::int, (NOT p.done)::int FROM teal.piece p
) r
GROUP BY r.step
ORDER BY r.step
