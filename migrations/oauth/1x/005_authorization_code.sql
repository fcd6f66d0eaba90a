-- The short-lived code that an application exchanges for its first tokens, once.
CREATE TABLE authorization_code (
    code_hash    text PRIMARY KEY,
    consent_id   bigint NOT NULL REFERENCES consent (id) ON DELETE CASCADE,
    redirect_uri text NOT NULL,
    challenge    text,
    used         boolean NOT NULL DEFAULT false,
    issued_at    timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);

CREATE INDEX authorization_code_consent_id_idx ON authorization_code (consent_id);
