//! Checks: their sides and what they expect.

use super::*;

#[test]
fn a_side_is_a_database() {
    assert_snapshot!(refused(&check("gren = \"SELECT 1\"\nblue = \"SELECT 1\"\nexpect = \"equal\"")), @r#"
    plan.toml:16:1: "gren" in [[check]] is neither a key nor a name in [databases]
      --> plan.toml:16:1
       |
    16 | gren = "SELECT 1"
       | ^^^^ did you mean `green`?
    "#);
}

#[test]
fn sql_and_sides_exclude_each_other() {
    assert_snapshot!(refused(&check("sql = \"SELECT 1\"\nblue = \"SELECT 1\"\nexpect = \"equal\"")), @r#"
    plan.toml:16:1: "sql" is for both sides: name either it or the sides
      --> plan.toml:16:1
       |
    16 | sql = "SELECT 1"
       | ^^^
    "#);
}

#[test]
fn a_check_needs_a_side() {
    assert_snapshot!(refused(&check("expect = \"equal\"")), @r#"
    plan.toml:14:1: [[check]] needs "sql" (for both sides) or a side per database
      --> plan.toml:14:1
       |
    14 | [[check]]
       | ^^^^^^^^^
    "#);
}

#[test]
fn equal_needs_two_sides() {
    assert_snapshot!(refused(&check("blue = \"SELECT 1\"\nexpect = \"equal\"")), @r#"
    plan.toml:17:10: this expect compares two sides, this check has 1
      --> plan.toml:17:10
       |
    17 | expect = "equal"
       |          ^^^^^^^
    "#);
}

#[test]
fn empty_needs_one_side() {
    assert_snapshot!(refused(&check("blue = \"SELECT 1\"\ngreen = \"SELECT 1\"\nexpect = \"empty\"")), @r#"
    plan.toml:18:10: this expect is about one side, this check has 2
      --> plan.toml:18:10
       |
    18 | expect = "empty"
       |          ^^^^^^^
    "#);
}

#[test]
fn in_names_sides_of_the_check() {
    assert_snapshot!(refused(&check("sql = \"SELECT 1\"\nexpect = \"blue in gren\"")), @r#"
    plan.toml:17:10: expect = "blue in gren" names a side that this check does not have
      --> plan.toml:17:10
       |
    17 | expect = "blue in gren"
       |          ^^^^^^^^^^^^^^ did you mean `green`?
    "#);
}

#[test]
fn a_side_is_not_compared_with_itself() {
    assert_snapshot!(refused(&check("sql = \"SELECT 1\"\nexpect = \"blue in blue\"")), @r#"
    plan.toml:17:10: this expect compares a side with itself
      --> plan.toml:17:10
       |
    17 | expect = "blue in blue"
       |          ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn an_unknown_expectation_lists_the_valid_ones() {
    assert_snapshot!(refused(&check("sql = \"SELECT 1\"\nexpect = \"equals\"")), @r#"
    plan.toml:17:10: expect = "equals" is none of "equal", "empty", "A in B", "{ within = \"1%\" }"
      --> plan.toml:17:10
       |
    17 | expect = "equals"
       |          ^^^^^^^^ did you mean `equal`?
    "#);
}

#[test]
fn within_is_a_percentage() {
    assert_snapshot!(refused(&check("sql = \"SELECT 1\"\nexpect = { within = \"1\" }")), @r#"
    plan.toml:17:21: "1" is no percentage from 0% to 100%: write it like "1%" or "0.5%"
      --> plan.toml:17:21
       |
    17 | expect = { within = "1" }
       |                     ^^^
    "#);
}
