//! The dump's section after the data, cut into statements and told apart by their own words.

use std::collections::HashSet;
use std::path::Path;

use crate::ddl::lex::{Lexer, Token, TokenKind};
use crate::ddl::{Statement, split};
use crate::error::{Failure, Result};
use crate::postgres::{Ident, Name};

use super::schema::post_data_text;

/// The section after the data. Each part in the dump's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostData {
    /// Indexes, and primary keys, unique and exclusion constraints: what builds an index.
    pub indexes: Vec<PostItem>,
    /// `ALTER INDEX … ATTACH PARTITION`: they make the indexes of partitioned tables valid.
    pub attaches: Vec<String>,
    /// Foreign keys.
    pub foreign_keys: Vec<PostItem>,
    /// All else: triggers, rules, policies, statistics, comments, REFRESH, CLUSTER ON, REPLICA IDENTITY, …
    pub rest: Vec<String>,
}

/// A statement about one table that makes one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostItem {
    /// The table or materialized view it is on.
    pub table: Name,
    /// The index or constraint that it makes.
    pub object: Ident,
    /// Whether it adds a constraint; a plain index otherwise.
    pub constraint: bool,
    /// For a foreign key, the table it refers to.
    pub refers_to: Option<Name>,
    /// For a primary key or unique constraint, the same in two statements.
    pub apart: Option<Apart>,
    /// Whether it builds a B-tree: sorts.
    pub btree: bool,
    /// The statement, with the settings it depends on (tablespace) before it.
    pub sql: String,
}

/// A constraint as its index, then the constraint that takes it over: `CREATE UNIQUE INDEX`, which lets others build
/// indexes of the table meanwhile, and `ADD CONSTRAINT … USING INDEX`, a moment under ACCESS EXCLUSIVE. Both give what the
/// one statement gives (dumps compared on Postgres 15.18), INCLUDE, NULLS NOT DISTINCT, storage parameters, tablespace and
/// DEFERRABLE with it. Partitioned tables refuse the second one (manual, ALTER TABLE).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart {
    /// Makes the index.
    pub index: String,
    /// Makes it the constraint's.
    pub adopt: String,
}

/// Reads the section after the data of an archive that [`super::dump_schema`] wrote.
///
/// Fails where the text can't be cut with certainty.
pub async fn read_post_data(archive: &Path) -> Result<PostData> {
    let text = post_data_text(archive).await?;
    classify(&without_restrict(&text))
}

/// `pg_restore` wraps its text in psql's `\restrict KEY` and `\unrestrict KEY` (15.14 and later), the key random.
fn without_restrict(text: &str) -> String {
    let Some(key) = text.lines().find_map(|line| line.strip_prefix(r"\restrict ")) else {
        return text.to_owned();
    };
    let (open, close) = (format!(r"\restrict {key}"), format!(r"\unrestrict {key}"));
    text.split_inclusive('\n').filter(|line| line.trim_end() != open && line.trim_end() != close).collect()
}

fn classify(text: &str) -> Result<PostData> {
    let statements = split(text).map_err(|e| Failure::failed(format!("the dump's section after the data: {e}")))?;
    let mut post = PostData::default();
    let mut settings = Settings::default();
    // Materialized views that need a primary key are made in this section; their indexes wait for them.
    let mut made_here = HashSet::new();
    for statement in &statements {
        if settings.take(statement, text) {
            continue;
        }
        let sql = settings.before(statement.text(text));
        match read(statement.text(text)) {
            Some(Made::Index(table, ..)) if made_here.contains(&table) => post.rest.push(sql),
            Some(Made::Index(table, object, btree)) => {
                let (constraint, refers_to, apart) = (false, None, None);
                post.indexes.push(PostItem { table, object, constraint, refers_to, apart, btree, sql });
            }
            Some(Made::IndexConstraint(table, object, apart)) => {
                let apart = apart.map(|apart| Apart { index: settings.before(&apart.index), ..apart });
                let (constraint, refers_to, btree) = (true, None, apart.is_some());
                post.indexes.push(PostItem { table, object, constraint, refers_to, apart, btree, sql });
            }
            Some(Made::ForeignKey(table, object, refers_to)) => {
                let (constraint, apart, btree) = (true, None, false);
                post.foreign_keys.push(PostItem { table, object, constraint, refers_to, apart, btree, sql });
            }
            Some(Made::Attach) => post.attaches.push(sql),
            Some(Made::MaterializedView(name)) => {
                made_here.insert(name);
                post.rest.push(sql);
            }
            None => post.rest.push(sql),
        }
    }
    Ok(post)
}

/// The SETs among the statements. Those that the dump changes on its way belong to the statements after them, which
/// run on any connection; the rest of its preamble is set by [`SESSION`].
#[derive(Default)]
struct Settings {
    tablespace: Option<String>,
    access_method: Option<String>,
}

/// What a session that runs parts of the section sets first: the dump's own preamble, but for timeouts.
pub(super) const SESSION: &str =
    "SET search_path = ''; SET check_function_bodies = false; SET xmloption = content; SET row_security = off";

impl Settings {
    /// Whether the statement is nothing but a setting.
    fn take(&mut self, statement: &Statement, text: &str) -> bool {
        let sql = || Some(statement.text(text).to_owned());
        if statement.starts_with(&["SET", "DEFAULT_TABLESPACE"]) {
            self.tablespace = sql();
        } else if statement.starts_with(&["SET", "DEFAULT_TABLE_ACCESS_METHOD"]) {
            self.access_method = sql();
        }
        statement.starts_with(&["SET"]) || statement.starts_with(&["SELECT", "PG_CATALOG", "SET_CONFIG"])
    }

    fn before(&self, sql: &str) -> String {
        let settings = [&self.tablespace, &self.access_method];
        let settings = settings.into_iter().flatten().map(|setting| format!("{setting};\n"));
        settings.chain([sql.to_owned()]).collect()
    }
}

/// What a statement makes, where the copy treats it apart.
enum Made {
    /// And whether it is a B-tree.
    Index(Name, Ident, bool),
    IndexConstraint(Name, Ident, Option<Apart>),
    ForeignKey(Name, Ident, Option<Name>),
    Attach,
    MaterializedView(Name),
}

/// Reads the forms that `pg_dump` writes (`dumpIndex`, `dumpConstraint`, `dumpIndexAttach` in `pg_dump.c`); anything else
/// is none of them.
fn read(sql: &str) -> Option<Made> {
    let mut words = Words { sql, tokens: Lexer::new(sql) };
    match words.keyword()?.as_str() {
        "CREATE" => {
            let mut word = words.keyword()?;
            if word == "UNIQUE" {
                word = words.keyword()?;
            }
            if word == "MATERIALIZED" {
                words.expect("VIEW")?;
                return Some(Made::MaterializedView(words.name()?));
            }
            if word != "INDEX" {
                return None;
            }
            let index = words.ident()?;
            words.expect("ON")?;
            let table = words.name()?;
            words.expect("USING")?;
            let btree = words.ident()? == Ident::new("btree");
            Some(Made::Index(table, index, btree))
        }
        "ALTER" => match words.keyword()?.as_str() {
            "INDEX" => {
                words.name()?;
                words.expect("ATTACH")?;
                Some(Made::Attach)
            }
            "TABLE" => {
                let table = words.name()?;
                words.expect("ADD")?;
                words.expect("CONSTRAINT")?;
                let constraint = words.ident()?;
                match words.keyword()?.as_str() {
                    kind @ ("PRIMARY" | "UNIQUE") => {
                        let apart = words.apart(kind, &table, &constraint);
                        Some(Made::IndexConstraint(table, constraint, apart))
                    }
                    "EXCLUDE" => Some(Made::IndexConstraint(table, constraint, None)),
                    "FOREIGN" => {
                        let refers_to = words.referred();
                        Some(Made::ForeignKey(table, constraint, refers_to))
                    }
                    _ => None,
                }
            }
            _ => None,
        },
        _ => None,
    }
}

/// Reads a statement word by word.
struct Words<'a> {
    sql: &'a str,
    tokens: Lexer<'a>,
}

impl Words<'_> {
    fn token(&mut self) -> Option<Token> {
        self.tokens.by_ref().map_while(Result::ok).find(|token| !token.is_gap())
    }

    fn keyword(&mut self) -> Option<String> {
        let token = self.token()?;
        (token.kind == TokenKind::Word).then(|| token.text(self.sql).to_ascii_uppercase())
    }

    fn expect(&mut self, keyword: &str) -> Option<()> {
        (self.keyword()? == keyword).then_some(())
    }

    fn ident(&mut self) -> Option<Ident> {
        let token = self.token()?;
        self.ident_of(token)
    }

    fn ident_of(&self, token: Token) -> Option<Ident> {
        let text = token.text(self.sql);
        match token.kind {
            TokenKind::Word => Some(Ident::new(text.to_ascii_lowercase())),
            TokenKind::QuotedName => Some(Ident::new(text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\""))),
            _ => None,
        }
    }

    /// `UNIQUE [NULLS NOT DISTINCT] (a, b) [INCLUDE (c)] [WITH (…)] [DEFERRABLE [INITIALLY DEFERRED]]` taken apart; nothing
    /// where it is any other text, as `WITHOUT OVERLAPS` of version 18 is.
    fn apart(&mut self, kind: &str, table: &Name, name: &Ident) -> Option<Apart> {
        let mut what = kind;
        let mut nulls = "";
        let mut token = self.token()?;
        if kind == "PRIMARY" {
            token.is_word(self.sql, "key").then_some(())?;
            what = "PRIMARY KEY";
            token = self.token()?;
        } else if token.is_word(self.sql, "nulls") {
            self.expect("NOT")?;
            self.expect("DISTINCT")?;
            nulls = " NULLS NOT DISTINCT";
            token = self.token()?;
        }
        let columns = self.columns(token)?;
        let (mut include, mut with, mut later) = (String::new(), String::new(), "");
        let mut next = self.token();
        if next.is_some_and(|token| token.is_word(self.sql, "include")) {
            let open = self.token()?;
            include = format!(" INCLUDE {}", self.columns(open)?);
            next = self.token();
        }
        if next.is_some_and(|token| token.is_word(self.sql, "with")) {
            let open = self.token()?;
            with = format!(" WITH {}", self.parameters(open)?);
            next = self.token();
        }
        if next.is_some_and(|token| token.is_word(self.sql, "deferrable")) {
            later = " DEFERRABLE";
            next = self.token();
            if next.is_some_and(|token| token.is_word(self.sql, "initially")) {
                self.expect("DEFERRED")?;
                later = " DEFERRABLE INITIALLY DEFERRED";
                next = self.token();
            }
        }
        let ended = next.is_none_or(|token| token.is_symbol(self.sql, ";")) && self.token().is_none();
        ended.then(|| Apart {
            index: format!("CREATE UNIQUE INDEX {name} ON {table} USING btree {columns}{include}{nulls}{with}"),
            adopt: format!("ALTER TABLE ONLY {table} ADD CONSTRAINT {name} {what} USING INDEX {name}{later}"),
        })
    }

    /// `(a, "B")` as written; nothing but names and commas in it.
    fn columns(&mut self, open: Token) -> Option<String> {
        open.is_symbol(self.sql, "(").then_some(())?;
        loop {
            self.ident()?;
            let token = self.token()?;
            if token.is_symbol(self.sql, ")") {
                return self.sql.get(open.start..token.end).map(str::to_owned);
            }
            token.is_symbol(self.sql, ",").then_some(())?;
        }
    }

    /// `(fillfactor='70')` as written.
    fn parameters(&mut self, open: Token) -> Option<String> {
        open.is_symbol(self.sql, "(").then_some(())?;
        loop {
            let token = self.token()?;
            if token.is_symbol(self.sql, "(") {
                return None;
            }
            if token.is_symbol(self.sql, ")") {
                return self.sql.get(open.start..token.end).map(str::to_owned);
            }
        }
    }

    /// What a foreign key refers to: `KEY (a, b) REFERENCES schema.table…`.
    fn referred(&mut self) -> Option<Name> {
        self.expect("KEY")?;
        let open = self.token()?;
        self.columns(open)?;
        self.expect("REFERENCES")?;
        self.name()
    }

    /// `[ONLY] schema.object`. A schema named `only` is written with quotes, the word being reserved.
    fn name(&mut self) -> Option<Name> {
        let mut first = self.token()?;
        if first.is_word(self.sql, "only") {
            first = self.token()?;
        }
        let schema = self.ident_of(first)?;
        self.token()?.is_symbol(self.sql, ".").then_some(())?;
        Some(Name { schema, object: self.ident()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_apart_by_their_own_words() {
        let post = classify(
            r#"SET lock_timeout = 0;
               SELECT pg_catalog.set_config('search_path', '', false);
               SET default_tablespace = '';
               -- Name: not what it says; Type: FK CONSTRAINT
               ALTER TABLE ONLY public.token ADD CONSTRAINT "Tok ""pk" PRIMARY KEY (id);
               SET default_tablespace = fast;
               CREATE UNIQUE INDEX part_v ON ONLY "Odd.schema".part USING btree (v);
               ALTER INDEX "Odd.schema".part_v ATTACH PARTITION public.part_1_v;
               ALTER TABLE public.token ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.b(id) NOT VALID;
               ALTER TABLE public.token ADD CONSTRAINT c CHECK ((a > 0)) NOT VALID;
               CREATE TRIGGER index BEFORE INSERT ON public.token FOR EACH ROW EXECUTE FUNCTION public.f();
               ALTER INDEX public.x ALTER COLUMN 1 SET STATISTICS 400;"#,
        )
        .unwrap();
        assert_eq!(post.indexes.len(), 2);
        assert_eq!(post.indexes[0].table, Name::new("public", "token"));
        assert_eq!(post.indexes[0].object, Ident::new("Tok \"pk"));
        assert!(post.indexes[0].constraint);
        assert_eq!(post.indexes[1].table, Name::new("Odd.schema", "part"));
        assert!(post.indexes[1].sql.starts_with("SET default_tablespace = fast;\nCREATE UNIQUE INDEX"));
        assert_eq!(post.attaches.len(), 1);
        assert_eq!(post.foreign_keys.len(), 1);
        assert_eq!(post.foreign_keys[0].refers_to, Some(Name::new("public", "b")));
        assert_eq!(post.rest.len(), 3);
    }

    #[test]
    fn a_constraint_is_taken_apart_only_where_every_word_is_known() {
        let apart = |constraint: &str| {
            let post = classify(&format!(
                "SET default_tablespace = fast; ALTER TABLE ONLY \"S\".t\n    ADD CONSTRAINT \"K k\" {constraint};"
            ));
            post.unwrap().indexes.remove(0).apart.map(|apart| (apart.index, apart.adopt))
        };
        let (index, adopt) = apart(
            "UNIQUE NULLS NOT DISTINCT (a, \"B, )\") INCLUDE (c) WITH (fillfactor='70') DEFERRABLE INITIALLY DEFERRED",
        )
        .unwrap();
        assert_eq!(
            index,
            "SET default_tablespace = fast;\nCREATE UNIQUE INDEX \"K k\" ON \"S\".\"t\" USING btree (a, \"B, )\") INCLUDE (c) \
             NULLS NOT DISTINCT WITH (fillfactor='70')"
        );
        assert_eq!(
            adopt,
            "ALTER TABLE ONLY \"S\".\"t\" ADD CONSTRAINT \"K k\" UNIQUE USING INDEX \"K k\" DEFERRABLE INITIALLY DEFERRED"
        );
        assert!(apart("PRIMARY KEY (a)").unwrap().1.ends_with("PRIMARY KEY USING INDEX \"K k\""));
        for other in ["PRIMARY KEY (a, b WITHOUT OVERLAPS)", "UNIQUE ((a + b))", "EXCLUDE USING gist (a WITH =)"] {
            assert_eq!(apart(other), None, "{other}");
        }
    }

    #[test]
    fn an_index_of_a_materialized_view_made_here_comes_after_it() {
        let post = classify(
            "CREATE MATERIALIZED VIEW s.kept AS SELECT 1 AS one WITH NO DATA;
             CREATE INDEX kept_one ON s.kept USING btree (one);
             CREATE INDEX other_one ON s.other USING btree (one);",
        )
        .unwrap();
        assert_eq!(post.indexes.iter().map(|item| item.object.0.as_str()).collect::<Vec<_>>(), ["other_one"]);
        assert!(post.rest[0].starts_with("CREATE MATERIALIZED VIEW") && post.rest[1].starts_with("CREATE INDEX"));
    }

    #[test]
    fn the_restrict_lines_of_one_key_go_and_nothing_else() {
        let text = "\\restrict aB3\nSELECT '\n\\unrestrict zz\n';\n\\unrestrict aB3\n";
        assert_eq!(without_restrict(text), "SELECT '\n\\unrestrict zz\n';\n");
        assert_eq!(without_restrict("SELECT 1;"), "SELECT 1;");
    }
}
