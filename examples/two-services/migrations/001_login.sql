ALTER TABLE session RENAME TO login;
ALTER TABLE login ADD COLUMN ended_at timestamptz;
UPDATE login SET ended_at = now() WHERE NOT active;
ALTER TABLE login DROP COLUMN active;
CREATE TABLE login_device (login_id bigint REFERENCES login, device text NOT NULL);
