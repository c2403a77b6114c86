//! What a person reads on standard error. Each message is written at once, and nothing in it that came from elsewhere
//! reaches the terminal unescaped.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};
use sandbox_core::{Finding, Location, Severity, Source, escaped};
use sandboxed::{Error, PolicyError, PolicyErrors};

use crate::exit;
use crate::failure::Failure;

const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
const WARNING: Style = AnsiColor::BrightYellow.on_default().bold();
const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

/// Prints what is wrong with the command line, or the help that was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // A closed standard stream leaves nobody to tell.
    let _ = error.print();
    if error.use_stderr() {
        exit::OURS.into()
    } else {
        ExitCode::SUCCESS
    }
}

/// Prints why the command was not run, and chooses the exit code that says so.
pub(crate) fn failure(failure: &Failure) -> ExitCode {
    let text = match failure {
        Failure::Sandbox(Error::Policy(errors)) => policy_errors(errors),
        _ => chain(failure, failure.remedy().as_deref()),
    };
    print(&text);
    failure.exit_code().into()
}

/// Prints what is worth a look in what was written, and keeps nothing from running.
pub(crate) fn warnings(warnings: &[PolicyError]) {
    for warning in warnings {
        print(&with_snippet(warning, Level::WARNING).unwrap_or_default());
    }
}

/// Prints something that happened while the command ran.
pub(crate) fn note(message: &str) {
    print(&format!("sandbox: {}\n", escaped(message)));
}

/// A path as it is shown to somebody in a directory: from there, if it lies below.
pub(crate) fn below<'p>(path: &'p Path, directory: &Path) -> &'p Path {
    let below = path.strip_prefix(directory).ok();
    let below = below.filter(|below| !below.as_os_str().is_empty());
    below.unwrap_or(path)
}

/// Prints what was asked for to standard output, with colours only where a terminal shows them and nobody asked for none.
/// Whoever reads it may have read enough.
pub(crate) fn answer(text: &str) -> Result<(), Failure> {
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Own {
            action: "print",
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn print(text: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// `error:`, each `caused by:`, `help:`.
fn chain(error: &dyn std::error::Error, remedy: Option<&str>) -> String {
    let mut text = format!("{ERROR}error:{ERROR:#} {}\n", escaped(&error.to_string()));
    for cause in causes(error) {
        let _ = writeln!(text, "  caused by: {cause}");
    }
    if let Some(remedy) = remedy {
        let _ = write!(text, "\n  {HELP}help:{HELP:#} {}\n", escaped(remedy));
    }
    text
}

/// Every error in the policy; those in a text with the line that is meant.
fn policy_errors(errors: &PolicyErrors) -> String {
    errors
        .iter()
        .map(|error| with_snippet(error, Level::ERROR).unwrap_or_else(|| with_source(error)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn with_snippet(error: &PolicyError, level: Level<'_>) -> Option<String> {
    let location = error.location()?;
    let remedy = error.remedy().map(|remedy| remedy.to_string());
    let message = error.to_string();
    let mut causes = causes(error);
    if let Some(Source::Setting { key, .. }) = error.written()
        && !message.contains(key)
    {
        causes.push(format!("it belongs to `{key}`"));
    }
    Some(marked(
        level,
        &message,
        &location,
        &causes,
        remedy.as_deref(),
    ))
}

/// Something that a reviewer says of a policy: `warning:` or `note:`, its line if it has one, `help:`.
pub(crate) fn finding(finding: &Finding) -> String {
    let (level, word) = match finding.severity() {
        Severity::Warning => (Level::WARNING, format!("{WARNING}warning:{WARNING:#}")),
        Severity::Note => (Level::NOTE, format!("{HELP}note:{HELP:#}")),
    };
    let remedy = finding.remedy();
    match finding.source().and_then(Source::location) {
        Some(location) => marked(level, &finding.to_string(), location, &[], Some(remedy)),
        None => format!("{word} {finding}\n\n  {HELP}help:{HELP:#} {remedy}\n"),
    }
}

/// A message with the line that is meant.
fn marked(
    level: Level<'_>,
    message: &str,
    location: &Location,
    causes: &[String],
    remedy: Option<&str>,
) -> String {
    let (line, marked) = location.snippet();
    let name = location.file().map(|file| escaped(file).to_string());
    let snippet = Snippet::source(&line)
        .line_start(location.line())
        .path(name.as_deref())
        .annotation(
            AnnotationKind::Primary.span(bytes(&line, marked.start)..bytes(&line, marked.end)),
        );
    let message = escaped(message).to_string();
    let mut group = level.primary_title(&message).element(snippet);
    for cause in causes {
        group = group.element(Level::NOTE.message(cause));
    }
    if let Some(remedy) = remedy {
        group = group.element(Level::HELP.message(remedy));
    }
    format!("{}\n", Renderer::styled().render(&[group]))
}

/// Each source of the error, escaped.
fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(error) = source {
        causes.push(escaped(&error.to_string()).to_string());
        source = error.source();
    }
    causes
}

/// An error in no text: an option, a preset, a file that could not be read.
fn with_source(error: &PolicyError) -> String {
    let text = chain(
        error,
        error.remedy().map(|remedy| remedy.to_string()).as_deref(),
    );
    match error.written() {
        Some(source) => text.replacen(
            '\n',
            &format!("\n  written by: {}\n", escaped(&source.to_string())),
            1,
        ),
        None => text,
    }
}

/// Where the character starts, in bytes.
fn bytes(line: &str, character: usize) -> usize {
    line.char_indices()
        .nth(character)
        .map_or(line.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use sandboxed::Policy;

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn an_error_shows_its_cause_and_its_remedy() {
        let failure = Failure::ForeignDirectory {
            directory: "/home/ana".into(),
            owner: "ana".to_owned(),
        };
        insta::assert_snapshot!(plain(&chain(&failure, failure.remedy().as_deref())), @r"
        error: `/home/ana` belongs to ana, and this would run as root

          help: run as the owner: `--user ana`; or as root all the same: `--user root`
        ");
        let failure = Failure::Directory {
            path: "/no/where".into(),
            source: io::Error::from_raw_os_error(2),
        };
        insta::assert_snapshot!(plain(&chain(&failure, failure.remedy().as_deref())), @r"
        error: cannot go to `/no/where`
          caused by: No such file or directory (os error 2)
        ");
    }

    #[test]
    fn what_comes_from_elsewhere_is_escaped() {
        let failure = Failure::Directory {
            path: "\u{1b}[2J\nerror: all is well".into(),
            source: io::ErrorKind::NotFound.into(),
        };
        assert_eq!(
            plain(&chain(&failure, None)),
            "error: cannot go to `\\u{1b}[2J\\nerror: all is well`\n  caused by: entity not found\n"
        );
    }

    #[test]
    fn every_error_of_a_policy_shows_its_line() {
        let text = "[files]\n\".\" = \"writ\"\n\n[limits]\nmemry = \"4GiB\"\n";
        let errors = Policy::from_toml(text, Some(Path::new("ci.toml"))).unwrap_err();
        insta::assert_snapshot!(plain(&policy_errors(&errors)), @r#"
        error: unknown access `writ` for `.`
         --> ci.toml:2:7
          |
        2 | "." = "writ"
          |       ^^^^^^
          |
          = help: write `write`

        error: unknown key `memry` in `[limits]`
         --> ci.toml:5:1
          |
        5 | memry = "4GiB"
          | ^^^^^
          |
          = help: write `memory`
        "#);
    }
}
