//! The catalog zoo (`tests/zoo/*.sql`): every kind of object, on a blue that the whole program upgrades.

use std::process::Command;

use teal::postgres::Target;

use super::Pair;
use super::stage::Stage;

/// The topics, in an order in which they find what they need.
pub const ZOO: [&str; 17] = [
    include_str!("../zoo/00_roles.sql"),
    include_str!("../zoo/constraints.sql"),
    include_str!("../zoo/columns.sql"),
    include_str!("../zoo/inheritance.sql"),
    include_str!("../zoo/partitions.sql"),
    include_str!("../zoo/types.sql"),
    include_str!("../zoo/values.sql"),
    include_str!("../zoo/views.sql"),
    include_str!("../zoo/triggers.sql"),
    include_str!("../zoo/functions.sql"),
    include_str!("../zoo/texts.sql"),
    include_str!("../zoo/foreign.sql"),
    include_str!("../zoo/extensions.sql"),
    include_str!("../zoo/names.sql"),
    include_str!("../zoo/large_objects.sql"),
    include_str!("../zoo/stage.sql"),
    include_str!("../zoo/privileges.sql"),
];

/// The plan's event, so that the whole program runs; its migrations are none but one that touches nothing of the zoo.
const PLAN: &str = r#"name = "small"
strategy = "blue-green"

[databases]
blue = "${BLUE_URL}"
green = "${GREEN_URL}"

[migrations]
source = "migrations"

[capture]
writes = "events"

[[event]]
name = "ended"
table = "stage.token"
ends = "active"
replay = "UPDATE stage.token SET active = false WHERE id = :id"
verify = "SELECT 1 FROM stage.token WHERE id = :id AND active"

[snapshot]
jobs = 3
"#;

/// What a server of the zoo is started with.
pub const SETTINGS: [(&str, &str); 1] = [("wal_level", "logical")];

/// A stage with these topics on blue; where green has a server of its own, it gets the zoo's roles.
pub fn stage_of(pair: Pair, topics: &[&str]) -> Stage {
    if pair.green_server.is_some() {
        psql(&pair.green, include_str!("../zoo/00_roles.sql"));
    }
    for topic in topics {
        psql(&pair.blue, topic);
    }
    let stage = Stage::on(pair, "");
    stage.write("plan.toml", PLAN);
    for file in ["001_base.sql", "002_state.sql", "003_owner.sql"] {
        std::fs::remove_file(stage.path(&format!("migrations/{file}"))).unwrap();
    }
    stage.write("migrations/001_later.sql", "CREATE TABLE stage.later (id int);\n");
    stage
}

/// A file may hold transactions and SET SESSION AUTHORIZATION: statement by statement, as psql does.
fn psql(target: &Target, sql: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sql).unwrap();
    let done = Command::new("psql")
        .envs(target.program_env())
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file"])
        .arg(file.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
