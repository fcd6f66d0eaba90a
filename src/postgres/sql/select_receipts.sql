-- no parameters; in place: each migration step that has left a receipt, whether all of it is in, and how many parts are
SELECT r.step, bool_or(r.whole) AS whole, sum(r.part) AS done
FROM (
    SELECT m.step, true AS whole, 0 AS part FROM teal.migrated m
    UNION ALL
    SELECT p.step, false, p.done::int FROM teal.piece p
) r
GROUP BY r.step
ORDER BY r.step
