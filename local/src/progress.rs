//! Shows what takes long: a moving line on a terminal, a plain line a step elsewhere, nothing in tests.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A log that nobody watches gets a line this often.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Terminal,
    Plain,
    Silent,
}

/// Where progress is shown.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    mode: Mode,
}

impl Progress {
    /// On standard error.
    #[must_use]
    pub fn on_stderr() -> Self {
        Self { mode: if std::io::stderr().is_terminal() { Mode::Terminal } else { Mode::Plain } }
    }

    /// Nowhere.
    #[must_use]
    pub fn silent() -> Self {
        Self { mode: Mode::Silent }
    }

    /// Begins a step. Dropping it without [`Step::done`] clears its line.
    #[must_use]
    pub fn step(&self, what: &str) -> Step {
        let target = match self.mode {
            Mode::Terminal => ProgressDrawTarget::stderr(),
            Mode::Plain | Mode::Silent => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style("{spinner} {prefix} {elapsed} {wide_msg}"));
        bar.set_prefix(what.to_owned());
        if self.mode == Mode::Terminal {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        if self.mode == Mode::Plain {
            eprintln!("{what} …");
        }
        Step { mode: self.mode, what: what.to_owned(), bar, plain: Mutex::new(Instant::now()) }
    }
}

/// A step under way.
#[derive(Debug)]
pub struct Step {
    mode: Mode,
    what: String,
    bar: ProgressBar,
    /// When the last plain line was written.
    plain: Mutex<Instant>,
}

impl Step {
    /// What it is at.
    pub fn at(&self, message: &str) {
        self.bar.set_message(message.to_owned());
        self.plain_line(message);
    }

    /// How far it is.
    pub fn reached(&self, done: u64, of: u64, message: &str) {
        if self.bar.length() != Some(of) {
            self.bar.set_length(of);
            self.bar.set_style(style("{spinner} {prefix} {bar:24} {pos}/{len} {elapsed} {wide_msg}"));
        }
        self.bar.set_position(done);
        self.bar.set_message(message.to_owned());
        self.plain_line(&format!("{done}/{of} {message}"));
    }

    /// A line that stays, above the moving one.
    pub fn print(&self, line: &str) {
        match self.mode {
            Mode::Terminal => self.bar.suspend(|| eprintln!("{line}")),
            Mode::Plain => eprintln!("{line}"),
            Mode::Silent => {}
        }
    }

    /// Ends it with a line that stays.
    pub fn done(self, result: &str) {
        self.bar.finish_and_clear();
        if self.mode != Mode::Silent {
            eprintln!("{result}");
        }
    }

    fn plain_line(&self, message: &str) {
        if self.mode != Mode::Plain {
            return;
        }
        if let Ok(mut last) = self.plain.lock()
            && last.elapsed() >= PLAIN_LINE_EVERY
        {
            *last = Instant::now();
            eprintln!("{} … {message}", self.what);
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
