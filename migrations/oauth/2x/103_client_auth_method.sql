-- A closed list of ways for a client to prove itself, and a kind that no longer hides in a NULL secret.
CREATE TYPE client_auth_method AS ENUM ('client_secret_basic', 'client_secret_post', 'none');

ALTER TABLE oauth_client
    ALTER COLUMN auth_method DROP DEFAULT,
    ALTER COLUMN auth_method TYPE client_auth_method USING auth_method::client_auth_method,
    ALTER COLUMN auth_method SET DEFAULT 'client_secret_basic',
    ADD COLUMN public boolean NOT NULL DEFAULT false;

UPDATE oauth_client SET public = secret_hash IS NULL;

ALTER TABLE oauth_client ADD CONSTRAINT oauth_client_secret CHECK (public = (secret_hash IS NULL));
