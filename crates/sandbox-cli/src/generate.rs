//! Completions and the manual page, made from the one definition of the command line.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::aot::{Shell, generate};
use clap_mangen::Man;

use crate::args::{Arguments, ShellName};
use crate::failure::Failure;
use crate::render;

/// Prints completions for a shell.
pub(crate) fn completions(shell: ShellName) -> Result<ExitCode, Failure> {
    render::answer(&completions_for(shell))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page.
pub(crate) fn manual() -> Result<ExitCode, Failure> {
    let page = page().map_err(|source| Failure::Own {
        action: "make the manual page",
        source,
    })?;
    render::answer(&page)?;
    Ok(ExitCode::SUCCESS)
}

fn completions_for(shell: ShellName) -> String {
    let shell = match shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    generate(shell, &mut Arguments::command(), "sandbox", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// One page for all: what `sandbox --help` says, then each subcommand with what its own help says.
fn page() -> io::Result<String> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_extra_section(&mut page)?;
    let mut page = with_lines(&String::from_utf8_lossy(&page));
    for subcommand in command.get_subcommands() {
        section(subcommand, &mut page)?;
    }
    Ok(page)
}

/// The examples and exit codes, which come last, line by line as they are written.
fn with_lines(part: &str) -> String {
    match part.split_once(".SH EXTRA\n") {
        Some((before, lines)) => {
            format!("{before}.SH \"EXAMPLES AND EXIT CODES\"\n.nf\n{lines}.fi\n")
        }
        None => part.to_owned(),
    }
}

/// A subcommand and those below it.
fn section(command: &Command, page: &mut String) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut part = Vec::new();
    let man = Man::new(command.clone());
    man.render_synopsis_section(&mut part)?;
    man.render_description_section(&mut part)?;
    man.render_options_section(&mut part)?;
    man.render_extra_section(&mut part)?;
    let part = with_lines(&String::from_utf8_lossy(&part)).replace("\n.SH ", "\n.SS ");
    let part = part
        .strip_prefix(".SH ")
        .map_or(part.clone(), |rest| format!(".SS {rest}"));
    let _ = write!(page, ".SH \"{}\"\n{part}", name.to_uppercase());
    command
        .get_subcommands()
        .try_for_each(|below| section(below, page))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    /// The long options of a command and of those below it.
    fn options(command: &Command) -> Vec<String> {
        let own = command
            .get_arguments()
            .filter(|argument| !argument.is_hide_set());
        let own = own.filter_map(clap::Arg::get_long).map(str::to_owned);
        own.chain(command.get_subcommands().flat_map(options))
            .collect()
    }

    #[test]
    fn every_option_is_completed_and_in_the_manual() {
        let mut command = Arguments::command();
        command.build();
        let options = options(&command);
        assert!(options.len() > 60, "{options:?}");
        let page = page().unwrap().replace('\\', "");
        for option in &options {
            assert!(page.contains(&format!("--{option}")), "{option}");
        }
        for shell in ShellName::value_variants() {
            let text = completions_for(*shell);
            for option in &options {
                assert!(text.contains(option.as_str()), "{shell:?} {option}");
            }
        }
    }

    #[test]
    fn the_manual_has_a_section_for_each_command() {
        let page = page().unwrap();
        for section in [
            "NAME",
            "SYNOPSIS",
            "\"SANDBOX RUN\"",
            "\"SANDBOX POLICY FMT\"",
            "\"SANDBOX EXPLAIN\"",
        ] {
            assert!(
                page.contains(&format!(".SH {section}\n")),
                "{section}\n{page}"
            );
        }
        assert!(
            page.contains("--with-write") || page.contains("\\-\\-with\\-write"),
            "{page}"
        );
    }
}
