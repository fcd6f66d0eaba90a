-- no parameters; every timeout and every text form explicit, whatever role, database or server set
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET idle_session_timeout = 0;
-- a client whose machine is gone holds its locks no longer than this (over TCP; a socket ignores it)
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
SET client_encoding = 'UTF8';
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET standard_conforming_strings = on;
SET client_min_messages = 'warning';
SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off;
SET default_transaction_deferrable = off;
-- compiling one of our catalog queries took 3 s, running it 8 ms (PostgreSQL 15.18)
SET jit = off;
