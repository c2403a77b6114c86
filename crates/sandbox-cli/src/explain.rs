//! `sandbox explain`: what a policy allows, by which rule, and how it is held on this host.

mod answer;
mod json;
mod linux;
mod macos;
mod text;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sandbox_core::escaped;
use sandboxed::{Error, HostFacts, Plan, Ruleset, Unenforceable};
use serde_json::{Map, Value};

use self::answer::{Answer, Answers, Place};
use self::linux::Linux;
use self::macos::Macos;
use crate::args::{Connection, Explain, SystemName};
use crate::exit;
use crate::failure::Failure;
use crate::host::lowered;
use crate::profile;
use crate::render;
use crate::setting::Situation;

/// Prints what is asked for; the rules, if nothing is.
pub(crate) fn explain(explain: &Explain) -> Result<ExitCode, Failure> {
    let situation = Situation::new(&explain.setting)?.with_addresses()?;
    let ruleset = Ruleset::resolve(&situation.policy, &situation.context).map_err(Error::from)?;
    let mut report = Report::new(explain.json);
    let profile = match explain.os {
        Some(SystemName::Macos) => Some(for_macos(explain, &ruleset)?),
        Some(SystemName::Linux) | None => None,
    };
    let shows_plan = explain.plan || explain.enforcement;
    let is_asked = !(explain.paths.is_empty()
        && explain.written.is_empty()
        && explain.variables.is_empty()
        && explain.connect.is_empty());
    if !(shows_plan || is_asked) {
        report.rules(&ruleset);
        return report.end();
    }
    let context = &situation.context;
    if let Some(profile) = &profile {
        let answers = Macos {
            ruleset: &ruleset,
            context,
            profile,
        };
        report.answers(explain, &answers, &context.cwd);
        return report.end();
    }
    let facts = lowered(&situation.lower);
    let (plan, starts) = if shows_plan {
        (Plan::compile(&ruleset, &facts).map_err(Error::from)?, true)
    } else {
        plan_or_ideal(&ruleset, &facts)?
    };
    if explain.plan {
        report.plan(&plan);
    }
    if explain.enforcement {
        report.enforcement(&plan);
    }
    if is_asked {
        let answers = Linux {
            ruleset: &ruleset,
            context,
            plan: &plan,
            starts,
        };
        report.answers(explain, &answers, &context.cwd);
    }
    report.end()
}

/// The profile, which has neither steps nor tiers.
fn for_macos(explain: &Explain, ruleset: &Ruleset) -> Result<sandbox_macos::Profile, Failure> {
    for (is_asked, option) in [(explain.plan, "plan"), (explain.enforcement, "enforcement")] {
        if is_asked {
            return Err(Failure::OnlyLinux { option });
        }
    }
    Ok(profile::for_macos(ruleset)?)
}

/// The plan for this host, or where no sandbox starts the one of a host on which nothing is missing: what a rule means does
/// not depend on that. A policy that no host enforces is refused.
fn plan_or_ideal(ruleset: &Ruleset, facts: &HostFacts) -> Result<(Plan, bool), Failure> {
    match Plan::compile(ruleset, facts) {
        Ok(plan) => Ok((plan, true)),
        Err(Unenforceable::Host { .. } | Unenforceable::Tier { .. }) => {
            let plan = Plan::compile(ruleset, &HostFacts::complete()).map_err(Error::from)?;
            Ok((plan, false))
        }
        Err(error) => Err(Error::from(error).into()),
    }
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

    fn plan(&mut self, plan: &Plan) {
        match &mut self.form {
            Form::Text(text) => {
                let _ = writeln!(text, "{plan}");
            }
            Form::Json(object) => {
                object.insert("plan".to_owned(), json::plan(plan));
            }
        }
    }

    fn enforcement(&mut self, plan: &Plan) {
        let enforcement = plan.enforcement();
        match &mut self.form {
            Form::Text(text) => {
                let _ = writeln!(text, "{enforcement}");
            }
            Form::Json(object) => {
                object.insert(
                    "enforcement".to_owned(),
                    crate::json::enforcement(&enforcement),
                );
            }
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
