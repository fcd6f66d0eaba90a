-- A grant says what it is, and its scopes are a list instead of a string that every reader splits.
CREATE TYPE grant_state AS ENUM ('granted', 'withdrawn');

ALTER TABLE oauth_grant RENAME COLUMN revoked_at TO withdrawn_at;
ALTER TABLE oauth_grant
    ADD COLUMN state grant_state NOT NULL DEFAULT 'granted',
    ADD COLUMN scopes text[];

UPDATE oauth_grant
SET state = CASE WHEN withdrawn_at IS NULL THEN 'granted' ELSE 'withdrawn' END::grant_state,
    scopes = string_to_array(scope, ' ');

ALTER TABLE oauth_grant
    ALTER COLUMN scopes SET NOT NULL,
    ADD CONSTRAINT oauth_grant_scopes CHECK (cardinality(scopes) > 0),
    ADD CONSTRAINT oauth_grant_withdrawn CHECK ((state = 'withdrawn') = (withdrawn_at IS NOT NULL)),
    DROP COLUMN scope;
