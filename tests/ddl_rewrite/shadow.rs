//! A type that is set through a shadow column: the same schema, order of columns apart, and rows; nothing lost of what is
//! written meanwhile; and where anything depends on the column that this program does not know of, nothing is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use teal::ddl::known::Known;
use teal::ddl::rewrite::{self, How, Rewritten};
use teal::postgres::{Access, Target};

use super::bench::{Bench, file};
use super::run_batches;

/// With all that a column can have that goes over.
const ORDERS: &str = "
    CREATE TYPE state AS ENUM ('open', 'paid');
    CREATE TABLE buyer (id int PRIMARY KEY);
    CREATE ROLE clerk_NUMBER;
    CREATE TABLE orders (
        id serial PRIMARY KEY,
        buyer_id int NOT NULL DEFAULT 1 REFERENCES buyer ON DELETE CASCADE,
        number int NOT NULL UNIQUE CHECK (number > 0),
        state text DEFAULT 'open',
        at timestamp DEFAULT '2024-01-01',
        price numeric(10,2),
        \"Odd\" varchar(20) NOT NULL DEFAULT 'a b',
        CONSTRAINT both_there CHECK (number > buyer_id),
        UNIQUE (buyer_id, number) INCLUDE (price)
    );
    CREATE INDEX orders_at ON orders (at DESC, number) WHERE number > 5;
    CREATE UNIQUE INDEX orders_odd ON orders (lower(\"Odd\"), number);
    ALTER TABLE orders ADD CONSTRAINT later CHECK (number < 1000000) NOT VALID;
    COMMENT ON COLUMN orders.number IS 'it''s the number';
    GRANT SELECT (number), UPDATE (number) ON orders TO clerk_NUMBER;
    ALTER TABLE orders ALTER COLUMN number SET STATISTICS 500;
    INSERT INTO buyer SELECT n FROM generate_series(1, 9) n;
    INSERT INTO orders (buyer_id, number, state, at, price, \"Odd\")
        SELECT n % 9 + 1, n + 20, CASE WHEN n % 3 = 0 THEN 'paid' ELSE 'open' END, timestamp '2024-01-01' + n * interval '1 h',
            n / 7.0, 'Odd ' || n
        FROM generate_series(1, 2500) n;
";

/// Roles are of the whole server.
fn orders(number: usize) -> String {
    ORDERS.replace("NUMBER", &number.to_string())
}

pub fn rewritten(setup: &str, sql: &str, version: u32) -> Rewritten {
    let mut known = Known::default();
    rewrite::learn(&file(setup), &mut known);
    rewrite::rewrite(&file(sql), true, &mut known, version)
}

#[track_caller]
fn goes_by_shadow(rewritten: &Rewritten, sql: &str) {
    let part = &rewritten.parts[0];
    assert!(part.refused.is_none(), "{sql}: {:?}", part.refused);
    assert_eq!(part.condition.as_ref().map(|one| one.rule), Some("column-order"), "{sql}");
    assert!(part.steps.iter().any(|step| matches!(step.how, How::Batches(_))), "{sql}");
}

/// Types that go by shadow.
pub const RETYPED: &[&str] = &[
    "ALTER TABLE orders ALTER COLUMN number TYPE bigint",
    "ALTER TABLE orders ALTER id SET DATA TYPE bigint",
    "ALTER TABLE orders ALTER COLUMN buyer_id TYPE bigint, ALTER COLUMN buyer_id SET DEFAULT 2",
    "ALTER TABLE orders ALTER COLUMN state DROP DEFAULT, ALTER COLUMN state TYPE state USING state::state, ALTER COLUMN state SET DEFAULT 'open'",
    "ALTER TABLE orders ALTER COLUMN at TYPE date",
    "ALTER TABLE orders ALTER COLUMN price TYPE numeric(12,1) USING orders.price * 2 + number -- twice",
    "ALTER TABLE orders ALTER COLUMN \"Odd\" TYPE varchar(10), ADD CHECK (price >= 0), ALTER COLUMN number TYPE numeric",
    "ALTER TABLE orders ALTER COLUMN \"Odd\" TYPE text COLLATE \"C\"",
    "ALTER TABLE orders ALTER at DROP DEFAULT, ALTER at TYPE bigint USING extract(epoch FROM at), ALTER at SET NOT NULL",
];

#[tokio::test]
async fn a_type_set_through_a_shadow_column_ends_with_the_same_schema_and_rows() {
    let bench = Bench::start().await;
    let mut wrong = Vec::new();
    for (number, sql) in RETYPED.iter().enumerate() {
        // The same roles on both sides.
        let setup = orders(number).replace("CREATE ROLE", "DO $$ BEGIN CREATE ROLE").replace(
            &format!("clerk_{number};\n    CREATE TABLE orders"),
            &format!("clerk_{number}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;\n    CREATE TABLE orders"),
        );
        goes_by_shadow(&rewritten(&setup, sql, 15), sql);
        match bench.compare(&setup, &format!("{sql}\n;"), true).await {
            Err(e) => wrong.push(e),
            Ok(None) => wrong.push(format!("the server refuses {sql}")),
            Ok(Some(_)) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What is in the way: its SQL, and a word of why it is refused before anything is run.
const IN_THE_WAY: &[(&str, &str)] = &[
    ("CREATE VIEW paid AS SELECT number FROM orders", "view public.paid"),
    (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION f()",
        "trigger touch",
    ),
    ("CREATE POLICY mine ON orders USING (number > 3)", "policy"),
    ("CREATE TABLE item (number int REFERENCES orders (number))", "foreign key"),
    ("CREATE PUBLICATION p FOR TABLE orders (id, number)", "publication"),
    ("CREATE STATISTICS s ON number, price FROM orders", "statistics"),
    ("CREATE TABLE more () INHERITS (orders)", "children"),
];

#[tokio::test]
async fn what_depends_on_the_column_is_refused_and_where_it_is_not_known_the_server_refuses_before_anything_is_done() {
    let bench = Bench::start().await;
    let sql = "ALTER TABLE orders ALTER COLUMN number TYPE bigint";
    for (number, (more, word)) in IN_THE_WAY.iter().enumerate() {
        let setup = orders(number + 100);
        let known = rewritten(&format!("{setup};{more};"), sql, 15);
        let refused = known.parts[0].refused.as_ref().unwrap_or_else(|| panic!("{more} is not refused"));
        assert!(refused.rule == "type-rewrites" && refused.why.contains(word), "{more}: {}", refused.why);
        assert_eq!(known.parts[0].steps[0].sql, sql);
        // The same without knowing of it.
        let unknown = rewritten(&setup, sql, 15);
        goes_by_shadow(&unknown, sql);
        let (name, db) = bench.database(&format!("{setup};{more};")).await;
        let before = bench.dump(&name);
        let first = &unknown.parts[0].steps[0];
        let refused = db.run(&first.sql).await.unwrap_err().to_string();
        assert!(refused.contains("no column takes the place of public.orders.number"), "{more}: {refused}");
        assert_eq!(before, bench.dump(&name), "{more}");
    }
    // Made while the rows are filled: the swap refuses, and the old column stays.
    let setup = orders(99);
    let (_, db) = bench.database(&setup).await;
    let steps = rewritten(&setup, sql, 15).parts.remove(0).steps;
    let (swap, before) = steps.split_last().unwrap();
    for step in before {
        db.run(&step.sql).await.unwrap();
    }
    db.run("CREATE INDEX late ON orders (number)").await.unwrap();
    let refused = db.run(&swap.sql).await.unwrap_err().to_string();
    assert!(refused.contains("index public.late"), "{refused}");
    db.run("DROP INDEX late").await.unwrap();
    db.run(&swap.sql).await.unwrap();
}

#[test]
fn an_expression_that_is_not_the_same_at_every_time_is_refused() {
    for using in [
        "random()::bigint",
        "number + (SELECT 1)",
        "extract(epoch FROM now())::bigint",
        "f(number)",
        "CASE WHEN CURRENT_USER = 'a' THEN 1 ELSE 2 END",
        "extract(epoch FROM ('now'::timestamp - at))::bigint",
    ] {
        let sql = format!("ALTER TABLE orders ALTER COLUMN number TYPE bigint USING {using}");
        let part = rewritten(ORDERS, &sql, 15).parts.remove(0);
        assert!(part.refused.is_some() && part.condition.is_none(), "{using}: {part:?}");
    }
}

#[test]
fn it_is_run_as_written_where_that_is_accepted_and_by_shadow_where_the_order_is() {
    let sql = "ALTER TABLE orders ALTER COLUMN number TYPE bigint;";
    let open = |text: &str| rewritten(ORDERS, text, 15).open().count();
    assert_eq!(open(sql), 1);
    assert_eq!(open(&format!("-- migrate: accept column-order all name their columns\n{sql}")), 0);
    let kept = rewritten(ORDERS, &format!("-- migrate: accept type-rewrites at night\n{sql}"), 15);
    assert!(!kept.is_changed() && kept.open().next().is_none(), "{kept:?}");
}

/// Counts up, inserts, moves keys and deletes, all the time, and knows what it has done.
async fn write(url: String, stop: Arc<AtomicBool>, wrote: Arc<AtomicU64>, of: i64) {
    let db = Target::parse("writer", &url).unwrap().connect(Access::ReadWrite).await.unwrap();
    db.run("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'").await.unwrap();
    let mut turn = 0_i64;
    while !stop.load(Ordering::Relaxed) {
        let key = (turn * 37 + of) % 2400 + 1;
        db.run(&format!("UPDATE orders SET number = number + 100000 WHERE id = {key} AND number < 100000"))
            .await
            .unwrap();
        db.run(&format!("UPDATE orders SET id = id + 1000000 * {of} WHERE id = {key} AND id % 5 = {of} % 5"))
            .await
            .unwrap();
        let fresh = 500_000 + of * 100_000 + turn;
        db.run(&format!(
            "INSERT INTO orders (id, buyer_id, number, \"Odd\") VALUES ({}, 1, {fresh}, 'w{fresh}')",
            5_000_000 + fresh
        ))
        .await
        .unwrap();
        db.run(&format!(
            "INSERT INTO log SELECT id, number, at FROM orders WHERE id IN ({key}, {})",
            5_000_000 + fresh
        ))
        .await
        .unwrap();
        turn += 1;
        wrote.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_update_is_lost_while_the_rows_are_filled_and_the_columns_swap() {
    let bench = Bench::start().await;
    let setup = orders(98);
    let sql = "ALTER TABLE orders ALTER COLUMN number TYPE bigint, ALTER COLUMN at TYPE timestamptz";
    let steps = rewritten(&setup, sql, 15).parts.remove(0).steps;
    // A twin, written in the same statements by a trigger that knows the old column alone, tells what is right.
    let (name, db) = bench.database(&format!("{setup}; CREATE TABLE log (id int, number bigint, at timestamp);")).await;
    let (stop, wrote) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> =
        (1..=3).map(|of| tokio::spawn(write(bench.server.url(&name), stop.clone(), wrote.clone(), of))).collect();
    let until = async |turns: u64| {
        let from = wrote.load(Ordering::Relaxed);
        while wrote.load(Ordering::Relaxed) < from + turns {
            tokio::task::yield_now().await;
        }
    };
    db.run("SET TimeZone = 'UTC'").await.unwrap();
    let sum = "SELECT count(*), sum(number) - 100000 * count(*) FILTER (WHERE number BETWEEN 100000 AND 200000), \
               count(*) FILTER (WHERE at::text IS NULL) FROM orders WHERE id % 1000000 <= 2500 AND id < 5000000";
    let facts = |row: &tokio_postgres::Row| (row.get::<_, i64>(0), row.get::<_, i64>(2));
    let before = facts(&db.row(sum, &[]).await.unwrap());
    until(30).await;
    for step in &steps {
        match &step.how {
            How::Batches(batches) => {
                run_batches(&db, batches, 50).await;
            }
            _ => db.run(&step.sql).await.unwrap_or_else(|e| panic!("{}: {e}", step.sql)),
        }
        until(5).await;
    }
    until(10).await;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(before, facts(&db.row(sum, &[]).await.unwrap()));
    // Every row once more by what is written in it: 'Odd n' was inserted with number n + 20 and the hour n.
    let lost = "SELECT count(*) FROM orders WHERE (\"Odd\" LIKE 'Odd %' AND \
                  (number % 100000 IS DISTINCT FROM split_part(\"Odd\", ' ', 2)::int + 20 \
                   OR at IS DISTINCT FROM timestamptz '2024-01-01 00:00+00' + split_part(\"Odd\", ' ', 2)::int * interval '1 h')) \
                OR (\"Odd\" LIKE 'w%' AND number IS DISTINCT FROM substr(\"Odd\", 2)::int)";
    assert_eq!(db.row(lost, &[]).await.unwrap().get::<_, i64>(0), 0);
    let types = "SELECT attname::text || ' ' || atttypid::regtype FROM pg_attribute WHERE attrelid = 'orders'::regclass \
                 AND attname IN ('number', 'at') AND NOT attisdropped ORDER BY 1";
    let types: Vec<String> = db.rows(types, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(types, ["at timestamp with time zone", "number bigint"]);
    assert!(!bench.dump(&name).contains("teal"), "nothing of ours is left");
}
