//! Servers that fail over, disks that fill up, connections that run out. Run with the real program.

#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod disk;
mod failover;
mod memory;

/// A check that makes green's copy of a table wait: each of its rows wants an advisory lock there.
const WAITS_ON_GREEN: &str = "
    CREATE FUNCTION waits(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        IF current_database() = 'green' THEN PERFORM pg_advisory_xact_lock_shared(42); END IF;
        RETURN true; END $$;
    CREATE TABLE slow (name text PRIMARY KEY CHECK (public.waits(name)));
    INSERT INTO slow SELECT 's' || i FROM generate_series(1, 10) i;";
