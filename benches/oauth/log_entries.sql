-- $1 bigint: entries, spread over the four quarters of a year
INSERT INTO log_entry (at, subject, what)
SELECT timestamptz '2025-01-01' + interval '1 second' * (n * 31536000.0 / ($1::bigint + 1)),
       'user-' || n % 100003,
       'introspected ' || md5('entry ' || n)
FROM generate_series(1, $1::bigint) AS n
