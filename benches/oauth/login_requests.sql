-- $1 bigint: requests, one of a session where there are enough; some 5 kB each that do not compress much
INSERT INTO login_request (session_id, client_id, payload, requested_at)
SELECT s.id,
       'app-1',
       jsonb_build_object('request', (SELECT string_agg(encode(sha512(convert_to(s.n || '/' || k, 'UTF8')), 'base64'), '')
                                      FROM generate_series(1, 60) AS k)),
       s.authenticated_at
FROM (SELECT id, authenticated_at, row_number() OVER (ORDER BY id) AS n FROM login_session) AS s
WHERE s.n <= $1::bigint
