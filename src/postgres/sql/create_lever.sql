-- no parameters; the levers that runs have turned, on blue, where every machine finds them; safe to run again
CREATE TABLE IF NOT EXISTS teal.lever (
    name text PRIMARY KEY,
    turning_at timestamptz NOT NULL,
    turned_at timestamptz,
    back_at timestamptz
);
