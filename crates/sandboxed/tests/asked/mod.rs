//! Commands that are asked what they see while the host changes something.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sandbox_testing::{Host, until};
use sandboxed::{Child, Sandbox, Stdio};

/// What a shell prints that runs this; `@ws` is the workspace.
pub(crate) fn shell(host: &Host, sandbox: &Sandbox, script: &str) -> String {
    let mut command = sandbox.command("sh");
    command.args(["-c", &host.expand(script)]);
    command.current_dir(host.path("@ws"));
    let output = command.stderr(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A command that keeps its init for itself, until it is dropped.
pub(crate) fn busy(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command("cat");
    command.stdin(Stdio::piped()).spawn().unwrap()
}

/// As an editor saves a file.
pub(crate) fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

/// A shell that runs what it is told, one line after the other, in one command.
pub(crate) struct Asked {
    pub(crate) child: Child,
    /// Where the answers are.
    pub(crate) host_side: PathBuf,
    questions: usize,
}

impl Asked {
    pub(crate) fn new(host: &Host, sandbox: &Sandbox) -> Self {
        let mut command = sandbox.command("sh");
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        Self {
            child: command.current_dir(host.path("@ws")).spawn().unwrap(),
            host_side: host.path("@ws"),
            questions: 0,
        }
    }

    /// Whether `test` succeeds inside, at this moment.
    pub(crate) fn succeeds(&mut self, test: &str) -> bool {
        self.questions += 1;
        let answer = self.host_side.join(format!("answer-{}", self.questions));
        let name = answer.display();
        let line = format!(
            "if {test}; then echo yes; else echo no; fi > {name}.part; mv {name}.part {name}\n"
        );
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        until("it answers", || answer.try_exists().unwrap());
        let answered = fs::read_to_string(&answer).unwrap();
        // Another one asks under the same names.
        fs::remove_file(answer).unwrap();
        answered == "yes\n"
    }
}
