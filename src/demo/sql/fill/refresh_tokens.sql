-- no parameters; one of each consent, one in seven used
INSERT INTO refresh_token (signature, consent_id, status, issued_at, status_changed_at)
SELECT encode(sha256(convert_to('refresh ' || c.id, 'UTF8')), 'hex'),
       c.id,
       CASE WHEN c.revoked_at IS NOT NULL THEN 'revoked' WHEN c.id % 7 = 0 THEN 'used' ELSE 'unused' END::refresh_status,
       c.granted_at,
       coalesce(c.revoked_at, CASE WHEN c.id % 7 = 0 THEN c.granted_at + interval '1 day' END)
FROM consent c
