-- What an application exchanges for its next tokens, once: a token shown twice was stolen.
CREATE TYPE refresh_status AS ENUM ('unused', 'used', 'revoked');

CREATE TABLE refresh_token (
    id                bigserial PRIMARY KEY,
    signature         text NOT NULL UNIQUE,
    consent_id        bigint NOT NULL REFERENCES consent (id) ON DELETE CASCADE,
    status            refresh_status NOT NULL DEFAULT 'unused',
    issued_at         timestamptz NOT NULL DEFAULT now(),
    status_changed_at timestamptz
);

CREATE INDEX refresh_token_consent_id_idx ON refresh_token (consent_id);
