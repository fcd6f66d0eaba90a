-- The applications that may ask for tokens.
CREATE TABLE oauth_client (
    id            text PRIMARY KEY,
    name          text NOT NULL,
    secret_hash   text,
    auth_method   text NOT NULL DEFAULT 'client_secret_basic',
    redirect_uris text NOT NULL,
    scope         text NOT NULL,
    metadata      jsonb NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN oauth_client.secret_hash IS 'NULL: a public client; it proves itself by PKCE';
COMMENT ON COLUMN oauth_client.redirect_uris IS 'separated by one space';
