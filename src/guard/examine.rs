//! All that `doctor` looks at, topic by topic. A topic that fails is said to be unseen, and the next one is looked at: with
//! minimal rights, or with one of the databases only, the rest is still worth knowing.

use std::time::Duration;

use super::look::{Look, Side, none_or};
use super::throughput::{Throughput, measure};
use super::topic::Topic;
use super::{
    activity, age, capacity, clients, clock, compression, connect, event_table, event_triggers, extensions, first_of,
    green_empty, here, in_place, locale, not_carried, pooler, privileges, recovery, replication, retired, roles,
    same_database, settings, space, timeouts, version,
};
use crate::catalog::{Machine, read_tables};
use crate::error::Result;
use crate::finding::Finding;
use crate::plan::Plan;
use crate::postgres::{Db, Protection, Target};
use crate::units::{count, show_bytes};

/// What is to be looked at.
pub struct Wanted<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its run has been at work on green already, which is no longer empty.
    pub resuming: bool,
    /// From which age on a transaction on blue is shown.
    pub old_after: Duration,
    /// Read rows from blue for two seconds to learn how fast that goes.
    pub measure: bool,
}

/// What was looked at.
pub struct Examined {
    /// In the order in which they were looked at.
    pub topics: Vec<Topic>,
    /// How fast rows come from blue, where that was measured.
    pub throughput: Option<Throughput>,
    /// Bytes of blue's tables that are to be copied; none in place, or where blue could not be asked.
    pub table_bytes: Option<u64>,
}

/// No answer takes longer, and nobody waits behind a lock that we wait for.
const BOUNDS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '1s'";

/// Looks at everything; reads only.
pub async fn examine(wanted: Wanted<'_>) -> Examined {
    let Wanted { plan, resuming, old_after, measure: measured } = wanted;
    let mut connection = Topic::new("connection");
    let blue = reach(&plan.blue, &mut connection).await;
    let green = match plan.sides().1 {
        Some(green) => reach(green, &mut connection).await,
        None => None,
    };
    let mut look = Look { plan, resuming, blue, green, tables: Vec::new() };
    let tables = match &look.blue {
        Some(blue) => Some(read_tables(&blue.db).await),
        None => None,
    };
    let tables_read = matches!(tables, Some(Ok(_)));
    match tables {
        Some(Ok(tables)) => look.tables = tables,
        Some(Err(e)) => connection.missed(format!("blue's tables: {}", e.what)),
        None => {}
    }
    connection.found(connections_amiss(&look).await);
    let mut topics = vec![connection, said("versions", versions(&look).await)];
    topics.push(said("identity", identity(&look).await));
    if look.blue.is_none() && look.green.is_none() {
        topics.push(said("this machine", Ok(this_machine(&look).await)));
        return Examined { topics, throughput: None, table_bytes: None };
    }
    topics.push(said("privileges", rights(&look).await));
    // In place nothing travels: what is about two databases, or about what is carried from one to the other, says nothing.
    let travels = !plan.is_in_place();
    if travels {
        topics.push(said("clients", roles_of_clients(&look).await));
        topics.push(said("green", emptiness(&look).await));
    }
    topics.push(said("capacity", room(&look).await));
    if travels {
        topics.push(said("settings", told(&look).await));
        topics.push(said("locale", text_order(&look).await));
        topics.push(said("objects", objects(&look).await));
        topics.push(said("events", events(&look).await));
    }
    topics.push(said("activity", activity_now(&look, old_after).await));
    topics.push(said("age", ages(&look).await));
    topics.push(said("replication", followers(&look).await));
    topics.push(said("space", space::look_at(&look).await));
    topics.push(said("clocks", clocks(&look).await));
    topics.push(said("this machine", Ok(this_machine(&look).await)));
    let throughput = match (measured && travels && tables_read, topics.last_mut()) {
        (true, Some(last)) => measure(&plan.blue, &look.tables).await.unwrap_or_else(|e| {
            last.missed(format!("how fast blue can be read: {}", e.what));
            None
        }),
        _ => None,
    };
    let bytes = look.tables.iter().filter(|table| table.holds_rows()).map(|table| table.bytes).sum();
    Examined { topics, throughput, table_bytes: (travels && tables_read).then_some(bytes) }
}

/// A topic, or why there is nothing to say about it.
fn said(name: &'static str, topic: Result<Topic>) -> Topic {
    topic.unwrap_or_else(|e| {
        let mut topic = Topic::new(name);
        topic.missed(e.what);
        topic
    })
}

/// A side that our questions can be put to.
async fn reach<'a>(target: &'a Target, topic: &mut Topic) -> Option<Side<'a>> {
    let unreachable = |e: crate::error::Failure| {
        Finding::blocker("guard/unreachable", &target.name, e.what)
            .so_what(format!("nothing of {} could be looked at ({})", target.name, target.address()))
            .next(e.hint.unwrap_or_default())
    };
    let db = match connect::connect(target).await {
        Ok(db) => db,
        Err(e) => {
            topic.found([unreachable(e)]);
            return None;
        }
    };
    match open(target, db, topic).await {
        Ok(side) => side,
        Err(e) => {
            topic.found([unreachable(e)]);
            None
        }
    }
}

/// `None`: what we would see there is not to be trusted, and the finding says why.
async fn open<'a>(target: &'a Target, db: Db, topic: &mut Topic) -> Result<Option<Side<'a>>> {
    let pooled = pooler::on_the_way(target, &db).await?;
    if pooled.is_some() {
        topic.found(pooled);
        return Ok(None);
    }
    db.run(BOUNDS).await?;
    let side = Side::read(target, db).await?;
    let old = version::too_old(&target.name, &side.server);
    if old.is_some() {
        topic.found(old);
        return Ok(None);
    }
    let row = side.db.row(include_str!("../postgres/sql/select_session.sql"), &[]).await?;
    let (protection, nearby) = (side.db.protection(), row.get::<_, bool>("nearby"));
    let way = match protection {
        Protection::Plain if nearby => "no TLS (loopback)".to_owned(),
        protection => protection.to_string(),
    };
    let clock = clock::read_clock(&side.db).await?;
    topic.saw(format!("{} {:.1} ms away, {way}, {}", target.name, clock.round_trip_ms, side.provider.word()));
    if protection == Protection::Plain && !nearby {
        topic.found([Finding::warning(
            "guard/no-tls",
            &target.name,
            format!("{} is reached without TLS", target.name),
        )
        .so_what("rows, and the password where it is not scram, cross the network as they are")
        .next(format!("add sslmode=verify-full to the URL of `{}`", target.name))]);
    }
    Ok(Some(side))
}

async fn connections_amiss(look: &Look<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(both) = look.both() {
        found.extend(same_database::check(&both).await.unwrap_or_default());
        found.extend(recovery::check(&both));
        if !look.resuming {
            found.extend(retired::check(&both).await.unwrap_or_default());
        }
    }
    found
}

async fn versions(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("versions");
    let servers = look.line(|side| side.server.version.split(' ').next().unwrap_or_default().to_owned());
    topic
        .saw([servers, version::programs().await].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join("; "));
    if let Some(both) = look.both() {
        topic.found(version::check(&both.blue_server, &both.green_server).await);
    }
    Ok(topic)
}

/// To be compared with later: a failover shows in the timeline, another server in the identifier.
async fn identity(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("identity");
    for side in look.sides() {
        let row = side.db.maybe_row(include_str!("../postgres/sql/select_identity.sql"), &[]).await;
        match row {
            Ok(Some(row)) => {
                let (system, timeline): (i64, i32) = (row.get("system_identifier"), row.get("timeline"));
                let checksums: String = row.get("checksums");
                topic.saw(format!("{} is system {system}, timeline {timeline}, checksums {checksums}", side.name()));
            }
            Ok(None) => {}
            Err(e) => topic.missed(format!("{}'s identity: {}", side.name(), e.message())),
        }
    }
    Ok(topic)
}

async fn rights(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("privileges");
    topic.saw(look.line(|side| {
        let power = if side.server.superuser { ", a superuser" } else { "" };
        format!("as {}{power}", side.target.user())
    }));
    for side in look.sides() {
        topic.found(privileges::on_database(&side.db).await?);
    }
    if let Some(blue) = &look.blue {
        let in_place = look.plan.is_in_place();
        let lacks =
            if in_place { in_place::on_objects(&blue.db).await } else { privileges::on_objects(&blue.db).await };
        topic.found(lacks?);
    }
    match look.both() {
        None if look.plan.is_in_place() => {}
        Some(both) => topic.found(roles::check(&both).await?),
        None => topic.missed("whether green has blue's roles: that takes both databases"),
    }
    let none = none_or(&topic.findings, "nothing is missing", |n| format!("{}: statements below", count(n, "lack")));
    topic.saw(none);
    Ok(topic)
}

async fn roles_of_clients(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("clients");
    let Some(blue) = &look.blue else { return Ok(topic) };
    let roles = clients::roles_at_work(&blue.db).await?;
    topic.saw(match roles.as_slice() {
        [] => "nobody is logged in to blue but us".to_owned(),
        roles => format!("logged in to blue now: {}", first_of(roles, 5)),
    });
    if let Some(both) = look.both() {
        topic.found(clients::check(&both).await?);
        topic.missed("passwords, and pg_hba.conf of green: try a login from an application's host");
    }
    Ok(topic)
}

async fn emptiness(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("green");
    let Some(both) = look.both() else { return Ok(topic) };
    if look.resuming {
        topic.saw("holds what this run put there");
    } else {
        topic.found(green_empty::check(&both).await?);
        topic.saw(none_or(&topic.findings, "empty", |_| "not empty".to_owned()));
    }
    Ok(topic)
}

async fn room(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("capacity");
    topic.saw(format!("connections left: {}", look.line(|side| side.server.free_connections().to_string())));
    topic.saw(format!("places for locks: {}", look.line(|side| side.server.lock_slots().to_string())));
    if let Some(both) = look.both() {
        let most = capacity::sessions_at_most(look.plan.jobs);
        topic.saw(format!("a run takes up to {} connections on blue and {} on green", most.blue, most.green));
        topic.found(capacity::check(&both).await?);
        let (machine, jobs) = (Machine::read(both.green).await?, look.plan.jobs);
        let share = machine.share(jobs);
        topic.saw(format!("each of {jobs} index builds on green may take {share} ({machine})"));
    }
    Ok(topic)
}

async fn told(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("settings");
    match look.both() {
        Some(both) => {
            topic.found(settings::check(&both));
            topic.found(timeouts::check(&both).await?);
            topic.saw(none_or(&topic.findings, "what matters is the same on both", |_| {
                format!("{} compared", count(both.blue_settings.0.len(), "setting"))
            }));
        }
        None => topic.missed("whether blue and green are set alike: that takes both databases"),
    }
    for side in look.sides().filter(|side| side.settings.get("TimeZone").is_none()) {
        topic.missed(format!("the server's TimeZone on {}: psql -c 'SHOW TimeZone' tells it", side.name()));
    }
    for side in look.sides().filter(|side| side.settings.get("shared_preload_libraries").is_none()) {
        let role = crate::postgres::Ident::new(side.target.user());
        topic.missed(format!(
            "libraries that {} loads at its start: GRANT pg_read_all_settings TO {role};",
            side.name()
        ));
    }
    Ok(topic)
}

async fn text_order(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("locale");
    topic.saw(look.line(|side| format!("{} {}", side.server.encoding, locale::locale(&side.server))));
    if let Some(both) = look.both() {
        topic.found(locale::check(&both).await?);
    }
    Ok(topic)
}

async fn objects(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("objects");
    let Some(blue) = &look.blue else { return Ok(topic) };
    let parents = look.tables.iter().filter(|table| !table.holds_rows()).count();
    let tables = look.tables.len() - parents;
    topic.saw(format!("{} with rows, {} over partitions", count(tables, "table"), count(parents, "parent")));
    topic.found(event_triggers::check(&blue.db).await?);
    match look.both() {
        Some(both) => {
            topic.found(not_carried::check(&both).await?);
            topic.found(extensions::check(&both).await?);
            topic.found(compression::check(&both).await?);
        }
        None => topic.missed("whether green can take all objects and extensions: that takes both databases"),
    }
    Ok(topic)
}

async fn events(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("events");
    let Some(blue) = &look.blue else { return Ok(topic) };
    topic.found(event_table::check(look.plan, &blue.db, &look.tables).await?);
    let tried = count(look.plan.events.len(), "event");
    topic.saw(none_or(&topic.findings, &format!("{tried}: table, key, predicate, statements tried"), |n| {
        format!("{tried}, {}", count(n, "finding"))
    }));
    Ok(topic)
}

async fn activity_now(look: &Look<'_>, old_after: Duration) -> Result<Topic> {
    let mut topic = Topic::new("activity");
    let Some(blue) = &look.blue else { return Ok(topic) };
    topic.found(activity::check(look.plan, blue, &look.tables, old_after).await?);
    topic.saw(none_or(&topic.findings, "no old or prepared transaction, no vacuum by force", |n| {
        format!("{} in the way now", count(n, "thing"))
    }));
    if !blue.sees_sessions {
        let role = crate::postgres::Ident::new(blue.target.user());
        topic.missed(format!("how old other roles' transactions are: GRANT pg_read_all_stats TO {role};"));
    }
    Ok(topic)
}

async fn ages(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("age");
    let Some(blue) = &look.blue else { return Ok(topic) };
    let age = age::read_age(blue).await?;
    topic.saw(age.line());
    topic.found(age::judge(&age, blue.target.dbname()));
    Ok(topic)
}

async fn followers(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("replication");
    for side in look.sides() {
        let followers = replication::read_followers(side).await?;
        topic.saw(format!("{}: {}", side.name(), followers.line()));
        topic.found(replication::synchronous(side, &followers));
        if side.name() == "blue" {
            topic.found(replication::on_blue(&followers));
        }
    }
    Ok(topic)
}

async fn clocks(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("clocks");
    let mut read = Vec::new();
    for side in look.sides() {
        read.push((side.name(), clock::read_clock(&side.db).await?.ahead_seconds));
    }
    let said: Vec<String> = read.iter().map(|(name, ahead)| format!("{name} {ahead:+.1} s")).collect();
    topic.saw(format!("against this machine's: {}", said.join(", ")));
    for (name, ahead) in &read {
        topic.found(clock::judge((name, "this machine"), *ahead));
    }
    if let [(blue, a), (green, b)] = read.as_slice() {
        topic.found(clock::judge((green, blue), b - a));
    }
    Ok(topic)
}

async fn this_machine(look: &Look<'_>) -> Topic {
    let mut topic = Topic::new("this machine");
    let folder = here::standing(&look.plan.journal_dir);
    let free = here::free_bytes(&folder).map_or("an unknown amount".to_owned(), show_bytes);
    topic.saw(format!("{free} free for the journal in {}", look.plan.journal_dir.display()));
    topic.found(here::check(look.plan));
    topic.found(here::files(look.plan));
    for target in look.plan.others.values() {
        let unanswered = here::answers(target).await;
        if unanswered.is_none() {
            topic.saw(format!("{} answers", target.name));
        }
        topic.found(unanswered);
    }
    topic
}
