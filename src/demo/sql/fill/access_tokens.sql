-- $1 bigint: tokens, $2 bigint: consents, their ids from 1 on; those of revoked consents are not active, nor is one in
-- ten of the others
INSERT INTO access_token (signature, consent_id, client_id, scope, active, issued_at, expires_at)
SELECT encode(sha256(convert_to('access ' || n, 'UTF8')), 'hex'),
       c.id, c.client_id, c.scope, c.revoked_at IS NULL AND n % 10 > 0, c.granted_at, c.granted_at + interval '30 days'
FROM generate_series(1, $1::bigint) AS n
JOIN consent c ON c.id = 1 + n % $2::bigint
