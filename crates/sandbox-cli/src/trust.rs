//! `sandbox trust`: approves a policy file, byte for byte.

use std::fmt::Write as _;
use std::process::ExitCode;

use sandbox_core::{PolicyFile, escaped};
use sandboxed::Error;

use crate::args::Trust;
use crate::failure::Failure;
use crate::layers::Places;
use crate::render;
use crate::setting::detected;
use crate::store::Store;

/// Approves what is read here and now, or withdraws that.
pub(crate) fn trust(trust: &Trust) -> Result<ExitCode, Failure> {
    let context = detected()?;
    let Some(store) = Places::new(&context, true).store else {
        return Err(Failure::NoHome {
            what: "the list of approved policies",
            variable: "XDG_STATE_HOME",
        });
    };
    let path = trust.file.as_path();
    let mut text = String::new();
    if trust.withdraw {
        let was_approved = Store::change(&store, |approvals| approvals.withdraw(path))?;
        let what = if was_approved {
            "no longer approved"
        } else {
            "was not approved"
        };
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
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
