//! Keys, sections and values: unknown ones, missing ones, and two that exclude each other.

use super::*;

#[test]
fn an_unknown_key_names_the_nearest() {
    assert_snapshot!(refused(&SMALL.replace("green =", "gren =")), @r#"
    plan.toml:6:1: unknown key "gren" in [databases]
     --> plan.toml:6:1
      |
    6 | gren = "${GREEN_URL}"
      | ^^^^ did you mean `green`?
    "#);
}

#[test]
fn an_unknown_section_names_the_nearest() {
    assert_snapshot!(refused(&add("[snapshto]\njobs = 2")), @r#"
    plan.toml:14:2: unknown key "snapshto"
      --> plan.toml:14:2
       |
    14 | [snapshto]
       |  ^^^^^^^^ did you mean `snapshot`?
    "#);
}

#[test]
fn a_key_that_nothing_resembles_is_unknown() {
    assert_snapshot!(refused(&add("[cutover]\nfrobnicate = 1")), @r#"
    plan.toml:15:1: unknown key "frobnicate" in [cutover]
      --> plan.toml:15:1
       |
    15 | frobnicate = 1
       | ^^^^^^^^^^
    "#);
}

#[test]
fn all_problems_are_shown_in_one_go() {
    assert_snapshot!(refused(&SMALL.replace("small", "Small!").replace("\"events\"", "7")), @r#"
    plan.toml:1:8: name must be 1 to 40 lowercase letters, digits, "-" or "_": it becomes part of object names (and 1 more)
     --> plan.toml:1:8
      |
    1 | name = "Small!"
      |        ^^^^^^^^

    error: "writes" must be a string, not an integer
      --> plan.toml:12:10
       |
    12 | writes = 7
       |          ^
    "#);
}

#[test]
fn a_missing_key_points_at_its_section() {
    assert_snapshot!(refused(&SMALL.replace("writes = \"events\"", "")), @r#"
    plan.toml:11:1: missing key "writes" in [capture]
      --> plan.toml:11:1
       |
    11 | [capture]
       | ^^^^^^^^^
    "#);
}

#[test]
fn a_missing_section_is_named() {
    assert_snapshot!(refused(&SMALL.replace("[capture]\nwrites = \"events\"\n", "")), @r#"
    plan.toml:1:1: missing key "capture" in the plan
     --> plan.toml:1:1
      |
    1 | name = "small"
      | ^
    "#);
}

#[test]
fn one_url_under_two_names_is_refused() {
    assert_snapshot!(refused(&SMALL.replace("postgres://app:s3cret@blue.example/oauth", "${GREEN_URL}")), @r#"
    plan.toml:6:9: green has the same URL as blue
     --> plan.toml:6:9
      |
    6 | green = "${GREEN_URL}"
      |         ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_folder_and_a_migrator_exclude_each_other() {
    assert_snapshot!(refused(&SMALL.replace("[capture]", "command = [\"up\"]\n\n[capture]")), @r#"
    plan.toml:11:1: "source" and "command" exclude each other
      --> plan.toml:11:1
       |
    11 | command = ["up"]
       | ^^^^^^^
    "#);
}

#[test]
fn migrations_need_a_source() {
    assert_snapshot!(refused(&SMALL.replace("source = \"migrations\"", "")), @r#"
    plan.toml:8:1: [migrations] needs either "source" (a folder) or "command" (a program)
     --> plan.toml:8:1
      |
    8 | [migrations]
      | ^^^^^^^^^^^^
    "#);
}

#[test]
fn an_unknown_value_lists_the_valid_ones() {
    assert_snapshot!(refused(&add("[[participant]]\nname = \"pooler\"\nkind = \"comand\"")), @r#"
    plan.toml:16:8: kind = "comand" is none of "command", "file", "http"
      --> plan.toml:16:8
       |
    16 | kind = "comand"
       |        ^^^^^^^^ did you mean `command`?
    "#);
}

#[test]
fn a_database_is_not_named_like_a_key_of_a_check() {
    assert_snapshot!(refused(&SMALL.replace("[migrations]", "sql = \"postgres://a:s3cret@h/d\"\n[migrations]")), @r#"
    plan.toml:8:1: "sql" can't name a database: lowercase letters, digits, "-" and "_", none of name, sql, expect
     --> plan.toml:8:1
      |
    8 | sql = "***"
      | ^^^
    "#);
}
