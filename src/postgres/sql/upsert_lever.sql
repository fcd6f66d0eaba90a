-- $1 name text; a lever is about to be turned: one that was begun already counts from then, one that was back anew
INSERT INTO teal.lever AS l (name, turning_at) VALUES ($1, pg_catalog.clock_timestamp())
ON CONFLICT (name) DO UPDATE SET
    turning_at = CASE WHEN l.back_at IS NULL THEN l.turning_at ELSE excluded.turning_at END,
    turned_at = NULL, back_at = NULL
