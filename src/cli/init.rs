//! `migrate init`: a first plan, from a live blue or from a dump, and the migrations.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Output;
use super::inputs::stop_on_signals;
use crate::error::{Context, Failure, Result};
use crate::init::{self, InitDoc, Order, Origin, Planned, Wanted, init_text};
use crate::plan::read_plan;
use crate::postgres::Target;
use crate::rehearse::Source;

/// The variable that holds blue's URL where none is named.
const BLUE_URL: &str = "BLUE_URL";

#[derive(Debug, Args)]
pub struct InitArgs {
    /// The database that serves today, by the environment variable that holds its URL: '${BLUE_URL}'
    #[arg(long, value_name = "${NAME}", conflicts_with_all = ["blue_env", "from"])]
    blue: Option<String>,
    /// The same by the variable's name alone [default: BLUE_URL]
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    blue_env: Option<String>,
    /// Instead of a live database: a pg_dump archive, or a staging database as '${NAME}'; restored into a throwaway server
    #[arg(long, value_name = "SOURCE")]
    from: Option<String>,
    /// The folder of migrations
    #[arg(long, value_name = "DIR", required_unless_present = "command", conflicts_with = "command")]
    migrations: Option<PathBuf>,
    /// Its layout, where its files and blue don't tell
    #[arg(long, value_name = "NAME", requires = "migrations",
          value_parser = clap::builder::PossibleValuesParser::new(crate::plan::LAYOUT_NAMES))]
    layout: Option<String>,
    /// The variable in which the application's own migrator takes the URL of its database
    #[arg(long, value_name = "NAME", requires = "command")]
    command_env: Option<String>,
    /// Where the plan is written; - for stdout
    #[arg(long, short, value_name = "FILE", default_value = "plan.toml")]
    output: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// The plan's name; derived from the database and the folder by default
    #[arg(long)]
    name: Option<String>,
    /// Instead of a folder: the application's own migrator with its arguments
    #[arg(last = true, value_name = "COMMAND", requires = "command_env")]
    command: Vec<String>,
}

/// Where the plan went to stdout, the document holds it.
#[derive(Serialize)]
struct WithText<'a> {
    #[serde(flatten)]
    doc: &'a InitDoc,
    text: &'a str,
}

pub async fn run(args: InitArgs, out: &Output) -> Result<()> {
    let to_stdout = args.output == Path::new("-");
    let path = if to_stdout { PathBuf::from("plan.toml") } else { args.output.clone() };
    if !to_stdout && path.exists() && !args.force {
        return Err(Failure::usage(format!("{} is there already", path.display()))
            .state("nothing was read or written")
            .hint("name another file with -o, or replace it with --force"));
    }
    let env = |name: &str| std::env::var(name).ok();
    let (origin, variable) = origin(&args, &env)?;
    let wanted = match (&args.migrations, &args.command_env) {
        (Some(folder), _) => Wanted::Folder(folder.clone()),
        (None, Some(variable)) => Wanted::Command { argv: args.command.clone(), variable: variable.clone() },
        (None, None) => return Err(Failure::usage("name the migrations: --migrations DIR")),
    };
    // A large dump takes its time: what can't end well is said before.
    if let Wanted::Folder(folder) = &wanted {
        read_migrations_folder(folder)?;
    }
    if !to_stdout {
        beside("", &path).map_err(|e| Failure::usage(e.what).hint("name a file elsewhere: -o FILE"))?;
    }
    out.say(match origin {
        Origin::Live(_) => "Looking at blue, and running what is pending on a throwaway copy of its schema …\n",
        Origin::Copy(_) => "Restoring into a throwaway server, and running what is pending on a copy …\n",
    });
    let stop = stop_on_signals();
    let name = args.name.as_deref();
    let layout = args.layout.as_deref();
    let order = Order { origin: &origin, wanted: &wanted, plan: &path, layout, name, variable: &variable, stop: &stop };
    let Planned { text, mut doc } = init::draft(&order).await?;
    check(&text, &path, &variable)?;
    doc.next = match (&args.from, to_stdout) {
        (Some(from), _) => format!("migrate rehearse {} --from {}", path.display(), shell_word(from)),
        (None, _) => format!("migrate plan {}", path.display()),
    };
    if to_stdout {
        "-".clone_into(&mut doc.plan);
        out.say(&init_text(&doc));
        out.result(&WithText { doc: &doc, text: &text }, || text.clone());
    } else {
        write(&text, &path, args.force)?;
        out.result(&doc, || init_text(&doc));
    }
    Ok(())
}

fn read_migrations_folder(folder: &Path) -> Result<()> {
    let wrong = |why: &str| {
        Failure::usage(format!("migrations folder {}: {why}", folder.display()))
            .state("nothing was read or written")
            .hint("name the folder of the files that are to be run: --migrations DIR")
    };
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(false) => Ok(()),
        Ok(true) => Err(wrong("it is empty")),
        Err(e) => Err(wrong(&e.to_string())),
    }
}

/// Where blue is looked at, and the variable that the plan reads its URL from.
fn origin(args: &InitArgs, env: &dyn Fn(&str) -> Option<String>) -> Result<(Origin, String)> {
    if let Some(from) = &args.from {
        return Ok((Origin::Copy(Source::parse(from, env)?), BLUE_URL.to_owned()));
    }
    let name = match (&args.blue, &args.blue_env) {
        (Some(blue), _) => {
            let name = blue.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            name.ok_or_else(|| {
                Failure::usage("--blue takes '${NAME}', a variable's name, and no URL")
                    .state("on a command line, everybody on this machine can read a URL")
                    .hint("export BLUE_URL=…, then: migrate init --blue '${BLUE_URL}' …")
            })?
        }
        (None, Some(name)) => name,
        (None, None) => BLUE_URL,
    };
    let url = env(name).filter(|url| !url.trim().is_empty()).ok_or_else(|| {
        Failure::usage(format!("the environment variable {name} is not set"))
            .hint(format!("set {name} to the URL of the database that serves today, or name a dump: --from FILE"))
    })?;
    Ok((Origin::Live(Target::parse("blue", &url)?), name.to_owned()))
}

/// What we write must be a plan, whatever names the database has.
fn check(text: &str, path: &Path, variable: &str) -> Result<()> {
    let draft = beside(text, path)?;
    // Any two that differ: nothing is connected to.
    let env = |name: &str| {
        (name == variable || name == "GREEN_URL")
            .then(|| format!("postgres://nobody@localhost/{}", name.to_lowercase()))
    };
    read_plan(draft.path(), &env).map(drop).map_err(|e| {
        let detail = e.detail.unwrap_or_default();
        Failure::failed(format!("the plan that init wrote is none: {}", e.what))
            .detail(detail)
            .hint("please report it; -o - with an older folder or --name may get past it")
    })
}

/// All of it at once; a file that came meanwhile is not replaced either.
fn write(text: &str, path: &Path, force: bool) -> Result<()> {
    let file = beside(text, path)?;
    let put = if force { file.persist(path) } else { file.persist_noclobber(path) };
    put.map_err(|e| e.error).with_context(|| path.display().to_string())?;
    Ok(())
}

/// A file in the plan's folder: paths in it are relative to that, and only so can it be put in place at once.
fn beside(text: &str, path: &Path) -> Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let make = || -> std::io::Result<tempfile::NamedTempFile> {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o644);
        let mut file =
            tempfile::Builder::new().prefix(".teal-init-").suffix(".toml").permissions(mode).tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    make().map_err(|e| Failure::failed(format!("writing into {}: {}", folder.display(), e.kind())))
}

/// As a shell takes it.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:=@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
