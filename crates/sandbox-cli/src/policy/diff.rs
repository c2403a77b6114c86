//! `sandbox policy diff`: what one policy allows and another does not, by what is granted, not by what is written.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use sandbox_core::{Difference, Source, escaped};
use sandboxed::Error;
use serde_json::Value;

use crate::args::{PROJECT, PolicyDiff};
use crate::failure::Failure;
use crate::layers::{Places, as_written};
use crate::setting::detected_with_addresses;
use crate::{exit, json, render};

/// What becomes of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Wider,
    Narrower,
    /// Neither grants all that the other does: a private directory in place of the host's, another value of a variable.
    Other,
}

/// Something that the one grants and the other does not.
struct Change {
    direction: Direction,
    table: &'static str,
    what: OsString,
    before: Side,
    after: Side,
}

/// What it is under one of the policies, and by which rule.
struct Side {
    grants: String,
    source: Option<Source>,
}

/// Prints the difference; the exit code says whether more is allowed.
pub(super) fn diff(diff: &PolicyDiff) -> Result<ExitCode, Failure> {
    let project = Path::new(PROJECT);
    let is_there = std::fs::symlink_metadata(project).is_ok();
    let (before, after) = match diff.files.as_slice() {
        [before, after] => (Some(before.as_path()), after.as_path()),
        [after] if after != project => (is_there.then_some(project), after.as_path()),
        _ => (None, project),
    };
    let context = detected_with_addresses()?;
    let places = Places::new(&context, true);
    let before = as_written(before, &places)?;
    let after = as_written(Some(after), &places)?;
    let difference = Difference::between(&before, &after, &context).map_err(Error::from)?;
    let changes = changes(difference);
    if diff.json {
        let changes: Vec<Value> = changes.iter().map(Change::json).collect();
        json::print(json::object([("changes", changes.into())]))?;
    } else {
        render::answer(&text(&changes))?;
    }
    let is_more = |change: &Change| change.direction != Direction::Narrower;
    Ok(if changes.iter().any(is_more) {
        exit::TO_MEND.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// Both directions as one list; what is in both is neither wider nor narrower.
fn changes(difference: Difference) -> Vec<Change> {
    let mut changes: Vec<Change> = difference
        .wider
        .into_iter()
        .map(|excess| Change {
            direction: Direction::Wider,
            table: excess.table,
            what: excess.what,
            before: Side {
                grants: excess.instead,
                source: excess.before,
            },
            after: Side {
                grants: excess.grants,
                source: excess.at,
            },
        })
        .collect();
    for excess in difference.narrower {
        let other = changes.iter_mut().find(|change| {
            change.what == excess.what
                && change.before.grants == excess.grants
                && change.after.grants == excess.instead
        });
        match other {
            Some(change) => {
                change.direction = Direction::Other;
                let Side { source, .. } = &mut change.before;
                *source = source.take().or(excess.at);
            }
            None => changes.push(Change {
                direction: Direction::Narrower,
                table: excess.table,
                what: excess.what,
                before: Side {
                    grants: excess.grants,
                    source: excess.at,
                },
                after: Side {
                    grants: excess.instead,
                    source: excess.before,
                },
            }),
        }
    }
    changes
}

fn text(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        let style = change.direction.style();
        let word = change.direction.as_str();
        let _ = writeln!(
            text,
            "{style}{word:8}{style:#}  `{}`: {}, before {}",
            escaped(&change.what),
            change.after.grants,
            change.before.grants,
        );
        for (name, side) in [("by", &change.after), ("before by", &change.before)] {
            if let Some(source) = &side.source {
                let _ = writeln!(text, "          {name} {source}");
            }
        }
    }
    if changes.is_empty() {
        text.push_str("both allow the same\n");
    }
    text
}

impl Change {
    fn json(&self) -> Value {
        // Words of a policy are in backticks where a person reads them.
        let grants = |side: &Side| side.grants.replace('`', "");
        let source = |side: &Side| side.source.as_ref().map_or(Value::Null, json::source);
        let mut object = json::object([
            ("direction", self.direction.as_str().into()),
            ("table", self.table.into()),
            ("before", grants(&self.before).into()),
            ("after", grants(&self.after).into()),
            ("source_before", source(&self.before)),
            ("source_after", source(&self.after)),
        ]);
        json::name(&mut object, "what", &self.what);
        object.into()
    }
}

impl Direction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Wider => "wider",
            Self::Narrower => "narrower",
            Self::Other => "other",
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::Wider => AnsiColor::Red.on_default(),
            Self::Narrower => AnsiColor::Green.on_default(),
            Self::Other => AnsiColor::Yellow.on_default(),
        }
    }
}
