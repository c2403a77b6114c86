//! `sandbox explain`: what a policy allows, by which rule, and how it is held on this host.

mod answer;
mod json;
#[cfg_attr(backend = "macos", path = "explain/elsewhere.rs")]
mod linux;
mod macos;
mod text;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sandbox_core::escaped;
use sandboxed::{Error, Ruleset};
use serde_json::{Map, Value};

use self::answer::{Answer, Answers, Place};
use crate::args::{Connection, Explain, SystemName};
use crate::failure::Failure;
use crate::setting::Situation;
use crate::{exit, host, render};

/// Prints what is asked for; the rules, if nothing is.
pub(crate) fn explain(explain: &Explain) -> Result<ExitCode, Failure> {
    let situation = Situation::new(&explain.setting)?.with_addresses()?;
    let ruleset = Ruleset::resolve(&situation.policy, &situation.context).map_err(Error::from)?;
    let mut report = Report::new(explain.json);
    match explain.os.unwrap_or(host::SYSTEM) {
        SystemName::Linux => linux::answer(explain, &situation, &ruleset, &mut report)?,
        SystemName::Macos => macos::answer(explain, &situation, &ruleset, &mut report)?,
    }
    report.end()
}

/// Whether something is asked that rules answer.
fn is_asked(explain: &Explain) -> bool {
    !(explain.paths.is_empty()
        && explain.written.is_empty()
        && explain.variables.is_empty()
        && explain.connect.is_empty())
}

/// What is printed, for a person or for a machine.
struct Report {
    form: Form,
    /// Whether every path could be looked at.
    all_seen: bool,
}

enum Form {
    Text(String),
    Json(Map<String, Value>),
}

impl Report {
    fn new(json: bool) -> Self {
        let form = if json {
            Form::Json(Map::new())
        } else {
            Form::Text(String::new())
        };
        Self {
            form,
            all_seen: true,
        }
    }

    fn rules(&mut self, ruleset: &Ruleset) {
        match &mut self.form {
            Form::Text(text) => text.push_str(&text::rules(ruleset)),
            Form::Json(object) => {
                object.insert("rules".to_owned(), json::rules(ruleset));
            }
        }
    }

    fn answers(&mut self, explain: &Explain, answers: &dyn Answers, cwd: &Path) {
        if let Form::Json(object) = &mut self.form {
            object.insert("answers".to_owned(), Value::Array(Vec::new()));
            if let Some(starts) = answers.starts() {
                object.insert("starts".to_owned(), starts.into());
            }
        }
        for path in &explain.paths {
            let both = |place: &Place| vec![answers.read(place), answers.write(place)];
            self.about(cwd.join(path), both);
        }
        for path in &explain.written {
            self.about(cwd.join(path), |place| vec![answers.write(place)]);
        }
        for name in &explain.variables {
            self.answer(&answers.variable(name));
        }
        for connection in &explain.connect {
            match connection {
                Connection::Destination(destination, port) => {
                    self.answer(&answers.connection(destination, *port));
                }
                Connection::Socket(path) => {
                    self.about(cwd.join(path), |place| vec![answers.socket(place)]);
                }
            }
        }
        if let (Form::Text(text), Some(false)) = (&mut self.form, answers.starts()) {
            text.push_str(
                "No sandbox starts here, so nothing is held: `sandbox doctor` tells why.\n",
            );
        }
    }

    fn about(&mut self, path: PathBuf, answers: impl FnOnce(&Place) -> Vec<Answer>) {
        match Place::of(path) {
            Ok(place) => {
                let answers = answers(&place);
                if let (Form::Text(text), Some((from, to))) = (
                    &mut self.form,
                    answers.first().and_then(Answer::leads_elsewhere),
                ) {
                    let _ = writeln!(text, "{} leads to {}", escaped(from), escaped(to));
                }
                for answer in &answers {
                    self.answer(answer);
                }
            }
            Err((path, problem)) => {
                self.all_seen = false;
                match &mut self.form {
                    Form::Text(text) => {
                        let _ = writeln!(text, "{}: {}", escaped(&path), escaped(&problem));
                    }
                    Form::Json(object) => push(object, json::unseen(&path, &problem)),
                }
            }
        }
    }

    fn answer(&mut self, answer: &Answer) {
        match &mut self.form {
            Form::Text(text) => text::answer(text, answer),
            Form::Json(object) => push(object, json::answer(answer)),
        }
    }

    /// Prints it.
    fn end(self) -> Result<ExitCode, Failure> {
        match self.form {
            Form::Text(text) => render::answer(&text)?,
            Form::Json(object) => crate::json::print(object)?,
        }
        Ok(if self.all_seen {
            ExitCode::SUCCESS
        } else {
            exit::OURS.into()
        })
    }
}

fn push(object: &mut Map<String, Value>, answer: Value) {
    if let Some(Value::Array(answers)) = object.get_mut("answers") {
        answers.push(answer);
    }
}
