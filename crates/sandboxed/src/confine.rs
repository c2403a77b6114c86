//! A command that somebody else built for `std`, and what can be read of it.
//!
//! What `std` does not show must not become more than the policy gives: whatever is missing here is missing in the direction
//! of less.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::{Command, Sandbox};

/// What `std` puts in the place of a string with a NUL byte, to fail when the command is spawned.
const REPLACED: &str = "<string-with-nul>";

impl Sandbox {
    /// Confines a command that somebody else built: its program, its arguments, the variables that it sets and removes, its
    /// directory. Nothing is spawned, and `command` is as it was.
    ///
    /// A `tokio::process::Command` is confined by its `as_std()`.
    ///
    /// ```
    /// # use sandboxed::{Policy, Preset, Sandbox};
    /// # fn main() -> Result<(), sandboxed::Error> {
    /// # let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
    /// let mut linter = std::process::Command::new("echo");
    /// linter.args(["no", "problems"]).env("LANG", "C");
    ///
    /// assert_eq!(sandbox.confine(&linter).output()?.stdout, b"no problems\n");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Differences from std
    ///
    /// * `std` does not show where the standard streams lead, nor `arg0`, the user, the groups, the process group or
    ///   `pre_exec`: the result has the defaults of a [`Command`], and its methods set what there is.
    /// * `std` does not show that the environment was cleared either: the command has what the policy passes and what was set
    ///   since. `env_clear` and then `envs(command.get_envs()…)` on the result leave only the latter.
    /// * The program is searched in the `PATH` inside, and a relative directory starts in the one that the policy was resolved
    ///   for.
    /// * A program, an argument or a directory that reads `<string-with-nul>` is refused when it is spawned: that is what
    ///   `std` keeps of one with a NUL byte.
    pub fn confine(&self, command: &std::process::Command) -> Command<'_> {
        let mut confined = self.command(with_its_nul(command.get_program()));
        confined.args(command.get_args().map(with_its_nul));
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => confined.env(name, value),
                None => confined.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir().map(Path::as_os_str) {
            confined.current_dir(with_its_nul(directory));
        }
        confined
    }
}

/// The text, or one with a NUL in the place of one that had a NUL.
fn with_its_nul(text: &OsStr) -> OsString {
    let mut text = text.to_owned();
    if text == REPLACED {
        text.push("\0");
    }
    text
}
