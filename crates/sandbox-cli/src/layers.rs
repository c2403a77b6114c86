//! From files to one policy: which there are, in which order, and which of them may only narrow.
//!
//! | layer | found |
//! |---|---|
//! | preset `agent` | unless a later layer extends another |
//! | what the machine's owner says | `/etc/sandbox/policy.toml` |
//! | what the person says | `$XDG_CONFIG_HOME/sandbox/policy.toml`, by default in `~/.config` |
//! | what the project says | `sandbox.toml` in the current directory, not above: what is above is somebody else's project |
//! | options | |
//!
//! `--policy FILE` and `--settings FILE` stand in place of preset, person and project. The project's file is found by its name, so anybody who
//! wrote the directory wrote it: until it is approved it may only narrow. The other files are trusted where no command
//! that runs under the policy could change them.

use std::cell::LazyCell;
use std::io;
use std::path::{Path, PathBuf};

use sandbox_core::{Distrust, PolicyFile, Reach};
use sandboxed::{Context, Error, Policy, PolicyError, PolicyErrors, Preset};

use crate::args::PROJECT;
use crate::failure::Failure;
use crate::store::Store;

/// What the owner of the machine says.
const MANAGED: &str = "/etc/sandbox/policy.toml";

/// Where the files of a person are.
#[derive(Debug)]
pub(crate) struct Places {
    /// `policy.toml`.
    pub(crate) user: Option<PathBuf>,
    /// The list of what is approved.
    pub(crate) store: Option<PathBuf>,
}

impl Places {
    /// Those of the account that a context is about. Variables that point elsewhere are the caller's, and nothing to
    /// another account.
    pub(crate) fn new(context: &Context, is_caller: bool) -> Self {
        let below = |variable: &str, default: &str, path: &str| {
            let named = context
                .variable(variable.as_ref())
                .map(PathBuf::from)
                // Relative ones are invalid (XDG Base Directory Specification).
                .filter(|path| path.is_absolute() && is_caller);
            let home = context.home.as_deref().filter(|home| home.is_absolute());
            let base = named.or_else(|| Some(home?.join(default)))?;
            Some(base.join(path))
        };
        Self {
            user: below("XDG_CONFIG_HOME", ".config", "sandbox/policy.toml"),
            store: below("XDG_STATE_HOME", ".local/state", "sandbox/trust"),
        }
    }
}

/// A file, and why it may be trusted or not.
struct Layer {
    file: PolicyFile,
    /// It was found by its name in a directory that anybody may have written.
    is_found: bool,
    distrust: Option<Distrust>,
}

/// What the command line says.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    /// The file of `--policy`, absolute.
    pub(crate) named: Option<&'a Path>,
    /// What the file of `--settings` says.
    pub(crate) settings: Option<&'a Policy>,
    pub(crate) options: &'a Policy,
}

/// The policy of all layers.
pub(crate) fn policy(
    given: &Given<'_>,
    context: &Context,
    places: &Places,
) -> Result<Policy, Failure> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut add = |file: Option<PolicyFile>, is_found| {
        layers.extend(file.map(|file| Layer {
            file,
            is_found,
            distrust: None,
        }));
    };
    add(if_there(Path::new(MANAGED))?, false);
    if let Some(named) = given.named {
        add(Some(PolicyFile::read(named).map_err(Error::from)?), false);
    } else if given.settings.is_none() {
        if let Some(user) = &places.user {
            add(if_there(user)?, false);
        }
        add(if_there(&context.cwd.join(PROJECT))?, true);
    }
    if !layers.is_empty() {
        judge(&mut layers, given, context, places)?;
    }
    Ok(merged(&layers, given))
}

/// The policy of all layers with this file in the place of the project's: each as it stands, approved or not.
pub(crate) fn as_written(project: Option<&Path>, places: &Places) -> Result<Policy, Failure> {
    let mut policy = Policy::preset(Preset::Agent);
    for path in [Some(Path::new(MANAGED)), places.user.as_deref()] {
        if let Some(file) = path.map(if_there).transpose()?.flatten() {
            policy = policy.layer(file.into_policy());
        }
    }
    match project {
        Some(path) => {
            let file = PolicyFile::read(path).map_err(Error::from)?;
            Ok(policy.layer(file.into_policy()))
        }
        None => Ok(policy),
    }
}

/// Decides which layers are trusted.
fn judge(
    layers: &mut [Layer],
    given: &Given<'_>,
    context: &Context,
    places: &Places,
) -> Result<(), Failure> {
    // A file is out of reach if no command could change it, neither under all layers nor without them. What is wrong with
    // the rules is told when the policy is resolved: nothing runs then.
    let policies = [merged(layers, given), merged(&[], given)];
    // It takes as long as resolving does, and no answer of it matters for a file that was found and is not approved.
    let reaches = LazyCell::new(|| {
        let reaches = policies.iter().map(|policy| Reach::of(policy, context));
        reaches.flatten().collect::<Vec<Reach>>()
    });
    let in_reach = |changes: &dyn Fn(&Reach) -> bool| reaches.iter().any(changes);
    let mut store = None;
    for layer in layers {
        let is_safe = || {
            let is_known = reaches.len() == policies.len();
            is_known && !in_reach(&|reach| reach.changes_file(&layer.file))
        };
        if !layer.is_found && is_safe() {
            continue;
        }
        if store.is_none() {
            store = Some(Store::read(places.store.as_deref())?);
        }
        layer.distrust = match store.as_ref().and_then(Store::approvals) {
            None => Some(Distrust::Unapproved),
            Some(approvals) => approvals.distrust(&layer.file),
        };
        let directory = places.store.as_deref().and_then(Path::parent);
        let is_writable = |place: &Path| in_reach(&|reach| reach.changes_approvals(place));
        if layer.distrust.is_none() && directory.is_none_or(is_writable) {
            layer.distrust = Some(Distrust::WritableList);
        }
    }
    Ok(())
}

/// One on top of the other.
fn merged(layers: &[Layer], given: &Given<'_>) -> Policy {
    let preset = if given.settings.is_some() {
        Preset::None
    } else {
        Preset::Agent
    };
    let mut policy = Policy::preset(preset);
    for layer in layers {
        let mut own = layer.file.policy().clone();
        if given.named.is_some() && layer.file.path() != Path::new(MANAGED) {
            // It has its own rules only, unless it extends something.
            own = Policy::preset(Preset::None).layer(own);
        }
        policy = match layer.distrust {
            None => policy.layer(own),
            Some(why) => policy.layer_untrusted(own, layer.file.path(), why),
        };
    }
    if let Some(settings) = given.settings {
        policy = policy.layer(settings.clone());
    }
    policy.layer(given.options.clone())
}

/// Reads a file that need not be there.
fn if_there(path: &Path) -> Result<Option<PolicyFile>, Failure> {
    match PolicyFile::read(path) {
        Ok(file) => Ok(Some(file)),
        Err(errors) if is_missing(&errors, path) => Ok(None),
        Err(errors) => Err(Error::from(errors).into()),
    }
}

fn is_missing(errors: &PolicyErrors, missing: &Path) -> bool {
    errors.iter().all(|error| match error {
        PolicyError::Read { path, source } => {
            path == missing
                && matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                )
                && std::fs::symlink_metadata(path).is_err()
        }
        _ => false,
    })
}
