//! The catalog zoo, from 15 to newer majors.

use teal::catalog::read_structure;

use crate::across_with;
use crate::support::zoo::{SETTINGS, zoo_on};

async fn survives(blue: u32, green: u32) {
    let stage = zoo_on(across_with(&SETTINGS, blue, green, "").await);
    let ran = stage.run(&["apply", "--yes"]).expect(0);
    let _ = ran;
    let (blue, green) = (stage.pair.on_blue().await, stage.pair.on_green().await);
    let differences = read_structure(&blue).await.unwrap().differences(&read_structure(&green).await.unwrap());
    assert_eq!(differences, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn from_15_to_17() {
    survives(15, 17).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_15_to_18() {
    survives(15, 18).await;
}
