-- Inheritance: several parents, local and inherited columns and constraints, typed tables.
CREATE SCHEMA inheritance;
SET search_path = inheritance;
CREATE TABLE animal (id int PRIMARY KEY, name text NOT NULL DEFAULT 'nobody', CONSTRAINT named CHECK (name <> ''));
CREATE TABLE swimmer (depth int, name text, CONSTRAINT wet CHECK (depth >= 0));
CREATE TABLE fish (fins int, depth int DEFAULT 5, CONSTRAINT wet CHECK (depth >= 0)) INHERITS (animal, swimmer);
CREATE TABLE shark (teeth int) INHERITS (fish);
CREATE TABLE adopted (id int NOT NULL, name text NOT NULL, extra int, CONSTRAINT named CHECK (name <> ''));
ALTER TABLE adopted INHERIT animal;
ALTER TABLE shark ALTER name SET DEFAULT 'shark';
INSERT INTO animal VALUES (1, 'a');
INSERT INTO swimmer VALUES (3, 's');
INSERT INTO fish VALUES (2, 'f', 10, 4);
INSERT INTO shark (id, teeth) VALUES (3, 300);
INSERT INTO adopted VALUES (4, 'x', 5);
CREATE TABLE left_alone (a int, b int);
CREATE TABLE orphan (c int) INHERITS (left_alone);
INSERT INTO orphan VALUES (1, 2, 3);
ALTER TABLE orphan NO INHERIT left_alone;

CREATE TYPE address AS (street text, "no" int);
CREATE TABLE house OF address ("no" WITH OPTIONS PRIMARY KEY DEFAULT 3, CHECK (street <> ''));
INSERT INTO house VALUES ('Lane', 1);
RESET search_path;
