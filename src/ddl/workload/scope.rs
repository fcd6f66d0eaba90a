//! What a name may mean at one place of a query.

use std::collections::BTreeSet;

use crate::ddl::known::{Known, Relation};

/// What a query gives to the one around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Output {
    /// The columns that it names.
    pub(super) names: BTreeSet<String>,
    /// The tables of which it gives all columns.
    pub(super) stars: Vec<Relation>,
    /// Whether it gives more, that nobody can tell.
    pub(super) opaque: bool,
}

impl Output {
    pub(super) fn add(&mut self, other: Output) {
        self.names.extend(other.names);
        self.stars.extend(other.stars);
        self.opaque |= other.opaque;
    }
}

/// What is behind an alias.
#[derive(Debug, Clone)]
pub(super) enum What {
    Table(Relation),
    /// A subquery or CTE.
    Derived(Output),
    /// A function.
    Opaque,
}

/// One entry of a FROM.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) alias: String,
    pub(super) what: What,
    /// Whether its columns are reached by its name alone: `excluded`.
    pub(super) only_qualified: bool,
}

/// Whether a source has a column, and of which tables it is.
#[derive(Debug)]
pub(super) enum Has {
    Yes(Vec<Relation>),
    Maybe(Vec<Relation>),
    No,
}

impl Source {
    /// All that it gives.
    pub(super) fn all(&self) -> Output {
        match &self.what {
            What::Table(relation) => Output { stars: vec![relation.clone()], ..Output::default() },
            What::Derived(output) => output.clone(),
            What::Opaque => Output { opaque: true, ..Output::default() },
        }
    }

    pub(super) fn has(&self, name: &str, known: &Known) -> Has {
        let Output { names, stars, opaque } = self.all();
        if names.contains(name) || (opaque && self.alias == name) {
            return Has::Yes(Vec::new());
        }
        let sure: Vec<Relation> =
            stars.iter().filter(|table| known.has_column(table, name) == Some(true)).cloned().collect();
        if !sure.is_empty() {
            return Has::Yes(sure);
        }
        let maybe: Vec<Relation> = stars.into_iter().filter(|table| known.has_column(table, name).is_none()).collect();
        if maybe.is_empty() && !opaque { Has::No } else { Has::Maybe(maybe) }
    }
}

/// The sources and CTEs at one place, and those around it.
#[derive(Debug, Default)]
pub(super) struct Env<'e> {
    pub(super) sources: Vec<Source>,
    pub(super) ctes: Vec<(String, Output)>,
    parent: Option<&'e Env<'e>>,
}

impl<'e> Env<'e> {
    pub(super) fn under(parent: &'e Env<'e>) -> Self {
        Self { parent: Some(parent), ..Self::default() }
    }

    /// From here to the outermost.
    pub(super) fn outwards(&self) -> impl Iterator<Item = &Env<'_>> {
        std::iter::successors(Some(self), |env| env.parent)
    }

    /// The CTE of that name.
    pub(super) fn cte(&self, name: &str) -> Option<&Output> {
        self.outwards().find_map(|env| env.ctes.iter().rev().find(|(cte, _)| cte == name)).map(|(_, output)| output)
    }

    /// The source of that alias.
    pub(super) fn called(&self, alias: &str) -> Option<&Source> {
        self.outwards().find_map(|env| env.sources.iter().find(|source| source.alias == alias))
    }

    /// The source that `t` or `schema.t` before a dot means.
    pub(super) fn named(&self, qualifier: &[String]) -> Option<&Source> {
        match qualifier {
            [alias] => self.called(alias),
            [.., schema, table] => {
                let relation = (schema.clone(), table.clone());
                let is = |source: &&Source| matches!(&source.what, What::Table(table) if *table == relation);
                self.outwards().find_map(|env| env.sources.iter().find(is))
            }
            [] => None,
        }
    }

    /// Whether a column of that name is known to be in reach.
    pub(super) fn has_column(&self, name: &str, known: &Known) -> bool {
        self.outwards().any(|env| env.sources.iter().any(|source| matches!(source.has(name, known), Has::Yes(_))))
    }
}
