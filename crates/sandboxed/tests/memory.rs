//! No memory: a clear error, and the next command works.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::Pid,
};
use sandbox_testing::{alone, needs, needs_root, until};
use sandboxed::{Child, Error, LaunchError, Policy, Preset, Sandbox, Stdio};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

fn sandbox() -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly)).unwrap()
}

#[track_caller]
fn works(sandbox: &Sandbox) {
    let output = sandbox.command("echo").arg("works").output().unwrap();
    assert_eq!(output.stdout, b"works\n");
}

fn waiting(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command("cat");
    command.stdin(Stdio::piped()).spawn().unwrap()
}

/// What this process needs while it may have no more: a heap and a stack that have been larger.
fn prepare() {
    let blocks: Vec<Vec<u8>> = (0..200).map(|_| vec![1; 60_000]).collect();
    // What lies behind them keeps the allocator from giving them back.
    std::mem::forget(Box::new([0_u64; 8]));
    drop(blocks);
    let sandbox = sandbox();
    sandbox.command("/no/such/program").status().unwrap_err();
    let first = waiting(&sandbox);
    works(&sandbox);
    drop(first);
}

/// `act` while this process, and every one that it makes, may have so many bytes.
fn bounded<T>(resource: Resource, bytes: u64, act: impl FnOnce() -> T) -> T {
    let (soft, hard) = getrlimit(resource).unwrap();
    setrlimit(resource, bytes, hard).unwrap();
    let result = act();
    setrlimit(resource, soft, hard).unwrap();
    result
}

/// Runs a command, which is to be told that there is no memory, and how to get some.
#[track_caller]
fn is_told(sandbox: &Sandbox, remedy: &str) {
    let error = sandbox.command("true").status().unwrap_err();
    let Error::Launch(LaunchError::Prepare { source, .. } | LaunchError::Step { source, .. }) =
        &error
    else {
        unreachable!("{error:?}");
    };
    assert_eq!(source.kind(), io::ErrorKind::OutOfMemory, "{error:?}");
    let told = error.remedy().unwrap();
    assert!(told.contains(remedy), "{told}");
}

#[test]
fn a_caller_whose_memory_is_bounded_is_told_so() {
    alone("bounded_memory");
}

/// So little that the kernel can't execute an init, and a bit more, which init can't do with.
#[test]
#[ignore = "started by `a_caller_whose_memory_is_bounded_is_told_so`"]
fn bounded_memory() {
    prepare();
    let bounds: [(Resource, &[u64], &str); 3] = [
        (
            Resource::RLIMIT_AS,
            &[0, 64, 128, 192, 256, 320],
            "ulimit -v",
        ),
        (Resource::RLIMIT_DATA, &[64, 96, 128], "ulimit -d"),
        (Resource::RLIMIT_STACK, &[0, 4, 8, 12, 16, 20], "ulimit -s"),
    ];
    for (resource, bounds, remedy) in bounds {
        for bytes in bounds.iter().map(|kibibytes| kibibytes << 10) {
            // For the first command: twice, since the init that has begun early is not the only one that fails.
            let made = bounded(resource, bytes, || {
                let made = sandbox();
                is_told(&made, remedy);
                is_told(&made, remedy);
                made
            });
            works(&made);
            // For that init only.
            works(&bounded(resource, bytes, sandbox));
            // For one that waits: it was made when there was more.
            let status = bounded(resource, bytes, || made.command("true").status());
            assert!(status.unwrap().success());
            // For one beside it.
            let mut first = waiting(&made);
            bounded(resource, bytes, || is_told(&made, remedy));
            works(&made);
            drop(first.stdin.take());
            assert!(first.wait().unwrap().success());
            works(&made);
        }
    }
}

/// Init is told of a long command by a file, which it maps. It goes on without, whatever comes with the command.
#[test]
fn a_command_for_which_init_has_no_memory_costs_no_init() {
    alone("command_without_memory");
}

#[test]
#[ignore = "started by `a_command_for_which_init_has_no_memory_costs_no_init`"]
fn command_without_memory() {
    prepare();
    // Enough for a shell.
    let sandbox = bounded(Resource::RLIMIT_AS, 8 << 20, sandbox);
    let run = |script: &str| {
        let mut child = sandbox.command("sh").args(["-c", script]).spawn().unwrap();
        assert!(child.wait().unwrap().success(), "{script}");
        child.id()
    };
    let init = run("echo > /tmp/kept");
    // Only root may look at the descriptors of a process that is not dumpable.
    let open = || {
        fs::read_dir(format!("/proc/{init}/fd"))
            .map(Iterator::count)
            .ok()
    };
    let before = open();
    for descriptors in [0, 1, 300] {
        let mut command = sandbox.command("true");
        command.args(std::iter::repeat_n("x".repeat(100_000), 100));
        for number in 3..3 + descriptors {
            command.fd(number, File::open("/dev/null").unwrap());
        }
        match command.status() {
            Err(Error::Launch(LaunchError::Confine { action, source })) => {
                assert_eq!(action, "read the command inside the sandbox");
                assert_eq!(source.kind(), io::ErrorKind::OutOfMemory);
            }
            other => unreachable!("{other:?}"),
        }
        assert_eq!(run("test -e /tmp/kept"), init, "{descriptors}");
        assert_eq!(open(), before, "{descriptors}");
    }
}

/// A control group: where all in it would have more than they may, the kernel kills one of them. This process is not in it: what one that was
/// killed had is not given back at once, and then the next one is killed.
struct Group(PathBuf);

impl Group {
    /// `None` where this user may make none.
    fn new(bytes: u64) -> Option<Self> {
        let hierarchies = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        hierarchies.into_iter().find_map(|(root, bound)| {
            let root = Path::new(root);
            fs::metadata(root.join("cgroup.procs")).ok()?;
            let path = root.join(format!("sandbox-test-{}", std::process::id()));
            fs::create_dir(&path).ok()?;
            let group = Self(path);
            // Not there where the controller is another hierarchy's.
            let bound = File::options().write(true).open(group.0.join(bound));
            bound.ok()?.write_all(bytes.to_string().as_bytes()).ok()?;
            // Where there is swap, it would have that, too; version 1 has no such file.
            let _ = fs::write(group.0.join("memory.swap.max"), "0");
            Some(group)
        })
    }

    /// Takes a process in, with its children.
    fn take(&self, process: u32) {
        let children = format!("/proc/{process}/task/{process}/children");
        let children = fs::read_to_string(children).unwrap();
        let process = process.to_string();
        for process in children.split_whitespace().chain([&*process]) {
            fs::write(self.0.join("cgroup.procs"), process).unwrap();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What was in it may be about to end.
        until("the group is gone", || fs::remove_dir(&self.0).is_ok());
    }
}

/// A command that keeps what it will write.
fn hoarder(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command("tail");
    command.args(["-c", "1G"]).stdin(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn what_is_killed_is_told_as_killed_and_the_next_command_works() {
    let sandbox = sandbox();
    // Whoever waits for one closes its input first, and with the end it would end by itself.
    let is_told = |mut child: Child, kill: &dyn Fn(&Child)| {
        let _stdin = child.stdin.take().unwrap();
        kill(&child);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    };
    let child = hoarder(&sandbox);
    let init = child.id();
    is_told(child, &|child| child.signal(9).unwrap());
    works(&sandbox);
    let child = hoarder(&sandbox);
    assert_eq!(child.id(), init);
    is_told(child, &|child| {
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    });
    works(&sandbox);
    assert_ne!(waiting(&sandbox).id(), init);
}

#[test]
fn what_the_kernel_kills_for_memory_is_told_as_killed() {
    if needs_root() {
        alone("killed_for_memory");
    }
}

#[test]
#[ignore = "started by `what_the_kernel_kills_for_memory_is_told_as_killed`"]
fn killed_for_memory() {
    let Some(group) = Group::new(64 << 20) else {
        needs("a control group for memory", false);
        return;
    };
    let sandbox = sandbox();
    let is_killed = |mut child: Child| {
        // As above.
        let mut stdin = child.stdin.take().unwrap();
        let fed = (0..30_000).try_for_each(|_| stdin.write_all(&[0; 10_000]));
        assert_eq!(fed.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    };
    let child = hoarder(&sandbox);
    let init = child.id();
    group.take(init);
    is_killed(child);
    works(&sandbox);
    let child = hoarder(&sandbox);
    assert_eq!(child.id(), init);
    // So much that the command can't have as much as now is said of init (proc(5), oom_score_adj).
    let mut other = std::process::Command::new("tail");
    let piped = std::process::Stdio::piped;
    other.args(["-c", "1G"]).stdin(piped()).stdout(piped());
    let mut other = other.spawn().unwrap();
    group.take(other.id());
    let mut most = other.stdin.take().unwrap();
    most.write_all(&vec![1; 24 << 20]).unwrap();
    fs::write(format!("/proc/{init}/oom_score_adj"), "1000").unwrap();
    is_killed(child);
    other.kill().unwrap();
    other.wait().unwrap();
    works(&sandbox);
    assert_ne!(waiting(&sandbox).id(), init);
}

#[test]
fn a_command_beyond_its_memory_fails_by_itself() {
    const BYTES: u64 = 100_000_000;
    let policy = Policy::preset(Preset::ReadOnly);
    let run = |policy: &Policy| {
        let sandbox = Sandbox::new(policy).unwrap();
        works(&sandbox);
        // tail(1) keeps what it will write.
        let script = format!("head -c {BYTES} /dev/zero | tail -c {BYTES} | wc -c");
        let output = sandbox
            .command("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        works(&sandbox);
        (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (written, said) = run(&policy.clone().memory(BYTES / 2));
    assert_eq!(written.trim(), "0");
    assert!(said.contains("memory exhausted"), "{said}");
    let (written, said) = run(&policy.memory(2 * BYTES));
    assert_eq!(
        (written.trim(), said.as_str()),
        (BYTES.to_string().as_str(), ""),
        "control"
    );
}
