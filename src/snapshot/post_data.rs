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
    /// The statement, with the settings it depends on (tablespace) before it.
    pub sql: String,
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
            Some(Made::Index(table, _)) if made_here.contains(&table) => post.rest.push(sql),
            Some(Made::Index(table, object)) => {
                post.indexes.push(PostItem { table, object, constraint: false, sql });
            }
            Some(Made::IndexConstraint(table, object)) => {
                post.indexes.push(PostItem { table, object, constraint: true, sql });
            }
            Some(Made::ForeignKey(table, object)) => {
                post.foreign_keys.push(PostItem { table, object, constraint: true, sql });
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
    Index(Name, Ident),
    IndexConstraint(Name, Ident),
    ForeignKey(Name, Ident),
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
            Some(Made::Index(words.name()?, index))
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
                    "PRIMARY" | "UNIQUE" | "EXCLUDE" => Some(Made::IndexConstraint(table, constraint)),
                    "FOREIGN" => Some(Made::ForeignKey(table, constraint)),
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
        assert_eq!(post.rest.len(), 3);
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
