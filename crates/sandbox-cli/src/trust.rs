//! `sandbox trust`: approves a policy file, byte for byte.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use sandbox_core::{PolicyFile, escaped};
use sandboxed::{Context, Error, PolicyErrors};

use crate::args::Trust;
use crate::failure::Failure;
use crate::layers::{PROJECT, Places};
use crate::render;
use crate::store::Store;

/// Approves what is read here and now, or withdraws that.
pub(crate) fn trust(trust: &Trust) -> Result<ExitCode, Failure> {
    let context = Context::detect()
        .map_err(PolicyErrors::from)
        .map_err(Error::from)?;
    let Some(store) = Places::new(&context, true).store else {
        return Err(Failure::NoHome);
    };
    let path = trust.file.as_deref().unwrap_or(Path::new(PROJECT));
    let mut text = String::new();
    if trust.withdraw {
        let path = context.cwd.join(path);
        let path: std::path::PathBuf = path.components().collect();
        let was_approved = Store::change(&store, |approvals| approvals.withdraw(&path))?;
        let what = if was_approved {
            "no longer approved"
        } else {
            "was not approved"
        };
        let _ = writeln!(text, "{what}: {}", escaped(&path));
    } else {
        let file = PolicyFile::read(path).map_err(Error::from)?;
        Store::change(&store, |approvals| approvals.approve(&file))?;
        for (index, part) in file.parts().enumerate() {
            let what = if index == 0 { "approved" } else { "with it" };
            let _ = writeln!(text, "{what}: {}", escaped(part));
        }
    }
    render::answer(&text)?;
    Ok(ExitCode::SUCCESS)
}
