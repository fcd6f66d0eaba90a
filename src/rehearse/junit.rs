//! The verdict as a `JUnit` file: a case for each step, migration, check and event.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::verdict::RehearsalDoc;
use crate::error::{Failure, Result};

/// The file's text. What was not tried is skipped, never passed.
pub fn junit(doc: &RehearsalDoc) -> Result<String> {
    let mut report = Report::new(format!("migrate rehearse {}", doc.plan));
    report.set_time(Duration::from_secs_f64(doc.seconds.max(0.0)));
    report.add_test_suite(steps(doc));
    for suite in [checks(doc), events(doc), left_out(doc)] {
        if suite.tests > 0 {
            report.add_test_suite(suite);
        }
    }
    report.to_string().map_err(|e| Failure::failed(format!("writing `JUnit`: {e}")))
}

/// Every step of the run; one that failed carries the failure of the rehearsal.
fn steps(doc: &RehearsalDoc) -> TestSuite {
    let mut suite = TestSuite::new("run");
    let mut told = false;
    for step in doc.run.iter().flat_map(|run| &run.steps) {
        let mut status = match step.status {
            "done" => TestCaseStatus::success(),
            "failed" => TestCaseStatus::non_success(NonSuccessKind::Failure),
            _ => TestCaseStatus::skipped(),
        };
        if step.status == "failed" {
            told = true;
            status.set_message(step.error.clone().unwrap_or_default());
            status.set_description(doc.failure.as_ref().and_then(|f| f.detail.clone()).unwrap_or_default());
        }
        let mut case = TestCase::new(step.step.clone(), status);
        case.set_classname("run").set_time(Duration::from_millis(step.millis.unwrap_or(0)));
        suite.add_test_case(case);
    }
    if let Some(failure) = &doc.failure
        && !told
    {
        suite.add_test_case(failed("rehearsal", "run", &failure.what, failure.detail.as_deref().unwrap_or_default()));
    }
    suite
}

fn checks(doc: &RehearsalDoc) -> TestSuite {
    let mut suite = TestSuite::new("checks");
    for check in doc.run.iter().flat_map(|run| &run.checks).filter(|check| check.binding) {
        let name = format!("{} ({})", check.outcome.name, check.moment);
        suite.add_test_case(if check.outcome.passed {
            passed(&name, "checks")
        } else {
            failed(&name, "checks", &check.outcome.summary, &check.outcome.examples.join("\n"))
        });
    }
    suite
}

fn events(doc: &RehearsalDoc) -> TestSuite {
    let mut suite = TestSuite::new("events");
    for event in &doc.events {
        suite.add_test_case(if event.made == 0 {
            skipped(&event.event, "events", event.why_not.as_deref().unwrap_or("too few rows to make it happen on"))
        } else if event.lost > 0 {
            failed(
                &event.event,
                "events",
                &format!("{} of {} were acknowledged and not captured", event.lost, event.made),
                "",
            )
        } else {
            passed(&event.event, "events")
        });
    }
    suite
}

fn left_out(doc: &RehearsalDoc) -> TestSuite {
    let mut suite = TestSuite::new("left out");
    for what in &doc.left_out {
        suite.add_test_case(skipped(what, "left out", "not rehearsed"));
    }
    suite
}

fn passed(name: &str, class: &str) -> TestCase {
    let mut case = TestCase::new(name.to_owned(), TestCaseStatus::success());
    case.set_classname(class.to_owned());
    case
}

fn failed(name: &str, class: &str, message: &str, detail: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(message.to_owned()).set_description(detail.to_owned());
    let mut case = TestCase::new(name.to_owned(), status);
    case.set_classname(class.to_owned());
    case
}

fn skipped(name: &str, class: &str, why: &str) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    status.set_message(why.to_owned());
    let mut case = TestCase::new(name.to_owned(), status);
    case.set_classname(class.to_owned());
    case
}
