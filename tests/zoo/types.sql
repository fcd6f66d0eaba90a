-- Types: domains over domains, enums, nested composites, ranges and multiranges of one's own, arrays of all of them.
CREATE SCHEMA types;
SET search_path = types;
CREATE TYPE mood AS ENUM ('sad', 'happy');
ALTER TYPE mood ADD VALUE 'ok' BEFORE 'happy';
ALTER TYPE mood ADD VALUE '' AFTER 'ok';
CREATE TYPE nothing AS ENUM ();
CREATE DOMAIN positive AS int DEFAULT 1 CONSTRAINT is_positive CHECK (VALUE > 0);
CREATE DOMAIN small_positive AS positive NOT NULL CHECK (VALUE < 100);
ALTER DOMAIN positive ADD CONSTRAINT later CHECK (VALUE <> 13) NOT VALID;
CREATE DOMAIN shouted AS text COLLATE "C" CHECK (VALUE = upper(VALUE));
CREATE DOMAIN many AS positive[] CHECK (array_length(VALUE, 1) < 5);
CREATE TYPE inner_pair AS (a int, b text, m mood);
CREATE TYPE outer_pair AS (p inner_pair, ps inner_pair[], d positive, "odd ""name" numeric(5,2));
ALTER TYPE inner_pair ADD ATTRIBUTE later text, DROP ATTRIBUTE b;
CREATE DOMAIN good_pair AS inner_pair CHECK ((VALUE).a > 0);
CREATE TYPE nothing_in_it AS ();
CREATE FUNCTION distance(a float8, b float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT a - b';
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = distance, multirange_type_name = spans);
CREATE TYPE word_range AS RANGE (subtype = text, collation = "C", subtype_opclass = text_pattern_ops);
CREATE TYPE whole;
CREATE FUNCTION whole_canonical(whole) RETURNS whole LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';
CREATE TYPE whole AS RANGE (subtype = int4, canonical = whole_canonical);
-- A base type with functions of the server, and a shell that was never filled.
CREATE TYPE word;
CREATE FUNCTION word_in(cstring) RETURNS word LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION word_out(word) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE word (INPUT = word_in, OUTPUT = word_out, LIKE = text, CATEGORY = 'Z', DELIMITER = ';', COLLATABLE = true);
CREATE TYPE hollow;

CREATE DOMAIN table_name AS regclass;
CREATE TYPE names AS (t table_name, f regproc, r regrole);
CREATE TYPE oids AS RANGE (subtype = oid);
CREATE TABLE every (
    m mood, ms mood[], p positive, s small_positive DEFAULT 5, sh shouted, l many, i inner_pair, o outer_pair, os outer_pair[],
    g good_pair, sp span, sps spans, w word_range, wh whole, whs whole[], wd word, wds word[], r int4range, mr int4multirange, tr tstzrange[]);
INSERT INTO every VALUES ('', '{sad,NULL,ok,""}', 5, 7, 'UP', '{1,2}', (1, 'ok', 'l'), ((1, 'sad', 'x"y'), ARRAY[(2, NULL, ',')::inner_pair], 3, 1.10),
    NULL, (1, NULL, NULL), '[1.5,2.5)', '{[1,2),[3,4)}', '[a,b]', '[1,3]', '{"[1,1]",empty}', 'a word', '{a;b}', 'empty', '{[1,3),[7,)}', '{"[2024-01-01 00:00+00,)"}');
INSERT INTO every (s, os) VALUES (5, ARRAY[ROW(NULL, '{}', NULL, NULL)]::outer_pair[]);
-- Names of this server's objects, also deep inside: their binary form is a number that means nothing elsewhere.
CREATE TABLE referring (
    c regclass, cs regclass[], t table_name, ts table_name[], n names, ns names[], ty regtype, pr regprocedure, op regoperator, op1 regoper, pr1 regproc,
    ro regrole, na regnamespace, co regconfig, di regdictionary, cl regcollation, acl aclitem, acls aclitem[]);
INSERT INTO referring VALUES ('every', '{every,pg_class,-}', 'every', '{every}', ('every', 'distance', 'zoo_owner'), ARRAY[('every', 'distance', 'zoo_owner')::names],
    'outer_pair[]', 'distance(float8,float8)', '+(int,int)', '!!', 'distance', 'zoo_reader', 'types', 'english', 'simple', '"C"',
    'zoo_reader=r*w/zoo_owner', '{=r/zoo_owner,zoo_writer=a/zoo_owner}');
INSERT INTO referring (c) VALUES (NULL);
RESET search_path;
