-- Names: quoted, Unicode, 63 bytes, dots, quotes, newlines, reserved words, backslashes, percent signs; comments on all kinds.
CREATE SCHEMA "Odd ""schema"".with.dots";
SET search_path = "Odd ""schema"".with.dots";
CREATE TABLE "table" ("Column; DROP TABLE x; --" int GENERATED ALWAYS AS IDENTITY, "select" text, "new
line" int, "a.b" int, "back\slash" int, "%I" int, "$1" int, "'" int, CONSTRAINT "Un ique" UNIQUE ("select"));
INSERT INTO "table" ("select", "new
line") VALUES (NULL, 1), ('', 2), (E'a\nb', 3), ('\N', 4), ('\.', 5);
CREATE TABLE "two
lines" (id int PRIMARY KEY);
INSERT INTO "two
lines" VALUES (1);
CREATE INDEX "index
of -- two; lines" ON "two
lines" (id);
CREATE TABLE "ünïcödé 表 🐘" ("ключ" int REFERENCES "two
lines");
INSERT INTO "ünïcödé 表 🐘" VALUES (1), (NULL);
CREATE TABLE n23456789012345678901234567890123456789012345678901234567890123 (n23456789012345678901234567890123456789012345678901234567890123 serial CHECK (n23456789012345678901234567890123456789012345678901234567890123 > 0));
INSERT INTO n23456789012345678901234567890123456789012345678901234567890123 DEFAULT VALUES;
CREATE INDEX i23456789012345678901234567890123456789012345678901234567890123 ON n23456789012345678901234567890123456789012345678901234567890123 (n23456789012345678901234567890123456789012345678901234567890123);
CREATE TABLE éééééééééééééééééééééééééééééééx (id int);
CREATE TABLE teal_like (id int);
CREATE TABLE "user" ("user" int);
CREATE VIEW "a ""view""" AS SELECT "select" FROM "table";
CREATE FUNCTION "fun.ction"() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER "ON" BEFORE INSERT ON "user" FOR EACH ROW EXECUTE FUNCTION "fun.ction"();
CREATE SEQUENCE "Seq""uence";
SELECT nextval('"Seq""uence"');
CREATE TYPE "a type" AS ENUM ('it''s', '"', E'new\nline');
CREATE DOMAIN "DOMAIN" AS "a type";
CREATE TABLE "uses types" (a "a type", b "DOMAIN", c "a type"[]);
INSERT INTO "uses types" VALUES ('it''s', '"', E'{"new\nline"}');
CREATE STATISTICS "stat istics" (dependencies, ndistinct, mcv) ON "select", "a.b", (lower("select")) FROM "table";
ALTER STATISTICS "stat istics" SET STATISTICS 7;
CREATE SCHEMA empty_schema;
CREATE SCHEMA "TEAL";
CREATE TABLE "TEAL".t (id int);
COMMENT ON SCHEMA "Odd ""schema"".with.dots" IS 'a schema';
COMMENT ON TABLE "table" IS E'it''s a \\ table\nof two lines -- with a dash; and a semicolon';
COMMENT ON COLUMN "table"."new
line" IS 'a column';
COMMENT ON INDEX "index
of -- two; lines" IS 'an index';
COMMENT ON SEQUENCE "Seq""uence" IS 'a sequence';
COMMENT ON CONSTRAINT "Un ique" ON "table" IS 'a constraint';
COMMENT ON STATISTICS "stat istics" IS 'statistics';
COMMENT ON TYPE "a type" IS 'a type';
COMMENT ON DOMAIN "DOMAIN" IS 'a domain';
COMMENT ON CONSTRAINT is_positive ON DOMAIN types.positive IS 'a constraint of a domain';
COMMENT ON COLUMN types.inner_pair.a IS 'an attribute';
RESET search_path;
