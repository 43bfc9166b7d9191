//! Before something is gone for good: what it would be is said with its count, and somebody has to want it.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use crate::{
    exit::{self, Failed},
    output::say,
};

/// Whether somebody wants it.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Consent {
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Say what would be done, and do nothing.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

impl Consent {
    /// Whether to go on with what is told here as a whole clause, such as `7 jobs would be discarded for good`. A person at
    /// a terminal is asked; a script has to say --yes.
    pub(crate) fn to(self, what: &str) -> Result<bool, Failed> {
        if self.dry_run {
            say!("{what}; nothing was done");
            return Ok(false);
        }
        if self.yes {
            return Ok(true);
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(Failed::new(exit::USAGE, format!("{what}: add --yes if that is meant")));
        }
        match ask(what) {
            Ok(true) => Ok(true),
            Ok(false) => Err(Failed::new(exit::FAILURE, "nothing was done")),
            Err(error) => {
                Err(Failed::new(exit::FAILURE, format!("nothing was done: the answer cannot be read ({error})")))
            }
        }
    }
}

/// Anything but a clear yes is a no.
fn ask(what: &str) -> io::Result<bool> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{what}. Go on? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
