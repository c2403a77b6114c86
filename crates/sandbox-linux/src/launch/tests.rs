//! Failures after the clone: each is made to happen, and the host is looked at afterwards.

use std::ffi::CString;
use std::fs;
use std::os::fd::AsFd;

use sandbox_core::{Context, Policy, Preset, Ruleset};

use super::*;
use crate::plan::encode;
use crate::wire::DESCRIPTORS;
use crate::{Connectivity, Early, Plan, ProcessGroup, Report, Step};

pub(crate) fn plan(policy: &Policy) -> Plan {
    let ruleset = Ruleset::resolve(policy, &Context::new("/usr/lib")).expect("the policy is right");
    Plan::compile(&ruleset, &HostFacts::detect()).expect("this host can do it")
}

/// Runs `args` in a sandbox that shows the host's files.
pub(crate) fn run(
    prepared: &Prepared,
    args: &[&str],
    change: impl FnOnce(&mut Start<'_>),
) -> Result<Report, LaunchError> {
    let null = fs::File::open("/dev/null").unwrap();
    let mut start = start(args, &null);
    change(&mut start);
    Ok(prepared.launch(&start)?.wait().unwrap())
}

fn start<'a>(args: &[&str], null: &'a fs::File) -> Start<'a> {
    let string = |text: &&str| CString::new(*text).unwrap();
    Start {
        programs: vec![CString::new(args[0]).unwrap()],
        args: args.iter().map(string).collect(),
        environment: Vec::new(),
        directory: c"/".into(),
        stdio: [null.as_fd(), null.as_fd(), null.as_fd()],
        descriptors: Vec::new(),
        process_group: ProcessGroup::Callers,
        terminal: None,
        on_terminal: [false; 3],
        ignored_signals: 0,
        umask: 0o022,
        time: None,
    }
}

/// Whether the init that has begun early waits for its command.
fn begun_waits(prepared: &Prepared) -> bool {
    prepared.inits.set_up().begun.as_ref().unwrap().is_waiting()
}

/// Every mount of this process, and every child that it has: what a launch could leave behind.
fn host() -> (String, String) {
    let children = format!("/proc/self/task/{}/children", nix::unistd::gettid());
    (
        fs::read_to_string("/proc/self/mountinfo").unwrap(),
        fs::read_to_string(children).unwrap(),
    )
}

/// Asserts that `attempt` succeeds, within 20 s, in a process whose limits and group are its own.
#[expect(unsafe_code, reason = "a process of its own")]
pub(crate) fn in_own_process(attempt: impl FnOnce() -> bool) {
    use nix::sys::wait::{WaitStatus, waitpid};
    // SAFETY: the child ends without returning to the test harness.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            nix::unistd::alarm::set(20);
            // What unwinds out of a fork ends its only thread, and the process well.
            let succeeds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt));
            let code = i32::from(!succeeds.unwrap_or(false));
            // SAFETY: ends this process at once.
            unsafe { libc::_exit(code) }
        }
        nix::unistd::ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
}

#[test]
fn a_step_that_fails_is_named_and_leaves_nothing() {
    let plan = plan(&Policy::preset(Preset::Agent).hide("/usr/share"));
    let before = host();
    for (index, step) in plan.steps().iter().enumerate() {
        let mut faulty = plan.steps().to_vec();
        faulty[index] = Step::Freeze {
            path: "/there/is/no/such/path".into(),
        };
        let (beginning, rest) = faulty.split_at(plan.beginning().len());
        let prepared = Prepared {
            beginning: encode::steps(beginning).unwrap(),
            plan: encode::steps(rest).unwrap().into(),
            ..Prepared::new(&plan).unwrap()
        };
        match run(&prepared, &["/bin/true"], |_| {}) {
            Err(LaunchError::Step {
                action,
                path,
                source,
            }) => {
                assert_eq!((action, path.as_deref()), (step.action(), step.path()));
                assert_eq!(
                    source.raw_os_error(),
                    Some(libc::ENOENT),
                    "step {index}: {step}"
                );
            }
            other => panic!("step {index} ({step}): {other:?}"),
        }
        assert_eq!(host(), before, "after step {index}: {step}");
    }
}

#[test]
fn a_name_that_the_host_removes_meanwhile_keeps_no_command_from_starting() {
    // Neither below `/tmp`, which the preset replaces, nor below root's home, which it hides.
    let home = std::env::home_dir().filter(|home| !home.starts_with("/root"));
    let host = tempfile::tempdir_in(home.unwrap_or_else(|| "/srv".into())).unwrap();
    for name in ["secret", "here", "gone"] {
        fs::write(host.path().join(name), name).unwrap();
    }
    let policy = Policy::preset(Preset::Agent)
        .hide(host.path().join("secret"))
        .hide_by(sandbox_core::HideBy::Assemble);
    let prepared = Prepared::new(&plan(&policy)).unwrap();
    fs::remove_file(host.path().join("gone")).unwrap();
    for (name, expected) in [("here", 0), ("gone", 1), ("secret", 1)] {
        let path = host.path().join(name);
        let report = run(
            &prepared,
            &["/usr/bin/test", "-s", path.to_str().unwrap()],
            |_| {},
        );
        assert_eq!(report.unwrap().status >> 8, expected, "{name}");
    }
}

/// Neither side waits for what the other can't send.
#[test]
fn a_command_that_cannot_be_sent_is_an_error_and_the_next_one_runs() {
    use nix::sys::resource::{Resource, setrlimit};
    use nix::sys::signal::{SigSet, Signal};
    let plan = plan(&Policy::preset(Preset::Agent));
    in_own_process(|| {
        let early = Early::begin(&HostFacts::detect(), &Connectivity::Alone).unwrap();
        let prepared = Prepared::with(&plan, early).unwrap();
        // Too long for the socket, and the memory file for it would be longer than files may be.
        let long = "x".repeat(100_000);
        SigSet::from(Signal::SIGXFSZ).thread_block().unwrap();
        let fails = |word: &str| {
            let unlimited = nix::sys::resource::getrlimit(Resource::RLIMIT_FSIZE)
                .unwrap()
                .1;
            setrlimit(Resource::RLIMIT_FSIZE, 4096, unlimited).unwrap();
            let result = run(&prepared, &["/bin/true", word], |_| {});
            setrlimit(Resource::RLIMIT_FSIZE, unlimited, unlimited).unwrap();
            matches!(result, Err(LaunchError::Prepare { .. }))
        };
        let works =
            || run(&prepared, &["/bin/true"], |_| {}).is_ok_and(|report| report.status == 0);
        // The first one, one for an init that waits, and one for an init beside that.
        fails(&long) && works() && fails(&long) && works()
    });
}

/// A caller that changes its group (a daemon, a shell) has its commands there from then on, in the same sandbox.
#[test]
fn a_caller_that_changes_its_group_keeps_its_sandbox() {
    use nix::unistd::{Pid, getpgrp, setpgid};
    let plan = plan(&Policy::preset(Preset::Agent));
    in_own_process(|| {
        let prepared = Prepared::new(&plan).unwrap();
        let succeeds =
            |args: &[&str]| run(&prepared, args, |_| {}).is_ok_and(|report| report.status == 0);
        let made = succeeds(&["/usr/bin/touch", "/tmp/kept"]);
        setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
        made && getpgrp() == Pid::this() && succeeds(&["/usr/bin/test", "-e", "/tmp/kept"])
    });
}

#[test]
fn a_plan_that_is_cut_off_starts_nothing() {
    let plan = plan(&Policy::preset(Preset::Agent));
    let mut prepared = Prepared::new(&plan).unwrap();
    prepared.plan.get_mut().unwrap().pop();
    let error = run(&prepared, &["/bin/true"], |_| {}).unwrap_err();
    assert!(matches!(error, LaunchError::Step { .. }), "{error:?}");
}

#[test]
fn what_fails_in_the_command_s_own_child_is_named() {
    let prepared = Prepared::new(&plan(&Policy::preset(Preset::Agent))).unwrap();
    let before = host();
    let cases: &[(&[&str], &std::ffi::CStr, &str)] = &[
        (
            &["/no/such/program"],
            c"/",
            "cannot execute `/no/such/program`",
        ),
        (&["/etc/passwd"], c"/", "cannot execute `/etc/passwd`"),
        (&["/usr"], c"/", "cannot execute `/usr`"),
        (
            &["/bin/true"],
            c"/no/such/directory",
            "cannot enter `/no/such/directory` inside the sandbox",
        ),
        (
            &["/bin/true"],
            c"/etc/passwd",
            "cannot enter `/etc/passwd` inside the sandbox",
        ),
    ];
    for (args, directory, message) in cases {
        let error = run(&prepared, args, |start| {
            start.directory = (*directory).into();
        })
        .unwrap_err();
        assert_eq!(error.to_string(), *message);
    }
    let init = host().1;
    let control = run(&prepared, &["/bin/true"], |_| {});
    assert_eq!(control.unwrap().status, 0);
    assert_eq!(host().1, init, "one init has served them all");
    drop(prepared);
    assert_eq!(host(), before);
}

#[test]
fn programs_are_tried_in_their_order() {
    let prepared = Prepared::new(&plan(&Policy::preset(Preset::Agent))).unwrap();
    let candidates = |names: &[&str]| {
        names
            .iter()
            .map(|name| CString::new(*name).unwrap())
            .collect::<Vec<_>>()
    };
    let found = run(&prepared, &["x"], |start| {
        start.programs = candidates(&["/none/x", "/etc/passwd/x", "/bin/true"]);
    });
    assert_eq!(found.unwrap().status, 0);
    let error = run(&prepared, &["x"], |start| {
        start.programs = candidates(&["/etc/passwd", "/none/x"]);
    })
    .unwrap_err();
    let LaunchError::Exec { source, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        source.raw_os_error(),
        Some(libc::EACCES),
        "what may not be executed is the reason"
    );
}

/// Those that have arrived are closed, and init waits for a better command.
#[test]
#[expect(unsafe_code, reason = "a number that is no descriptor")]
fn descriptors_that_cannot_be_sent_cost_no_init() {
    let prepared = Prepared::new(&plan(&Policy::preset(Preset::Agent))).unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    // SAFETY: nothing is done with it but what the kernel refuses.
    let closed = unsafe { BorrowedFd::borrow_raw(RawFd::MAX) };
    let hand_over = |fds: &[BorrowedFd<'_>]| {
        run(&prepared, &["/bin/true"], |start| {
            // The borrow is over before they are.
            start.descriptors = (3..)
                .zip(fds)
                // SAFETY: as above; all others are open until the end of the test.
                .map(|(number, fd)| (number, unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) }))
                .collect();
        })
    };
    let fds = |count, last| [vec![file.as_fd(); count], last].concat();
    assert_eq!(hand_over(&[]).unwrap().status, 0);
    let init = host().1;
    for count in [0, 1, 253, 600] {
        match hand_over(&fds(count, vec![closed])) {
            Err(LaunchError::Prepare { source, .. }) => {
                assert_eq!(source.raw_os_error(), Some(libc::EBADF), "{count}");
            }
            other => panic!("{count}: {other:?}"),
        }
        assert_eq!(hand_over(&fds(count, vec![])).unwrap().status, 0, "{count}");
    }
    match hand_over(&fds(DESCRIPTORS, vec![closed])) {
        Err(LaunchError::Number {
            number: 4099,
            problem: NumberProblem::TooMany { most: DESCRIPTORS },
        }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(host().1, init, "one init has served them all");
}

/// In that which carries out the plan, and has not come to the command.
#[test]
#[expect(unsafe_code, reason = "a number that is no descriptor")]
fn descriptors_that_cannot_be_sent_at_first_leave_nothing() {
    let prepared = Prepared::new(&plan(&Policy::preset(Preset::Agent))).unwrap();
    let before = host();
    // SAFETY: nothing is done with it but what the kernel refuses.
    let closed = unsafe { BorrowedFd::borrow_raw(RawFd::MAX) };
    let failed = run(&prepared, &["/bin/true"], |start| {
        start.descriptors = vec![(3, closed)];
    });
    assert!(
        matches!(failed, Err(LaunchError::Prepare { .. })),
        "{failed:?}"
    );
    assert_eq!(host(), before);
    assert_eq!(run(&prepared, &["/bin/true"], |_| {}).unwrap().status, 0);
}

#[test]
fn a_hundred_thousand_arguments_arrive() {
    let prepared = Prepared::new(&plan(&Policy::preset(Preset::Agent))).unwrap();
    let count_args = |count: usize| {
        run(
            &prepared,
            &["/bin/sh", "-c", r#"test "$#" = "$0""#],
            |start| {
                start.args.push(CString::new(count.to_string()).unwrap());
                start
                    .args
                    .extend(std::iter::repeat_n(CString::new("a").unwrap(), count));
            },
        )
    };
    for count in [0, 10, 10_000, 100_000] {
        assert_eq!(count_args(count).unwrap().status, 0, "{count}");
    }
    assert!(matches!(count_args(3_000_000), Err(LaunchError::TooLarge)));
}

#[test]
fn dropping_a_child_ends_what_it_confines() {
    let prepared = Prepared::new(&plan(&Policy::preset(Preset::Agent))).unwrap();
    let before = host();
    let (ours, theirs) = std::io::pipe().unwrap();
    let null = fs::File::open("/dev/null").unwrap();
    let start = Start {
        programs: vec![c"/bin/sh".into()],
        args: vec![
            c"sh".into(),
            c"-c".into(),
            c"setsid sleep 1000 & exec sleep 1000".into(),
        ],
        environment: vec![c"PATH=/bin:/usr/bin".into()],
        directory: c"/".into(),
        stdio: [null.as_fd(), theirs.as_fd(), null.as_fd()],
        descriptors: Vec::new(),
        process_group: ProcessGroup::Callers,
        terminal: None,
        on_terminal: [false; 3],
        ignored_signals: 0,
        umask: 0o022,
        time: None,
    };
    let child = prepared.launch(&start).unwrap();
    drop(theirs);
    drop(child);
    // The end of the pipe comes when nothing inside holds the other end any more.
    assert_eq!(std::io::read_to_string(ours).unwrap(), "");
    assert_eq!(host(), before);
}

#[test]
fn an_init_that_has_begun_and_ended_is_replaced() {
    let plan = plan(&Policy::preset(Preset::Agent));
    let early = Early::begin(&HostFacts::detect(), &Connectivity::Alone).unwrap();
    let prepared = Prepared::with(&plan, early).unwrap();
    let before = host();
    let init = prepared.inits.set_up().begun.as_ref().unwrap().id();
    let init = nix::unistd::Pid::from_raw(init.cast_signed());
    nix::sys::signal::kill(init, nix::sys::signal::Signal::SIGKILL).unwrap();
    while begun_waits(&prepared) {
        std::thread::yield_now();
    }
    assert_eq!(run(&prepared, &["/bin/true"], |_| {}).unwrap().status, 0);
    assert_ne!(host(), before, "the init that was killed was reaped");
}

/// By a person or, for want of memory, by the kernel.
#[test]
fn an_init_that_is_killed_before_its_command_is_told_as_killed() {
    let prepared = Prepared::new(&plan(&Policy::preset(Preset::Agent))).unwrap();
    let null = fs::File::open("/dev/null").unwrap();
    let command = start(&["/bin/true"], &null);
    let before = host();
    for is_sent in [false, true] {
        let init = Arc::new(begin(&prepared.image, &prepared.beginning).unwrap());
        sys::kill(init.pidfd());
        let sent = if is_sent {
            Ok(())
        } else {
            let errno = io::Error::from_raw_os_error(libc::EPIPE);
            Err(preparing("send to the sandbox's first process")(errno))
        };
        let error = prepared.until_begun(init, sent, &prepared.steps, &command);
        let error = error.unwrap_err();
        assert!(
            matches!(error, LaunchError::InitKilled { signal: 9 }),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            "the sandbox's first process was killed by signal 9 before the command began"
        );
        assert!(error.remedy().unwrap().contains("dmesg"));
        assert_eq!(host(), before);
    }
}

#[test]
#[expect(unsafe_code, reason = "a fork, as daemons make it")]
fn a_fork_has_commands_of_its_own_and_leaves_its_parents_alone() {
    use nix::sys::wait::{WaitStatus, waitpid};
    let plan = plan(&Policy::preset(Preset::Agent));
    let early = Early::begin(&HostFacts::detect(), &Connectivity::Alone).unwrap();
    let prepared = Prepared::with(&plan, early).unwrap();
    // SAFETY: the child runs what a daemon would run, and ends without returning to the test harness.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            let status = run(&prepared, &["/bin/true"], |_| {}).map_or(1, |report| report.status);
            drop(prepared);
            // SAFETY: ends this process at once.
            unsafe { libc::_exit(status) }
        }
        nix::unistd::ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
    assert!(begun_waits(&prepared));
    assert_eq!(run(&prepared, &["/bin/true"], |_| {}).unwrap().status, 0);
}

/// Nor does it wait for a thread of its parent that it does not have.
#[test]
fn a_fork_waits_for_no_lock_of_its_parent() {
    let prepared = Prepared::new(&plan(&Policy::preset(Preset::Agent))).unwrap();
    let works = || run(&prepared, &["/bin/true"], |_| {}).is_ok_and(|report| report.status == 0);
    let held = prepared.inits.set_up();
    in_own_process(works);
    drop(held);
    assert!(works());
}

/// One in the midst of a launch has what the child gets, which is not closed before it ends.
#[test]
fn a_fork_keeps_nobody_from_hearing_of_an_end() {
    let prepared = Prepared::new(&plan(&Policy::preset(Preset::Agent))).unwrap();
    let null = fs::File::open("/dev/null").unwrap();
    let command = start(&["/bin/sleep", "1000"], &null);
    in_own_process(|| {
        let (control, inside) = control_sockets(&prepared.beginning).unwrap();
        let (pid, pidfd) =
            sys::clone_init(prepared.image.as_fd(), inside.as_fd(), NAMESPACES).unwrap();
        let init = Arc::new(Init::new(pid, pidfd, control, true));
        send(init.as_fd(), order::PLAN, prepared.plan.get().unwrap(), &[]).unwrap();
        let body = command.to_bytes(&[]).unwrap();
        send(init.as_fd(), order::COMMAND, &body, &command.stdio).unwrap();
        let steps = &prepared.steps;
        let mut child = prepared.until_started(init, steps, &command).unwrap();
        let quiet = child.update().unwrap().is_none();
        sys::kill(child.end());
        let status = child.wait().unwrap().status;
        // `inside` is as open as in a fork.
        drop(inside);
        quiet && status == libc::SIGKILL
    });
}

/// They are about a command that has ended by then: nobody waits for it with what comes from the notifier.
#[test]
fn late_orders_end_no_init_and_keep_no_command_from_starting() {
    let prepared = Prepared::new(&plan(&Policy::preset(Preset::Agent))).unwrap();
    let null = fs::File::open("/dev/null").unwrap();
    let mut command = start(&["/usr/bin/test", "-e", "/proc/self/fd/9"], &null);
    command.descriptors = vec![(9, null.as_fd())];
    in_own_process(|| {
        let (control, inside) = control_sockets(&prepared.beginning).unwrap();
        let (pid, pidfd) =
            sys::clone_init(prepared.image.as_fd(), inside.as_fd(), NAMESPACES).unwrap();
        let init = Arc::new(Init::new(pid, pidfd, control, true));
        let late = |order: u32| {
            let words = [order, 0, 7, 0].map(u32::to_ne_bytes).concat();
            send_message(init.as_fd(), &words, &[], MsgFlags::empty()).unwrap();
        };
        send(init.as_fd(), order::PLAN, prepared.plan.get().unwrap(), &[]).unwrap();
        for order in [order::SIGNAL, order::ERRAND, order::INTERRUPT, order::NAMES] {
            late(order);
        }
        let numbered = command.numbered().unwrap();
        let body = command.to_bytes(&numbered).unwrap();
        send(init.as_fd(), order::COMMAND, &body, &command.stdio).unwrap();
        for order in [order::ERRAND, order::INTERRUPT, order::NAMES] {
            late(order);
        }
        send_further(&init, &numbered).unwrap();
        let child = prepared.until_started(init, &prepared.steps, &command);
        child.unwrap().wait().unwrap().status == 0
    });
}
