-- What an application shows to an API. Revoking clears "active".
CREATE TABLE access_token (
    signature  text PRIMARY KEY,
    consent_id bigint NOT NULL REFERENCES consent (id) ON DELETE CASCADE,
    client_id  text NOT NULL,
    scope      text NOT NULL,
    active     boolean NOT NULL DEFAULT true,
    issued_at  timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

COMMENT ON COLUMN access_token.signature IS 'SHA-256 of the token, in hex: the token itself is never stored';

CREATE INDEX access_token_consent_id_idx ON access_token (consent_id);
CREATE INDEX access_token_expires_at_idx ON access_token (expires_at) WHERE active;
