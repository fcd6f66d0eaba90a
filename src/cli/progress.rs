//! Notices on their way to the operator: bars on a terminal, lines without one, objects for a program.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::output::Output;
use crate::report::text;
use crate::step::{Notice, NoticeBody, StepId, Unit};
use crate::units::{show_bytes, show_millis};

/// Without a terminal, how often a running step is heard of.
const LINE_EVERY: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct NoticeDoc<'a> {
    format: &'static str,
    #[serde(flatten)]
    notice: &'a Notice,
}

/// Begins to listen; ends when every sender is gone.
pub fn listen(out: &Output) -> (UnboundedSender<Notice>, JoinHandle<()>) {
    let (sender, heard) = unbounded_channel();
    (sender, tokio::spawn(show(heard, out.clone())))
}

async fn show(mut heard: UnboundedReceiver<Notice>, out: Output) {
    let mut screen = Screen { out, bars: MultiProgress::new(), running: BTreeMap::new() };
    while let Some(mut notice) = heard.recv().await {
        if let NoticeBody::Found { finding } = &mut notice.body {
            *finding = screen.out.finding(finding);
        }
        if screen.out.is_json() {
            screen.out.result(&NoticeDoc { format: "teal.notice/1", notice: &notice }, String::new);
        } else {
            screen.take(&notice);
        }
    }
    for running in screen.running.values() {
        running.bar.finish_and_clear();
    }
}

struct Screen {
    out: Output,
    bars: MultiProgress,
    running: BTreeMap<StepId, Running>,
}

struct Running {
    bar: ProgressBar,
    last_line: Instant,
    waiting: String,
}

impl Screen {
    fn take(&mut self, notice: &Notice) {
        let step = &notice.step;
        match &notice.body {
            NoticeBody::Started { .. } => self.start(step),
            NoticeBody::Progress { done, total, unit, object } => self.progress(step, *done, *total, *unit, object),
            NoticeBody::Waiting { on } => self.waiting(step, on),
            NoticeBody::Found { finding } => self.line(&text::finding(finding)),
            NoticeBody::Finished { outcome, millis } => {
                if let Some(running) = self.running.remove(step) {
                    running.bar.finish_and_clear();
                    self.bars.remove(&running.bar);
                }
                let done = console::Style::new().for_stderr().green().apply_to("done");
                let lead = format!("{done}  {:<37} {:>8}  ", step.as_str(), show_millis(*millis));
                self.line(&text::hanging(&lead, outcome));
            }
        }
    }

    fn is_terminal() -> bool {
        console::user_attended_stderr()
    }

    fn line(&self, text: &str) {
        // The bars make room for the line and come back below it.
        self.bars.suspend(|| self.out.say(text));
    }

    fn start(&mut self, step: &StepId) {
        if self.running.contains_key(step) {
            return;
        }
        let bar = if Self::is_terminal() { self.bars.add(ProgressBar::new_spinner()) } else { ProgressBar::hidden() };
        bar.set_style(style("{spinner} {prefix} {elapsed} {wide_msg}"));
        bar.set_prefix(step.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        self.running.insert(step.clone(), Running { bar, last_line: Instant::now(), waiting: String::new() });
    }

    fn progress(&mut self, step: &StepId, done: u64, total: u64, unit: Unit, object: &str) {
        self.start(step);
        let Some(running) = self.running.get_mut(step) else { return };
        let amount = |n| match unit {
            Unit::Bytes => show_bytes(n),
            Unit::Seconds => show_millis(n.saturating_mul(1000)),
            _ => format!("{} {}", text::thousands(n), unit.word()),
        };
        let message = if total > 0 { format!("{} of {} {object}", amount(done), amount(total)) } else { amount(done) };
        if total > 0 {
            running.bar.set_style(style("{spinner} {prefix} {bar:20} {percent:>3} % ETA {eta} {wide_msg}"));
            running.bar.set_length(total);
            running.bar.set_position(done);
        }
        running.bar.set_message(message.clone());
        if !Self::is_terminal() && running.last_line.elapsed() >= LINE_EVERY {
            running.last_line = Instant::now();
            self.line(&text::hanging(&format!("      {:<37} ", step.as_str()), &message));
        }
    }

    fn waiting(&mut self, step: &StepId, on: &str) {
        self.start(step);
        let Some(running) = self.running.get_mut(step) else { return };
        running.bar.set_message(format!("waiting for {on}"));
        if running.waiting != on {
            on.clone_into(&mut running.waiting);
            self.line(&format!("wait  {} waits for {on}\n", step.as_str()));
        }
    }
}

/// A template of ours that does not read would be a bug; the default shows the same in another form.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
