//! `vaxel completions` and `vaxel man`: what a shell and its user ask about this command, read from the same arguments.

use std::{fs, path::Path, process::ExitCode};

use clap::CommandFactory;
use clap_mangen::Man;

use crate::{
    cli::{Cli, CompletionsArgs, ManArgs},
    failure::Failure,
    show,
};

pub(crate) fn completions(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vaxel", &mut script);
    show::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn manual(args: &ManArgs) -> Result<ExitCode, Failure> {
    match &args.to {
        Some(folder) => write_to(folder)?,
        None => {
            let mut page = Vec::new();
            Man::new(Cli::command().disable_help_subcommand(true))
                .render(&mut page)
                .map_err(|error| Failure::run(format!("the page can't be made: {error}")))?;
            show::line(String::from_utf8_lossy(&page).trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_to(folder: &Path) -> Result<(), Failure> {
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| {
        let folder = folder.display();
        Failure::run(format!("the pages can't be written to {folder}: {error}"))
    })?;
    show::note(format_args!(
        "written; `man -l {}` shows the first",
        folder.join("vaxel.1").display()
    ));
    Ok(())
}
