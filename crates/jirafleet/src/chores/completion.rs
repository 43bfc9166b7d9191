//! `jirafleet completion SHELL` and `jirafleet man [DIR]`: made from the same definitions as the commands themselves.

use std::{fs, path::PathBuf};

use clap::{Args as ClapArgs, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::{
    exit::Failed,
    output::{self, say},
};

#[derive(ClapArgs)]
pub(crate) struct CompletionArgs {
    /// Whose completions.
    shell: Shell,
}

#[derive(ClapArgs)]
pub(crate) struct ManArgs {
    /// Write a page for every command into this folder; without it, print the first page.
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints what the shell has to be told.
pub(crate) fn completion(args: &CompletionArgs, mut command: Command) -> Result<(), Failed> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, &mut command, name, &mut script);
    output::bytes(&script)
}

/// Prints or writes pages of the manual.
pub(crate) fn man(args: &ManArgs, command: Command) -> Result<(), Failed> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).map_err(Failed::bug)?;
        return output::bytes(&page);
    };
    let cannot = |error| Failed::configuration(format!("{} cannot be written: {error}", dir.display()));
    fs::create_dir_all(dir).map_err(cannot)?;
    clap_mangen::generate_to(command, dir).map_err(cannot)?;
    say!("the pages are in {0}: man -l {0}/jirafleet.1", dir.display());
    Ok(())
}
