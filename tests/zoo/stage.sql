-- What the plan's event is about.
CREATE SCHEMA stage;
CREATE TABLE stage.token (id int PRIMARY KEY, active boolean NOT NULL);
INSERT INTO stage.token VALUES (1, true), (2, false);
