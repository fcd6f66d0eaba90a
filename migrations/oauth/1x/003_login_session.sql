-- A person who has logged in. Logging out deletes the row, and with it all that was granted under it.
CREATE TABLE login_session (
    id               uuid PRIMARY KEY,
    subject          text NOT NULL,
    user_agent       text,
    ip               inet,
    remember         boolean NOT NULL DEFAULT false,
    authenticated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX login_session_subject_idx ON login_session (subject, authenticated_at DESC);
