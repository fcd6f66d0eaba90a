//! The catalog zoo, from 15 to newer majors: `apply` proves every row, and no object is missing.

use std::collections::BTreeSet;

use teal::catalog::read_structure;
use teal::postgres::Db;

use crate::across_with;
use crate::support::zoo::{SETTINGS, ZOO, stage_of};

/// Names of all structural objects. Their text differs between majors, and so do the names of two kinds of constraint:
/// from 18 on NOT NULL is one, and the clones of a partitioned table's foreign keys are numbered otherwise.
async fn objects(db: &Db) -> BTreeSet<String> {
    let names = read_structure(db).await.unwrap().0.into_keys();
    names.filter(|name| !name.starts_with("constraint ") && !name.contains(" stage.")).collect()
}

async fn survives(blue: u32, green: u32) {
    let stage = stage_of(across_with(&SETTINGS, blue, green, "").await, &ZOO);
    // The fetched servers are built without lz4: that is found before, not in the middle.
    let plan = stage.run(&["plan"]).expect(3);
    assert!(plan.stdout.contains("guard/compression"), "{}", plan.stdout);
    let on_blue = stage.pair.on_blue().await;
    on_blue.run("ALTER TABLE columns.stored ALTER COLUMN b SET COMPRESSION pglz").await.unwrap();
    stage.run(&["apply", "--yes"]).expect(0);
    let on_green = stage.pair.on_green().await;
    assert_eq!(objects(&on_blue).await, objects(&on_green).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_object_goes_from_15_to_17() {
    survives(15, 17).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_object_goes_from_15_to_18() {
    survives(15, 18).await;
}
