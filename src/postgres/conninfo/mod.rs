//! How a database is reached and logged into: the connection string, then its service, then the environment, then
//! defaults, in libpq's order. docs/connecting.md is the table for users.

mod keyword;
mod login;
mod parse;
mod passfile;
mod service;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

pub(super) use login::{Attributes, Host, Login};

use crate::error::{Failure, Result};
use keyword::{KEYWORDS, Treated};

/// Where variables are looked up: the process environment, or a test's own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where a setting was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the connection string, counted from 1.
    Character(usize),
    /// In a service file.
    Line(PathBuf, usize),
    /// In the environment.
    Variable(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character(at) => write!(f, "character {at} of the connection string"),
            Self::Line(file, line) => write!(f, "{}:{line}", file.display()),
            Self::Variable(name) => write!(f, "{name} in the environment"),
        }
    }
}

/// A keyword's value. May be a secret: has no `Debug`.
pub(super) struct Setting {
    pub(super) value: String,
    pub(super) place: Place,
}

impl Setting {
    /// A failure that says where, and not what.
    fn wrong(&self, what: impl fmt::Display) -> Failure {
        Failure::usage(format!("{}: {what}", self.place))
    }
}

/// Values by keyword.
#[derive(Default)]
pub(super) struct Settings(BTreeMap<&'static str, Setting>);

impl Settings {
    /// Everything that is said of one connection, or why it can't be.
    pub(super) fn read(text: &str, env: Environment<'_>) -> Result<Self> {
        let wrong = |e: parse::Wrong| Failure::usage(format!("not a connection URL: character {}: {}", e.at, e.what));
        let mut settings = parse::parse(text).map_err(wrong)?;
        let service = settings.text("service").map(str::to_owned).or_else(|| env("PGSERVICE"));
        if let Some(service) = service.filter(|service| !service.is_empty()) {
            service::fill(&mut settings, &service, env)?;
        }
        settings.fill(of_environment(env));
        settings.refuse()?;
        Ok(settings)
    }

    /// A value; an empty one is none, as for libpq.
    fn text(&self, name: &str) -> Option<&str> {
        self.setting(name).map(|setting| setting.value.as_str())
    }

    fn setting(&self, name: &str) -> Option<&Setting> {
        self.0.get(name).filter(|setting| !setting.value.is_empty())
    }

    /// The value as one of several words.
    fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>> {
        let Some(setting) = self.setting(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&setting.value));
        let all = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        found.map(|(_, value)| Some(*value)).ok_or_else(|| setting.wrong(format!("{name} is one of {}", all())))
    }

    /// The value as a whole number.
    fn number(&self, name: &str) -> Result<Option<i64>> {
        let Some(setting) = self.setting(name) else { return Ok(None) };
        let number = setting.value.trim().parse();
        number.map(Some).map_err(|_| setting.wrong(format!("{name} is a whole number")))
    }

    /// Takes what `more` has and we have not.
    fn fill(&mut self, more: Self) {
        for (name, setting) in more.0 {
            self.0.entry(name).or_insert(setting);
        }
    }

    /// Refuses what asks for something that we can't give: taken in silence it would be weaker than what was asked for.
    fn refuse(&self) -> Result<()> {
        for keyword in KEYWORDS {
            let (Treated::Refused { but, why }, Some(setting)) = (keyword.treated, self.0.get(keyword.name)) else {
                continue;
            };
            if !but.contains(&setting.value.as_str()) {
                return Err(setting.wrong(format!("{} is not supported", keyword.name)).hint(why));
            }
        }
        Ok(())
    }
}

fn of_environment(env: Environment<'_>) -> Settings {
    let set = KEYWORDS.iter().filter_map(|keyword| {
        let variable = keyword.variable?;
        Some((keyword.name, Setting { value: env(variable)?, place: Place::Variable(variable) }))
    });
    Settings(set.collect())
}

/// The user's home, where libpq's files have their places.
fn home(env: Environment<'_>) -> Option<PathBuf> {
    match env("HOME").filter(|home| !home.is_empty()) {
        Some(home) => Some(PathBuf::from(home)),
        None => std::env::home_dir(),
    }
}
