//! Passwords, URLs and values from the environment: none is ever shown, however broken the file is.

use super::*;

#[test]
fn a_secret_of_several_lines_is_masked() {
    let shown = refused(
        &SMALL.replace("\"postgres://app:s3cret@blue.example/oauth\"", "\"\"\"\nhost=h\npassword=s3cret\"\"\""),
    );
    assert!(shown.contains("\"***\""), "{shown}");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn a_plan_cut_and_pasted_anywhere_never_panics_nor_shows_a_secret(at in 0..SMALL.len(), insert in "[\\[\\]{}=\"'#\n$é,. a-c]{0,6}") {
        let text = format!("{}{insert}{}", &SMALL[..at], &SMALL[at..]);
        if let (_folder, Err(failure)) = read(&text) {
            prop_assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
        }
    }
}

#[test]
fn a_broken_line_hides_its_secret() {
    assert_snapshot!(refused(&SMALL.replace("/oauth\"", "/oauth")), @r#"
    plan.toml:5:49: not TOML: invalid basic string, expected `"`
     --> plan.toml:5:49
      |
    5 | blue = ***
      |           ^
    "#);
}

#[test]
fn a_bad_url_is_masked() {
    assert_snapshot!(refused(&SMALL.replace("blue.example/", "blue.example:port/")), @r#"
    plan.toml:5:8: blue: not a connection URL: character 36: this should be a port; in a password, write / as %2F, @ as %40
     --> plan.toml:5:8
      |
    5 | blue = "***"
      |        ^^^^^
    "#);
}

#[test]
fn a_database_of_the_wrong_type_is_masked() {
    assert_snapshot!(refused(&SMALL.replace("\"${GREEN_URL}\"", "[\"hunter2 s3cret\"]")), @r#"
    plan.toml:6:9: "green" must be a string, not an array
     --> plan.toml:6:9
      |
    6 | green = ["***"]
      |         ^^^^^^^
    "#);
}

#[test]
fn a_secret_before_the_span_is_masked() {
    assert_snapshot!(refused(&SMALL.replace("[databases]\n", "").replace("blue = ", "databases.blue = ").replace("green = \"${GREEN_URL}\"", "databases.green = \"${NO_URL}\" # was s3cret")), @r#"
    plan.toml:5:20: the environment variable NO_URL is not set
     --> plan.toml:5:20
      |
    5 | databases.green = "${NO_URL}" # ***
      |                    ^^^^^^^^^
    "#);
}

#[test]
fn an_inline_table_keeps_the_column() {
    assert_snapshot!(refused(&SMALL.replace("[databases]\n", "databases = {").replace("oauth\"\n", "oauth\", ").replace("green = \"${GREEN_URL}\"", "grene = \"${GREEN_URL}\" }")), @r#"
    plan.toml:4:65: unknown key "grene" in [databases]
     --> plan.toml:4:65
      |
    4 | databases = {blue = "***", grene = "${GREEN_URL}" }
      |                            ^^^^^ did you mean `green`?
    "#);
}

#[test]
fn an_unset_variable_is_named() {
    assert_snapshot!(refused(&SMALL.replace("GREEN_URL", "NO_URL")), @r#"
    plan.toml:6:10: the environment variable NO_URL is not set
     --> plan.toml:6:10
      |
    6 | green = "${NO_URL}"
      |          ^^^^^^^^^
    "#);
}

#[test]
fn an_unset_variable_in_a_text_is_underlined() {
    assert_snapshot!(refused(&SMALL.replace("\"migrations\"", "\"files/${NO_SUCH}/up\"")), @r#"
    plan.toml:9:17: the environment variable NO_SUCH is not set
     --> plan.toml:9:17
      |
    9 | source = "files/${NO_SUCH}/up"
      |                 ^^^^^^^^^^
    "#);
}

#[test]
fn a_variable_s_value_is_never_shown() {
    assert_snapshot!(refused(&SMALL.replace("\"blue-green\"", "\"${GREEN_URL}\"")), @r#"
    plan.toml:2:12: strategy = "${GREEN_URL}" is none of "blue-green", "in-place"
     --> plan.toml:2:12
      |
    2 | strategy = "${GREEN_URL}"
      |            ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_migrator_s_variables_are_masked() {
    assert_snapshot!(refused(&SMALL.replace("source = \"migrations\"", "command = [\"up\"]\nenv = { A = \"s3cret\", B = 5 }")), @r#"
    plan.toml:10:27: "B" must be a string, not an integer
      --> plan.toml:10:27
       |
    10 | env = { A = "***", B = "***" }
       |                        ^^^^^
    "#);
}

#[test]
fn a_url_in_a_program_is_masked() {
    assert_snapshot!(refused(&SMALL.replace("source = \"migrations\"", "command = \"psql postgres://a:s3cret@h/d\"")), @r#"
    plan.toml:9:11: "command" must be a list: programs are lists, never a shell string
     --> plan.toml:9:11
      |
    9 | command = "***"
      |           ^^^^^ write ["program", "argument", …]
    "#);
}

#[test]
fn a_folder_takes_no_variables() {
    assert_snapshot!(refused(&SMALL.replace("[capture]", "env = {}\n\n[capture]")), @r#"
    plan.toml:11:1: "env" is for "command": files are run by Teal itself
      --> plan.toml:11:1
       |
    11 | env = {}
       | ^^^
    "#);
}

#[test]
fn what_a_url_asks_for_and_can_not_have_is_refused_with_its_place_and_reason() {
    assert_snapshot!(refused(&SMALL.replace("example/oauth", "example/oauth?requirepeer=postgres")), @r#"
    plan.toml:5:8: blue: character 54 of the connection string: requirepeer is not supported
     --> plan.toml:5:8
      |
    5 | blue = "***"
      |        ^^^^^ the owner of a socket's server is not looked at
    "#);
}

#[test]
fn a_broken_section_of_databases_hides_all_values() {
    assert_snapshot!(refused(&SMALL.replace("\"${GREEN_URL}\"", "\"hunter2")), @r#"
    plan.toml:6:17: not TOML: invalid basic string, expected `"`
     --> plan.toml:6:17
      |
    6 | green = ***
      |            ^
    "#);
}
