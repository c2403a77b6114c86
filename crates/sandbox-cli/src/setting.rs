//! From options to a policy and the circumstances under which it is resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use sandbox_core::{Access, DestinationPattern, own_addresses};
use sandboxed::{Builder, Context, Error, Network, Policy, PolicyErrors, Sandbox, Source};

use crate::account;
use crate::args::{PresetName, Setting};
use crate::failure::Failure;
use crate::host::{self, Lowering};
use crate::layers::{self, Given, Places};
use crate::settings;

/// A policy and what it is resolved against.
#[derive(Debug)]
pub(crate) struct Situation {
    pub(crate) policy: Policy,
    pub(crate) context: Context,
    pub(crate) lower: Vec<Lowering>,
}

impl Situation {
    /// Becomes the account that is asked for, reads the policy as that account, and goes to the directory.
    pub(crate) fn new(setting: &Setting) -> Result<Self, Failure> {
        let account = setting
            .user
            .as_deref()
            .map(account::assume)
            .transpose()?
            .flatten();
        let options = options(setting)?;
        let settings = setting
            .settings
            .as_deref()
            .map(|file| settings::policy(file, setting.strict))
            .transpose()?;
        let named = setting
            .policy
            .as_deref()
            .map(|file| anchored(file, setting));
        if let Some(directory) = &setting.chdir {
            go_to(directory)?;
        }
        let mut context = detected()?;
        let is_caller = account.is_none();
        if let Some(account) = account {
            account.describe(&mut context);
        }
        let places = Places::new(&context, is_caller);
        let given = Given {
            named: named.as_deref(),
            settings: settings.as_ref(),
            options: &options,
        };
        let policy = layers::policy(&given, &context, &places)?;
        Ok(Self {
            policy,
            context,
            lower: setting.lower.clone(),
        })
    }

    /// The same, with the addresses of this host, which are closed: for whoever answers without a sandbox.
    pub(crate) fn with_addresses(mut self) -> Result<Self, Failure> {
        self.context.addresses = addresses()?;
        Ok(self)
    }

    /// The policy, and what makes a sandbox of it.
    pub(crate) fn builder(self) -> (Policy, Builder) {
        let builder = host::lower(Sandbox::builder(), &self.lower)
            .environment(self.context.variables.clone())
            .context(self.context);
        (self.policy, builder)
    }

    /// A variable of the caller's environment, as the account has it.
    pub(crate) fn variable(&self, name: &str) -> Option<OsString> {
        self.context.variables.get(OsStr::new(name)).cloned()
    }
}

/// The circumstances of the caller, with the addresses of this host, which are closed: for whoever answers without a sandbox.
pub(crate) fn detected_with_addresses() -> Result<Context, Failure> {
    let mut context = detected()?;
    context.addresses = addresses()?;
    Ok(context)
}

fn addresses() -> Result<Vec<IpAddr>, Failure> {
    own_addresses().map_err(|source| Failure::Own {
        action: "look up the addresses of this host",
        source,
    })
}

/// The circumstances of the caller.
pub(crate) fn detected() -> Result<Context, Failure> {
    let context = Context::detect().map_err(PolicyErrors::from);
    Ok(context.map_err(Error::from)?)
}

/// A policy file's directory is where its relative paths start, also after `--chdir`.
fn anchored(file: &Path, setting: &Setting) -> PathBuf {
    match setting.chdir {
        Some(_) => std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
        None => file.to_owned(),
    }
}

/// What the options of a policy say.
pub(crate) fn options(setting: &Setting) -> Result<Policy, Failure> {
    let mut policy = Policy::new().source(Source::CommandLine);
    let mut given = BTreeMap::new();
    for (patterns, access) in setting.paths.by_access() {
        for pattern in patterns {
            match given.insert(normal(pattern), access) {
                Some(first) if first != access => {
                    return Err(Failure::Conflict {
                        pattern: pattern.clone(),
                        first: first.as_str(),
                        second: access.as_str(),
                    });
                }
                _ => {}
            }
            policy = match access {
                Access::Write => policy.write_matching(pattern),
                Access::Read => policy.read_matching(pattern),
                Access::Hide => policy.hide_matching(pattern),
                _ => policy.scratch_matching(pattern),
            };
        }
    }
    for path in &setting.make {
        policy = policy.write_if_exists(path);
    }
    policy = presets(policy, setting)?;
    for group in &setting.protect {
        policy = policy.protect(group.0);
    }
    if let Some(network) = setting.network {
        policy = policy.network(network.into());
    }
    if setting.ask {
        policy = policy.network(Network::Ask);
    }
    policy = destinations(policy, setting)?;
    for port in &setting.publish {
        policy = policy.publish(port);
    }
    if let Some(limit) = setting.timeout {
        policy = policy.time(limit);
    }
    variables(policy, &setting.env)
}

/// Of presets about files one stands in the place of a policy's; those of destinations and sockets stand beside all.
fn presets(mut policy: Policy, setting: &Setting) -> Result<Policy, Failure> {
    let given = [
        ("--policy FILE", setting.policy.is_some()),
        ("--settings FILE", setting.settings.is_some()),
    ];
    let given = given.into_iter().find(|(_, is_given)| *is_given);
    let mut start = given.map(|(option, _)| option.to_owned());
    for name in &setting.preset {
        policy = match name {
            PresetName::Destinations(preset) => policy.allow_preset(*preset),
            PresetName::Sockets(preset) => policy.reach(*preset),
            PresetName::Policy(preset) => {
                if let Some(other) = start.replace(format!("--preset {preset}")) {
                    return Err(Failure::TwoPolicies {
                        other,
                        preset: preset.as_str(),
                    });
                }
                policy.extends(*preset)
            }
        };
    }
    Ok(policy)
}

/// What is wrong with a destination is told with the rest of the policy.
fn destinations(mut policy: Policy, setting: &Setting) -> Result<Policy, Failure> {
    let meant = |text: &String| text.parse::<DestinationPattern>().ok();
    let allowed: BTreeSet<_> = setting.allow.iter().filter_map(meant).collect();
    for destination in &setting.deny {
        if meant(destination).is_some_and(|meant| allowed.contains(&meant)) {
            return Err(Failure::Conflict {
                pattern: destination.into(),
                first: "allow",
                second: "deny",
            });
        }
        policy = policy.deny(destination);
    }
    Ok(setting.allow.iter().fold(policy, Policy::allow))
}

/// `NAME` passes, `NAME=VALUE` sets.
fn variables(mut policy: Policy, variables: &[OsString]) -> Result<Policy, Failure> {
    let mut given = BTreeSet::new();
    for variable in variables {
        let bytes = variable.as_bytes();
        let (name, value) = match bytes
            .iter()
            .position(|byte| *byte == b'=')
            .and_then(|at| bytes.split_at_checked(at))
        {
            Some((name, value)) => (
                OsStr::from_bytes(name),
                value.strip_prefix(b"=").map(OsStr::from_bytes),
            ),
            None => (variable.as_os_str(), None),
        };
        if name.is_empty() {
            return Err(Failure::VariableWithoutName);
        }
        if !given.insert(name) {
            return Err(Failure::VariableTwice {
                name: name.to_owned(),
            });
        }
        policy = match value {
            Some(value) => policy.set(name, value),
            None => policy.pass(name),
        };
    }
    Ok(policy)
}

/// One spelling for `src`, `./src` and `src/`.
pub(crate) fn normal(pattern: &OsStr) -> PathBuf {
    Path::new(pattern)
        .components()
        .filter(|component| *component != Component::CurDir)
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this process is the caller itself: nobody else's directory changes"
)]
fn go_to(directory: &Path) -> Result<(), Failure> {
    std::env::set_current_dir(directory).map_err(|source| Failure::Directory {
        path: directory.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Action, Arguments};

    fn setting(words: &[&str]) -> Setting {
        match Arguments::parse_from([&["sandbox", "run"], words, &["true"]].concat()).action {
            Action::Run(run) => run.setting,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_path_has_one_access() {
        for (words, conflict) in [
            (
                &["--write", "a", "--read", "a"][..],
                Some("`a` is given to `--write` and to `--read`"),
            ),
            (
                &["--write", "a", "--hide", "./a/"],
                Some("`./a/` is given to `--write` and to `--hide`"),
            ),
            (
                &["--scratch", "/x", "--read", "/x"],
                Some("`/x` is given to `--read` and to `--scratch`"),
            ),
            (&["--write", "a", "--write", "./a"], None),
            (&["--write", "a", "--hide", "a/b"], None),
            (
                &["--env", "A", "--env", "A=1"],
                Some("`A` is given to `--env` twice"),
            ),
            (&["--env", "A=1=2", "--env", "B="], None),
            (
                &["--allow", "a.example:443", "--deny", "A.example.:443"],
                Some("`A.example.:443` is given to `--allow` and to `--deny`"),
            ),
            (&["--allow", "a.example", "--deny", "a.example:443"], None),
        ] {
            let error = options(&setting(words))
                .err()
                .map(|failure| failure.to_string());
            assert_eq!(error.as_deref(), conflict, "{words:?}");
        }
    }

    #[test]
    fn options_are_the_last_layer() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ci.toml");
        std::fs::write(
            &file,
            "extends = [\"strict\"]\n[network]\ndefault = \"deny\"\n[limits]\ntime = \"1h\"\n",
        )
        .unwrap();
        let file = file.to_str().unwrap();
        let context = Context::new(directory.path());
        for (words, present, absent) in [
            (&[][..], "agent", "strict"),
            (&["--preset", "read-only"], "read-only", "agent"),
            (&["--policy", file], "strict", "agent"),
            (
                &["--policy", file, "--network", "host"],
                "default = \"host\"",
                "deny",
            ),
            (
                &["--policy", file, "--timeout", "3s"],
                "time = \"3s\"",
                "1h",
            ),
            (&["--env", "A=1"], "A", "B"),
        ] {
            let setting = setting(words);
            let given = Given {
                named: setting.policy.as_deref(),
                settings: None,
                options: &options(&setting).unwrap(),
            };
            let places = Places::new(&context, true);
            let policy = layers::policy(&given, &context, &places).unwrap();
            let text = policy.to_string();
            assert!(
                text.contains(present) && !text.contains(absent),
                "{words:?}:\n{text}"
            );
        }
    }
}
