//! One init serves command after command, and commands at the same time have one each beside each other: what they share,
//! and what no command can leave to the next.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sandbox_testing::{Host, State, marked, marker, until};
use sandboxed::{Child, Network, Policy, Preset, Sandbox, Stdio};
use std::{fs, io::Read, thread};

/// Everything readable, the workspace of this host writable.
fn sandbox(host: &Host) -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly).write(host.path("@ws"))).unwrap()
}

/// Prints how many processes there are, without another one.
const COUNT: &str = "set -- /proc/[0-9]*; echo $#";
const INIT_AND_SHELL: &str = "2";

fn shell(sandbox: &Sandbox, script: &str) -> String {
    let output = sandbox
        .command("sh")
        .args(["-c", script])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Runs a command to its end; which init served it.
fn init_of(sandbox: &Sandbox) -> u32 {
    let mut child = sandbox.command("true").spawn().unwrap();
    assert!(child.wait().unwrap().success());
    child.id()
}

/// A command that says when it runs, and ends with its standard input.
fn waiting(sandbox: &Sandbox, script: &str) -> Child {
    let mut child = sandbox
        .command("sh")
        .args(["-c", &format!("{script}; echo ready; cat")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut ready)
        .unwrap();
    assert_eq!(&ready, b"ready\n");
    child
}

/// A command's namespaces, by their links in `/proc`.
fn namespaces(sandbox: &Sandbox) -> Vec<String> {
    let script = "for n in user net ipc uts pid mnt; do readlink /proc/self/ns/$n; done";
    shell(sandbox, script).lines().map(str::to_owned).collect()
}

#[test]
fn one_init_serves_command_after_command() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let init = init_of(&sandbox);
    assert_eq!(init_of(&sandbox), init);
    // Private directories are the sandbox's own, not one command's.
    assert_eq!(shell(&sandbox, "echo kept > /tmp/file"), "");
    assert_eq!(shell(&sandbox, "cat /tmp/file"), "kept");
    assert_eq!(init_of(&sandbox), init);
    // Another sandbox has none of it.
    let other = self::sandbox(&host);
    assert_eq!(
        shell(&other, "cat /tmp/file 2>/dev/null; echo none"),
        "none"
    );
}

#[test]
fn no_process_of_a_command_is_there_for_the_next() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let marker = marker();
    let hostile = format!(
        "for i in 1 2 3; do (setsid sh -c 'kill -STOP $$; exec {payload} wait {marker}' &) ; setsid {payload} wait {marker} & done; sleep 0.1",
        payload = host.payload().display()
    );
    let init = init_of(&sandbox);
    shell(&sandbox, &hostile);
    assert_eq!(marked(&marker), []);
    assert_eq!(shell(&sandbox, COUNT), INIT_AND_SHELL);
    assert_eq!(init_of(&sandbox), init);
}

#[test]
fn commands_at_the_same_time_share_all_but_processes() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut first = waiting(&sandbox, "echo kept > /tmp/file");
    let mut second = waiting(&sandbox, &host.expand("cat /tmp/file > @ws/seen"));
    assert_ne!(first.id(), second.id());
    assert_eq!(host.read("seen"), "kept\n");
    // Nothing of the others is in reach: not their processes, not their inits, not by a signal to everybody.
    assert_eq!(
        shell(&sandbox, &format!("{COUNT}; kill -9 -1")),
        INIT_AND_SHELL
    );
    for child in [&mut first, &mut second] {
        assert_eq!(child.try_wait().unwrap(), None);
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_further_init_is_in_the_same_namespaces() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let first = namespaces(&sandbox);
    let busy = waiting(&sandbox, "true");
    let beside = namespaces(&sandbox);
    assert_eq!(first[..4], beside[..4], "user, net, ipc, uts");
    assert_ne!(first[4], beside[4], "pid");
    assert_ne!(first[5], beside[5], "mnt");
    drop(busy);
}

/// A directory that one command has made, where all else can only be read, can be written by those that run already, and by the next.
#[test]
fn what_a_command_makes_where_a_rule_opens_it_is_writable_for_all() {
    let host = Host::new();
    let made = host.path("@outside/new");
    let policy = Policy::preset(Preset::ReadOnly).write_if_exists(&made);
    let sandbox = Sandbox::new(&policy).unwrap();
    let new = made.display();
    let until = format!("until rm {new}/file 2> /dev/null; do sleep 0.01; done");
    let beside = sandbox.command("sh").args(["-c", &until]).spawn().unwrap();
    let busy = waiting(&sandbox, &format!("mkdir {new} && echo x > {new}/file"));
    assert!(beside.wait_with_output().unwrap().status.success());
    for _ in 0..2 {
        let script = format!("mkdir {new}/sub && rmdir {new}/sub && echo done");
        assert_eq!(shell(&sandbox, &script), "done");
    }
    drop(busy);
    assert!(made.is_dir() && !host.has("@outside/new/file"));
    assert_eq!(
        shell(&sandbox, &format!("mkdir {new}er; rmdir {new}; true")),
        ""
    );
    assert!(made.is_dir() && !host.has("@outside/newer"));
}

/// What holds for the first init holds for those beside it.
#[test]
fn a_further_init_confines_as_the_first() {
    let host = Host::new();
    let sandbox = Sandbox::new(
        &Policy::preset(Preset::ReadOnly)
            .write(host.path("@ws"))
            .hide(host.path("@outside")),
    )
    .unwrap();
    let probe = format!(
        "cat {outside}/public; echo x > {home}/new; echo x > {made}; grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status; mount -t tmpfs x /mnt; unshare -U true; ls /proc/1/fd | wc -l; kill -9 1; cat /proc/sys/kernel/hostname > /dev/null && echo x > /proc/sys/kernel/hostname; {COUNT}",
        outside = host.path("@outside").display(),
        home = host.path("@home").display(),
        made = host.path("made").display()
    );
    let run = || {
        let output = sandbox.command("sh").args(["-c", &probe]).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap()
    };
    let first = run();
    let busy = waiting(&sandbox, "true");
    let beside = run();
    assert_eq!(first, beside);
    assert!(!first.lines().any(|line| line == "public"), "{first}");
    assert!(host.has("made"), "control");
    drop(busy);
}

/// Its mounts are a copy of the first one's, and so it mends them by nodes of its own.
#[test]
fn the_table_of_names_is_the_same_beside() {
    let policy = Policy::preset(Preset::ReadOnly).allow("a.example");
    let sandbox = Sandbox::new(&policy).unwrap();
    let probe = "stat -c %i /etc/hosts; cat /etc/hosts";
    let first = shell(&sandbox, probe);
    let busy = waiting(&sandbox, "true");
    assert_eq!(shell(&sandbox, probe), first);
    drop(busy);
}

/// The `/proc` of a further init is another one than that which the first has covered.
#[test]
fn what_is_hidden_in_proc_is_hidden_beside() {
    let policy = Policy::preset(Preset::ReadOnly)
        .hide("/proc/version")
        .hide("/proc/sys/kernel");
    let sandbox = Sandbox::new(&policy).unwrap();
    let probe = "cat /proc/version; cat /proc/sys/kernel/ostype; cat /proc/uptime > /dev/null && echo control";
    assert_eq!(shell(&sandbox, probe), "control");
    let busy = waiting(&sandbox, "true");
    assert_eq!(shell(&sandbox, probe), "control");
    drop(busy);
}

#[test]
fn commands_run_at_once_with_the_network_of_the_host() {
    let policy = Policy::preset(Preset::ReadOnly).network(Network::Host);
    let sandbox = Sandbox::new(&policy).unwrap();
    let busy = waiting(&sandbox, "true");
    let outside = fs::read_link("/proc/self/ns/net").unwrap();
    let inside = shell(&sandbox, "readlink /proc/self/ns/net");
    assert_eq!(inside, outside.display().to_string());
    drop(busy);
}

/// Whoever joins an init at that moment does not keep it.
#[test]
fn a_child_that_is_dropped_has_ended() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            for _ in 0..40 {
                let marker = marker();
                let payload = host.payload().display().to_string();
                let child = waiting(
                    &sandbox,
                    &format!("{payload} wait {marker} > /dev/null & :"),
                );
                drop(child);
                assert_eq!(marked(&marker), []);
            }
        });
        while !running.is_finished() {
            drop(waiting(&sandbox, "true"));
        }
    });
}

/// A command that stops and continues itself fills the socket of a caller that does not read.
#[test]
fn a_caller_that_does_not_read_keeps_nobody_from_the_time_limit() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let marker = marker();
    let script = format!(
        "{} wait {marker} & (while kill -CONT $$; do :; done) & while :; do kill -STOP $$; done",
        host.payload().display()
    );
    let child = sandbox
        .command("sh")
        .args(["-c", &script])
        .timeout(std::time::Duration::from_secs(1))
        .spawn()
        .unwrap();
    until("it runs", || !marked(&marker).is_empty());
    // Nobody waits for the child, so that init alone has the limit, three seconds later.
    until("the limit ends it", || marked(&marker).is_empty());
    drop(child);
}

#[test]
fn an_init_that_was_killed_is_replaced() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let end = |init: u32| {
        let init = Pid::from_raw(init.cast_signed());
        kill(init, Signal::SIGKILL).unwrap();
        until("it has ended", || {
            State::of(init).is_none_or(|state| state.letter == 'Z')
        });
    };
    let init = init_of(&sandbox);
    end(init);
    let next = init_of(&sandbox);
    assert_ne!(next, init);
    // While a command runs in it.
    let mut child = waiting(&sandbox, "true");
    end(child.id());
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    drop(child);
    assert_eq!(shell(&sandbox, "echo works"), "works");
    // That whose set-up the others share, while another one works.
    let first = waiting(&sandbox, "true");
    let mut second = waiting(&sandbox, "true");
    end(first.id());
    assert_eq!(shell(&sandbox, "echo works"), "works");
    drop(second.stdin.take());
    assert!(second.wait().unwrap().success());
}

/// What was to become it is gone when its failure is told, with all that it had open.
#[test]
fn of_a_command_that_cannot_start_nothing_is_left() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let init = init_of(&sandbox);
    let children = || fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
    for _ in 0..200 {
        sandbox.command("/no/such/program").spawn().unwrap_err();
        assert_eq!(children(), "");
    }
    let busy = waiting(&sandbox, "true");
    assert_eq!(busy.id(), init);
    assert_ne!(children(), "", "control");
}

#[test]
fn a_command_that_cannot_start_costs_no_init() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let init = init_of(&sandbox);
    for program in ["/no/such/program", "/etc/passwd"] {
        sandbox.command(program).spawn().unwrap_err();
    }
    sandbox
        .command("true")
        .current_dir("/no/such")
        .spawn()
        .unwrap_err();
    assert_eq!(init_of(&sandbox), init);
}

/// Not even what was to become of it, for a moment.
#[test]
fn a_command_that_cannot_start_is_not_there_for_the_next() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    for round in 0..200 {
        sandbox.command("/no/such/program").spawn().unwrap_err();
        assert_eq!(shell(&sandbox, COUNT), INIT_AND_SHELL, "{round}");
    }
}

/// Nor does one that is kept outlive the sandbox by it.
#[test]
fn a_child_that_has_ended_holds_no_init() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let run = || {
        let mut child = sandbox.command("true").spawn().unwrap();
        assert!(child.wait().unwrap().success());
        child
    };
    let kept: Vec<Child> = (0..20).map(|_| run()).collect();
    let init = kept[0].id();
    assert!(kept.iter().all(|child| child.id() == init));
    drop(sandbox);
    assert_eq!(State::of(Pid::from_raw(init.cast_signed())), None);
}

/// Orders that come too late are about nothing, and not about the next command.
#[test]
fn what_is_sent_to_a_command_that_has_ended_does_not_reach_the_next() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    for round in 0..50 {
        let mut child = sandbox.command("true").spawn().unwrap();
        // Before, while and after it ends.
        thread::sleep(std::time::Duration::from_micros(100 * round % 1500));
        child.signal(Signal::SIGCONT as i32).unwrap();
        child.forward(Signal::SIGCONT as i32).unwrap();
        if round % 2 == 0 {
            child.kill().unwrap();
        }
        let _ = child.wait().unwrap();
        drop(child);
        assert_eq!(shell(&sandbox, "echo works"), "works", "{round}");
    }
}

#[test]
fn threads_run_commands_at_once_and_leave_nothing() {
    let host = Host::new();
    let marker = marker();
    let sandbox = sandbox(&host);
    thread::scope(|scope| {
        for number in 0..8 {
            let (sandbox, marker) = (&sandbox, &marker);
            scope.spawn(move || {
                for round in 0..25 {
                    let script = format!("echo {number} {round}; : {marker}");
                    assert_eq!(shell(sandbox, &script), format!("{number} {round}"));
                }
            });
        }
    });
    let children = || {
        fs::read_to_string(format!(
            "/proc/self/task/{0}/children",
            nix::unistd::gettid()
        ))
    };
    drop(sandbox);
    until("no init is left", || children().unwrap().is_empty());
    assert_eq!(marked(&marker), []);
}

/// The mask is the caller's at each start, not that of the first.
#[test]
fn a_command_has_the_mask_that_its_caller_has_then() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    assert_eq!(shell(&sandbox, "umask"), "0022");
    let old = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o027));
    let inside = shell(&sandbox, "umask");
    nix::sys::stat::umask(old);
    assert_eq!(inside, "0027");
}
