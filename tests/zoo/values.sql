-- Values that a careless copy changes.
CREATE SCHEMA "values";
SET search_path = "values";
CREATE TABLE numbers (n numeric, n2 numeric(10,3), f float8, r real, m money, o oid, b "char", s smallint, l bigint, x8 xid8, x xid, c cid, t tid, lsn pg_lsn, snap pg_snapshot, ov oidvector, iv int2vector);
INSERT INTO numbers VALUES ('NaN', 'NaN', 'NaN', '-0', -12.34, 4294967295, 'x', -32768, -9223372036854775808, '18446744073709551615', '4294967295', '7', '(1,2)', 'FFFFFFFF/FFFFFFFF', '10:20:10,14', '1 2 3', '4 5'),
    ('Infinity', 1.10, 'Infinity', '-Infinity', 0, 0, '', 0, 0, '0', '0', '0', '(4294967295,65535)', '0/0', '1:1:', '', ''),
    (1.0, 1, '-0', 1e-45, 92233720368547758.07, 1, E'\\377', 1, 1, '1', '1', '1', '(0,0)', '1/2', '10:20:', NULL, NULL),
    (1.00, 0, 5e-324, 3.4028235e38, NULL, NULL, NULL, 0, 9223372036854775807, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (1e-130, NULL, 1.7976931348623157e308, 0.1, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO numbers (n) VALUES (power(10::numeric, 1000) + 0.5), ('-Infinity'), (0.000), (-0.0);
CREATE TABLE texts (t text, v varchar, c char(5), n name, bp bpchar);
INSERT INTO texts VALUES ('', '', '', '', ''), (E'a\tb\nc\rd\\e\x01\x7f', '\N', E'\\.', 'n', 'p  '), ('NULL', 'null', 'a ', repeat('n', 63), '   '),
    (U&'\+01F600 e\0301 \FEFF', E'\u00e9', U&'\+01F600', U&'\00e9', 'é'), ('"', '""', '''', '$$', ','), (repeat(E'\\"\n', 20000), NULL, NULL, NULL, NULL);
CREATE TABLE documents (j json, jb jsonb, x xml, jp jsonpath, ts tsvector, tq tsquery, by bytea, bi bit(9), vb bit varying, u uuid);
INSERT INTO documents VALUES ('{"a": 1, "a":  2 , "\u0061": 1.00}', '{"b": 1.00, "a": 1e5, "": [null, "\u00e9"]}', '<?xml version="1.0" encoding="UTF-8"?><a b="c"> x </a>', '$.a[*] ? (@ > 1)', 'a:1A,2 ''b c'':3 d', 'a & !(b <-> c:*A)', '\x00ff5c27', B'101010101', B'', gen_random_uuid()),
    ('[]', 'null', 'text only', '$', '', '', '', B'000000000', B'1', NULL), (' "x" ', '1.0', '<a/><b/>', NULL, NULL, NULL, decode(repeat('00', 100000), 'hex'), NULL, NULL, NULL);
CREATE TABLE times (d date, t time, tz timetz, ts timestamp, tstz timestamptz, i interval, dr daterange, dm datemultirange);
INSERT INTO times VALUES ('infinity', '24:00', '23:59:59.999999+15:59', 'infinity', '-infinity', '1 mon -1 day 00:00:00.000001', '[2024-01-01,)', '{}'),
    ('4713-01-01 BC', '00:00', '00:00-15:59', '4714-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999+00', '-178000000 years', 'empty', '{[2024-01-01,2024-02-01),[2025-01-01,2025-02-01)}');
CREATE TABLE places (p point, l line, s lseg, b box, pa path, po polygon, c circle, i inet, ci cidr, m macaddr, m8 macaddr8);
INSERT INTO places VALUES ('(NaN,-0)', '{1,2,3}', '[(1,2),(3,4)]', '(3,4),(1,2)', '[(1,2),(3,4)]', '((1,2),(3,4))', '<(1,2),3>', '::ffff:1.2.3.4/96', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05'),
    ('(Infinity,1e-300)', NULL, NULL, NULL, '((1,2),(3,4))', NULL, '<(1,2),Infinity>', '1.2.3.4', '::/0', NULL, NULL);
CREATE TABLE lists (a int[], b text[], c int[][], d "char"[], e numeric[], f json[], g bytea[], h point[], i box[]);
INSERT INTO lists VALUES ('[0:2]={1,NULL,3}', '{"NULL",NULL,"","a,b","{","\\"}', '{{1,2},{3,4}}', '{a,b}', '{1.0,1.00,NaN}', ARRAY['{"a":1,"a":2}']::json[], ARRAY['\x00'::bytea], ARRAY['(1,2)'::point], '{(1,2),(3,4);(5,6),(7,8)}'),
    ('{}', '{}', '[-1:-1][5:5]={{9}}', NULL, NULL, NULL, NULL, NULL, NULL);
-- Too large for a page, in all four ways that TOAST stores values.
CREATE TABLE large (id int, v text);
ALTER TABLE large ALTER v SET STORAGE EXTERNAL;
INSERT INTO large SELECT g, (SELECT string_agg(md5(g::text || h), '') FROM generate_series(1, 20000) h) FROM generate_series(1, 5) g;
ALTER TABLE large ALTER v SET STORAGE EXTENDED;
INSERT INTO large SELECT g, repeat('x', 2000000) FROM generate_series(6, 8) g;
RESET search_path;
