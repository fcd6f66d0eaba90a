//! Files run both ways on databases of one server: as written and in the safe form.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use teal::ddl::SqlFile;
use teal::ddl::known::Known;
use teal::ddl::rewrite::{self, Rewritten};
use teal::postgres::{Access, Db, Target};
use teal::sandbox::{Binaries, Server};

pub fn file(text: &str) -> SqlFile {
    SqlFile::from_bytes(Path::new("example.sql"), text.as_bytes().to_vec()).unwrap()
}

/// Columns, constraints, indexes, sequences, functions and triggers.
const CATALOG: &str = "
    SELECT format('column %s.%I %s %s %s %s %s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull,
        attidentity, attgenerated, attcollation, attstattarget, attacl, pg_get_expr(adbin, adrelid)) AS line
      FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped
        AND attrelid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm'))
    UNION ALL SELECT format('constraint %s %I %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated)
      FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT format('index %s %s', pg_get_indexdef(indexrelid), indisvalid) FROM pg_index
      WHERE indrelid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'p', 'm') AND oid >= 16384)
    UNION ALL SELECT 'sequence ' || to_jsonb(s)::text FROM pg_sequences s
    UNION ALL SELECT format('owned %s %s %s', objid::regclass, refobjid::regclass, deptype) FROM pg_depend
      WHERE objid IN (SELECT oid FROM pg_class WHERE relkind = 'S') AND refobjsubid > 0
    UNION ALL SELECT format('comment %s %s', pg_identify_object(classoid, objoid, objsubid), description)
      FROM pg_description WHERE objoid >= 16384
    UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT format('relation %s %s', oid::regclass, relkind) FROM pg_class
      WHERE oid >= 16384 AND relkind NOT IN ('t') AND relname !~ 'pg_toast'
    ORDER BY 1";

/// One server with many databases.
pub struct Bench {
    pub server: Server,
    admin: Db,
    made: AtomicUsize,
}

impl Bench {
    #[allow(dead_code)] // not of the binary for newer servers
    pub async fn start() -> Self {
        Self::on(Server::start(&[("fsync", "off")]).unwrap()).await
    }

    /// On a server of any version; files are rewritten for that one.
    pub async fn on(server: Server) -> Self {
        let admin = Target::parse("bench", &server.url("postgres")).unwrap().connect(Access::ReadWrite).await.unwrap();
        Self { server, admin, made: AtomicUsize::new(0) }
    }

    /// A new database with this in it.
    pub async fn database(&self, setup: &str) -> (String, Db) {
        let name = format!("db_{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.admin.run(&format!("CREATE DATABASE {name}")).await.unwrap();
        let db = Target::parse("bench", &self.server.url(&name)).unwrap().connect(Access::ReadWrite).await.unwrap();
        db.run(setup).await.unwrap_or_else(|e| panic!("setup: {e}\n{setup}"));
        (name, db)
    }

    /// The dump; of a fetched server, which comes without `pg_dump`, what its catalog says.
    async fn schema(&self, database: &str, db: &Db) -> String {
        if Binaries::find_major(self.server.major()).unwrap().path("pg_dump").exists() {
            return self.dump(database);
        }
        let lines = db.rows(CATALOG, &[]).await.unwrap();
        lines.iter().map(|row| format!("{}\n", row.get::<_, String>(0))).collect()
    }

    pub fn dump(&self, database: &str) -> String {
        let ran = Command::new(Binaries::find_major(self.server.major()).unwrap().path("pg_dump"))
            .args(["--schema-only", "--dbname", &self.server.url(database)])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let text = String::from_utf8(ran.stdout).unwrap();
        text.lines().filter(|line| !line.starts_with('\\')).map(|line| format!("{line}\n")).collect()
    }

    /// By name, whatever the order of columns.
    pub async fn rows(&self, db: &Db) -> Vec<String> {
        let tables = "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'm') \
                      AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^(pg_|information)') ORDER BY 1";
        let mut rows = Vec::new();
        for table in db.rows(tables, &[]).await.unwrap() {
            let table: String = table.get(0);
            let of = format!("SELECT to_jsonb(t)::text FROM {table} t ORDER BY to_jsonb(t)::text COLLATE \"C\"");
            rows.extend(
                db.rows(&of, &[]).await.unwrap().iter().map(|row| format!("{table}: {}", row.get::<_, String>(0))),
            );
        }
        rows
    }

    /// Runs a file both ways and compares; says what is different, or nothing where the server refuses the original.
    pub async fn compare(&self, setup: &str, sql: &str, in_transaction: bool) -> Result<Option<Rewritten>, String> {
        let (written, db) = self.database(setup).await;
        let source = file(sql);
        for statement in &source.statements {
            if db.run(statement.text(&source.text)).await.is_err() {
                return Ok(None);
            }
        }
        let mut known = Known::default();
        rewrite::learn(&file(setup), &mut known);
        let rewritten = rewrite::rewrite(&source, in_transaction, &mut known, self.server.major());
        let (safe, other) = self.database(setup).await;
        for step in rewritten.parts.iter().flat_map(|part| &part.steps) {
            other.run(&step.sql).await.map_err(|e| format!("{sql}\n-- step\n{}\n{e}", step.sql))?;
        }
        // The text is the same steps, cut by our splitter.
        let text = file(&rewritten.text(&source, Some("-- no-transaction")).unwrap());
        let steps: usize = rewritten.parts.iter().map(|part| part.steps.len()).sum();
        if text.statements.len() < steps {
            return Err(format!("{sql}\n-- has become fewer statements than steps\n{}", text.text));
        }
        let (mut one, mut two) = (self.schema(&written, &db).await, self.schema(&safe, &other).await);
        if rewritten.parts.iter().any(|part| part.condition.is_some()) {
            (one, two) = (whatever_the_order(&one), whatever_the_order(&two));
        }
        if one != two {
            let diff = similar_lines(&one, &two);
            return Err(format!("{sql}\n-- has become\n{}\n-- schema differs\n{diff}", text.text));
        }
        let (one, two) = (self.rows(&db).await, self.rows(&other).await);
        if one != two {
            let pair = one.iter().zip(&two).find(|(a, b)| a != b);
            return Err(format!("{sql}\n-- has become\n{}\n-- rows differ\n{pair:?}", text.text));
        }
        Ok(Some(rewritten))
    }
}

/// A dump in which the order of columns, and what follows from it, does not show.
pub fn whatever_the_order(dump: &str) -> String {
    let mut lines: Vec<&str> = dump.lines().map(|line| line.trim_end_matches(',')).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Lines that only one of two texts has.
pub fn similar_lines(one: &str, two: &str) -> String {
    let only = |a: &str, b: &str, sign: &str| {
        a.lines()
            .filter(|line| !b.lines().any(|other| other == *line))
            .map(|line| format!("{sign}{line}\n"))
            .collect::<String>()
    };
    only(one, two, "-") + &only(two, one, "+")
}
