//! Who is told of denials: each thing once a command, and everything before the sandbox is gone.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::sync::{Arc, Mutex, OnceLock};

use sandbox_testing::until;
use sandboxed::{Event, Operation, Policy, Preset, Sandbox};
use tempfile::TempDir;

type Told = Arc<Mutex<Vec<(Operation, String, u64)>>>;

fn told_of(event: &Event) -> (Operation, String, u64) {
    let target = event.target().into_string().unwrap();
    let name = target.rsplit('/').next().unwrap();
    (event.operation, name.to_owned(), event.count)
}

/// A sandbox that tells, and where it does.
fn telling(policy: impl FnOnce(Policy) -> Policy) -> (TempDir, Sandbox, Told) {
    let home = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
    let workspace = tempfile::tempdir_in(home.unwrap().dir).unwrap();
    let told = Told::default();
    let kept = Arc::clone(&told);
    let sandbox = Sandbox::builder()
        .on_denial(move |event| kept.lock().unwrap().push(told_of(event)))
        .build(&policy(
            Policy::preset(Preset::ReadOnly).write(workspace.path()),
        ))
        .unwrap();
    (workspace, sandbox, told)
}

fn run(sandbox: &Sandbox, workspace: &TempDir, script: &str) {
    let command = ["-c", script];
    let mut shell = sandbox.command("sh");
    let _ = shell
        .args(command)
        .current_dir(workspace.path())
        .output()
        .unwrap();
}

#[test]
fn each_command_is_told_of_for_itself() {
    let (workspace, sandbox, told) = telling(|policy| policy);
    let created = |name: &str, count| (Operation::Create, name.to_owned(), count);
    run(
        &sandbox,
        &workspace,
        "echo > .envrc; echo > .envrc; mkdir .idea; true",
    );
    // A moment later than the command.
    until("both are told", || told.lock().unwrap().len() == 2);
    run(&sandbox, &workspace, "echo > .envrc; true");
    drop(sandbox);
    let told = told.lock().unwrap();
    assert_eq!(
        *told,
        [
            created(".envrc", 1),
            created(".idea", 1),
            created(".envrc", 2),
            created(".envrc", 1)
        ]
    );
}

#[test]
fn all_is_told_before_the_last_handle_is_gone() {
    let (workspace, sandbox, told) = telling(|policy| policy.allow("127.0.0.1:1"));
    let script = "i=0; while [ $i -lt 100 ]; do mkdir .vscode; i=$((i+1)); done";
    let mut shell = sandbox.command("sh");
    let child = shell
        .args(["-c", script])
        .stderr(sandboxed::Stdio::null())
        .current_dir(workspace.path())
        .spawn()
        .unwrap();
    drop(shell);
    drop(sandbox);
    let mut child = child;
    let _ = child.wait().unwrap();
    drop(child);
    let told = told.lock().unwrap();
    assert_eq!(
        *told,
        [1, 100].map(|count| (Operation::Create, ".vscode".to_owned(), count))
    );
}

#[test]
fn connections_are_told_of_beside_what_is_told_of_the_network() {
    let of_network = Arc::new(Mutex::new(0));
    let kept = Arc::clone(&of_network);
    let told = Told::default();
    let all = Arc::clone(&told);
    let sandbox = Sandbox::builder()
        .on_network(move |_| *kept.lock().unwrap() += 1)
        .on_denial(move |event| all.lock().unwrap().push(told_of(event)))
        .build(&Policy::preset(Preset::ReadOnly).allow("a.example:1"))
        .unwrap();
    let mut asked = sandbox.command("getent");
    let _ = asked.args(["hosts", "b.example"]).output().unwrap();
    drop(asked);
    drop(sandbox);
    assert_eq!(
        told.lock().unwrap()[0],
        (Operation::LookUp, "b.example".to_owned(), 1)
    );
    assert!(*of_network.lock().unwrap() > 0);
}

/// Whoever is told does what it wants to, with the sandbox as well.
#[test]
fn who_is_told_may_start_a_command_and_let_go_of_the_sandbox() {
    let workspace = tempfile::tempdir().unwrap();
    let place: Arc<OnceLock<Sandbox>> = Arc::default();
    let is_started = Arc::new(Mutex::new(None));
    let (sandbox_of, started) = (Arc::clone(&place), Arc::clone(&is_started));
    let policy = Policy::preset(Preset::None)
        .read("/")
        .write(workspace.path());
    let sandbox = Sandbox::builder()
        .on_denial(move |_| {
            let sandbox = sandbox_of.get().unwrap();
            let status = sandbox.command("true").status();
            *started.lock().unwrap() = Some(status.is_ok_and(|status| status.success()));
        })
        .build(&policy)
        .unwrap();
    assert!(place.set(sandbox.clone()).is_ok());
    run(&sandbox, &workspace, "echo > .envrc; true");
    until("a command has run", || is_started.lock().unwrap().is_some());
    assert_eq!(*is_started.lock().unwrap(), Some(true));
}

#[test]
fn who_panics_is_told_no_more_and_calls_go_on() {
    let workspace = tempfile::tempdir().unwrap();
    let policy = Policy::preset(Preset::None)
        .read("/")
        .write(workspace.path());
    let sandbox = Sandbox::builder()
        .on_denial(|event| {
            if event.count == 1 {
                std::panic::resume_unwind(Box::new("an event"));
            }
        })
        .build(&policy)
        .unwrap();
    for name in ["one", "two"] {
        run(
            &sandbox,
            &workspace,
            &format!("echo > .envrc; echo > {name}"),
        );
        assert!(workspace.path().join(name).try_exists().unwrap());
    }
}
