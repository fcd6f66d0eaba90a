-- $1 bigint: tokens; those of revoked consents are not active, nor is one in ten of the others
WITH numbered AS (
    SELECT c.*, row_number() OVER (ORDER BY c.id) - 1 AS position, count(*) OVER () AS consents FROM consent c
)
INSERT INTO access_token (signature, consent_id, client_id, scope, active, issued_at, expires_at)
SELECT encode(sha256(convert_to('access ' || n, 'UTF8')), 'hex'),
       c.id, c.client_id, c.scope, c.revoked_at IS NULL AND n % 10 > 0, c.granted_at, c.granted_at + interval '30 days'
FROM generate_series(1, $1::bigint) AS n
JOIN numbered c ON c.position = n % c.consents
