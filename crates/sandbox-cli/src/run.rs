//! `sandbox run` and `sandbox shell`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use sandbox_core::{Access, Source};
use sandboxed::Sandbox;

use crate::account;
use crate::args::{Run, Setting, Shell, Watching};
use crate::failure::Failure;
use crate::network::Watch;
use crate::setting::Situation;
use crate::signals::Signals;
use crate::supervise::supervise;
use crate::{host, render};

/// Runs a command confined.
pub(crate) fn command(run: &Run) -> Result<ExitCode, Failure> {
    let Some((program, args)) = run.command.split_first() else {
        return Err(Failure::NoCommand);
    };
    confined(&run.setting, &run.watching, |_| {
        (program.clone(), args.to_vec())
    })
}

/// Runs a shell confined.
pub(crate) fn shell(shell: &Shell) -> Result<ExitCode, Failure> {
    confined(&shell.setting, &shell.watching, |situation| {
        let program = situation
            .variable("SHELL")
            .filter(|shell| !shell.is_empty())
            .unwrap_or_else(|| "/bin/sh".into());
        (program, Vec::new())
    })
}

fn situation(setting: &Setting) -> Result<Situation, Failure> {
    let situation = Situation::new(setting)?;
    if setting.user.is_none() {
        account::refuse_foreign(&situation.context.cwd)?;
    }
    Ok(situation)
}

fn confined(
    setting: &Setting,
    watching: &Watching,
    command: impl FnOnce(&Situation) -> (OsString, Vec<OsString>),
) -> Result<ExitCode, Failure> {
    let situation = situation(setting)?;
    let (program, args) = command(&situation);
    let directory = situation.context.cwd.clone();
    let (policy, builder) = situation.builder();
    let (watch, builder) = Watch::new(watching, setting, &policy, &directory, builder)?;
    let sandbox = builder.build(&policy)?;
    Watch::warn(&sandbox, watching, &directory);
    refuse_scratch(&sandbox, directory)?;
    host::tell_of_hidden(&sandbox);
    for rule in sandbox.ruleset().files().crowded() {
        render::note(&format!(
            "more than 1000 paths in `{}` match `{}` or the like, so all of it is {}",
            rule.path().display(),
            rule.text().display(),
            if rule.access() == Access::Hide {
                "hidden"
            } else {
                "read-only"
            },
        ));
    }
    host::raise_descriptors();
    // Until here a signal ends us as it ends any program; from here on it is the command's.
    let signals = Signals::block()?;
    let child = sandbox.command(program).args(args).spawn()?;
    supervise(sandbox, child, &signals, watch)
}

/// The presets open the current directory, and make `/tmp` private: where both are one, the person's files would neither be
/// seen nor be written. Who wants that says so by a rule.
fn refuse_scratch(sandbox: &Sandbox, directory: PathBuf) -> Result<(), Failure> {
    let (access, rule) = sandbox.ruleset().files().access(&directory);
    let by_preset = rule
        .is_some_and(|rule| rule.path() == directory && matches!(rule.source(), Source::Preset(_)));
    if access == Access::Scratch && by_preset {
        return Err(Failure::ScratchDirectory { directory });
    }
    Ok(())
}
