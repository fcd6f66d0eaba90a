-- One row per redirect URI, so that they can be looked up and constrained.
CREATE TABLE client_redirect_uri (
    client_id text NOT NULL REFERENCES oauth_client (id) ON DELETE CASCADE,
    position  integer NOT NULL,
    uri       text NOT NULL CHECK (uri ~ '^https?://'),
    PRIMARY KEY (client_id, position)
);

INSERT INTO client_redirect_uri (client_id, position, uri)
SELECT c.id, u.position, u.uri
FROM oauth_client c
CROSS JOIN LATERAL unnest(string_to_array(c.redirect_uris, ' ')) WITH ORDINALITY AS u (uri, position);

ALTER TABLE client_redirect_uri ADD CONSTRAINT client_redirect_uri_once UNIQUE (client_id, uri);
ALTER TABLE oauth_client DROP COLUMN redirect_uris;
