//! A test in a process of its own, for what it does to its process.

use std::{
    env,
    process::{Command, Stdio},
};

/// Runs the test `name` of the calling program, which is marked `#[ignore]`, by itself in another process, and asserts that it
/// passes.
#[track_caller]
pub fn alone(name: &str) {
    passes(Command::new(env::current_exe().unwrap()), name);
}

/// The same in a process that another program starts, such as `unshare`: with its own arguments.
#[track_caller]
pub fn alone_by(mut starter: Command, name: &str) {
    starter.arg(env::current_exe().unwrap());
    passes(starter, name);
}

#[track_caller]
fn passes(mut command: Command, name: &str) {
    let output = command
        .args(["--exact", name, "--ignored", "--test-threads=1"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}: {text}",
        output.status
    );
}
