//! Invariant 19, and terminals as the bare command has them: signals from keys, job control, window size.

use nix::sys::{signal::Signal, termios::tcgetattr};
use sandbox_testing::{
    Answer, Calls, Host, State, Terminal, binary, marked, marker, needs, tool, until,
};

#[test]
fn a_terminal_is_a_terminal() {
    let host = Host::new();
    for confined in [true, false] {
        let terminal = Terminal::new();
        let command = ["@payload", "terminal"];
        let run = if confined {
            host.sandbox(command)
        } else {
            host.bare(command)
        };
        run.start_on(&terminal).wait().succeeds();
        terminal.shows("terminals [true, true, true]");
        terminal.shows("/dev/tty opens");
        terminal.shows("size 24x80");
    }
}

#[test]
fn without_a_terminal_there_is_none() {
    let host = Host::new();
    let outcome = host.sandbox(["@payload", "terminal"]).output();
    outcome.stdout_contains("terminals [false, false, false]");
    outcome.stdout_contains("size errno 25");
}

#[test]
fn what_is_typed_arrives() {
    let host = Host::new();
    let terminal = Terminal::new();
    let running = host
        .sandbox([
            "sh",
            "-c",
            "echo prompt; read -r line; echo \"heard: $line\"",
        ])
        .start_on(&terminal);
    terminal.shows("prompt");
    terminal.types("a line\n");
    terminal.shows("heard: a line");
    running.wait().succeeds();
}

#[test]
fn nothing_is_typed_into_the_callers_terminal() {
    const TIOCSTI: u64 = 0x5412;
    const TIOCLINUX: u64 = 0x541C;
    let host = Host::new();
    let requests: Vec<u64> = [TIOCSTI, TIOCLINUX]
        .iter()
        .flat_map(|request| [0, 1, 0x8000_0000, 0xFFFF_FFFF].map(|upper| upper << 32 | request))
        .collect();
    // By the controlling terminal and by the standard input.
    let calls = requests.iter().fold(
        Calls::new().call(libc::SYS_openat, ["-100", "s:/dev/tty", "2"]),
        |calls, request| {
            let request = format!("{request:#x}");
            calls
                .call(libc::SYS_ioctl, ["r:0", &request, "x:0a"])
                .call(libc::SYS_ioctl, ["0", &request, "x:0a"])
        },
    );
    let terminal = Terminal::new();
    host.sandbox(calls.clone())
        .start_on(&terminal)
        .wait()
        .succeeds();
    until("all answers", || {
        terminal.screen().lines().count() > 2 * requests.len()
    });
    assert!(!terminal.has_input(), "{}", terminal.screen());
    for answer in &Answer::all(&terminal.screen())[1..] {
        assert!(matches!(answer, Answer::Failed(_)), "{}", terminal.screen());
    }

    let allowed = std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti");
    if !needs(
        "dev.tty.legacy_tiocsti = 1",
        allowed.is_ok_and(|text| text.trim() == "1"),
    ) {
        return;
    }
    let terminal = Terminal::new();
    host.bare(calls).start_on(&terminal).wait().succeeds();
    assert!(terminal.has_input(), "control");
}

#[test]
fn a_key_sends_its_signal_once() {
    let host = Host::new();
    for (key, signal) in [("\x03", 2), ("\x1c", 3)] {
        let terminal = Terminal::new();
        let running = host
            .sandbox(["@payload", "signals", &signal.to_string(), "15"])
            .start_on(&terminal);
        terminal.shows("ready");
        terminal.types(key);
        terminal.shows(&format!("signal {signal}"));
        running.signal(Signal::SIGTERM);
        terminal.shows("signal 15");
        running.wait().succeeds();
        let screen = terminal.screen();
        assert_eq!(
            screen.matches(&format!("signal {signal}\r")).count(),
            1,
            "{screen}"
        );
    }
}

#[test]
fn a_key_ends_a_command_that_has_no_handler() {
    let host = Host::new();
    for (key, signal) in [("\x03", 2), ("\x1c", 3)] {
        let terminal = Terminal::new();
        let marker = marker();
        let running = host
            .sandbox(["@payload", "wait", &marker])
            .start_on(&terminal);
        terminal.shows("ready");
        terminal.types(key);
        // Like the command itself: a shell that runs it in a loop has to see that the loop was meant.
        assert_eq!(running.wait().shell_code(), Some(128 + signal));
        assert_eq!(marked(&marker), []);
    }
}

#[test]
fn a_change_of_the_window_reaches_the_command() {
    let host = Host::new();
    let terminal = Terminal::new();
    let running = host.sandbox(["@payload", "sizes"]).start_on(&terminal);
    terminal.shows("size 24x80");
    terminal.resize(40, 100);
    terminal.shows("size 40x100");
    terminal.resize(10, 20);
    terminal.shows("size 10x20");
    terminal.types("\x03");
    assert_eq!(running.wait().shell_code(), Some(130));
}

/// Whether what carries the mark is in the process group to which the terminal's keys go.
fn has_the_terminal(terminal: &Terminal, marker: &str) -> bool {
    marked(marker)
        .iter()
        .any(|pid| State::of(*pid).is_some_and(|state| state.group == terminal.foreground()))
}

#[test]
fn a_shell_inside_is_a_shell() {
    let host = Host::new();
    let terminal = Terminal::new();
    let marker = marker();
    let shell = host
        .tool(["shell"])
        .env("SHELL", "/bin/sh")
        .env("PS1", "inside> ")
        .start_on(&terminal);
    terminal.shows("inside> ");
    terminal.types("cat ~/.ssh/id_rsa; echo $((40 + 2)) > made\n");
    terminal.shows_times("inside> ", 2);
    assert_eq!(host.read("made"), "42\n");
    assert!(
        !terminal.screen().contains("SECRET"),
        "{}",
        terminal.screen()
    );
    // The job control of a shell works inside, too.
    terminal.types(&host.expand(&format!("@payload wait {marker}\n")));
    terminal.shows("\nready");
    terminal.types("\x1a");
    terminal.shows_times("inside> ", 3);
    terminal.types("fg\n");
    // The shell says so before it is so.
    until("the job has the terminal again", || {
        has_the_terminal(&terminal, &marker)
    });
    terminal.types("\x03");
    terminal.shows_times("inside> ", 4);
    terminal.types("exit\n");
    shell.wait();
    assert_eq!(marked(&marker), []);
}

/// A shell with job control on a terminal, and a sandbox as its job.
#[test]
fn a_job_is_stopped_continued_and_ended() {
    let host = Host::new();
    let terminal = Terminal::new();
    let marker = marker();
    let shell = host
        .bare(["sh", "-i"])
        .env("PS1", "prompt> ")
        .start_on(&terminal);
    terminal.shows("prompt> ");
    let words: Vec<String> = host
        .sandbox(["@payload", "wait", &marker])
        .words()
        .iter()
        .map(|word| word.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(words[0], binary().to_str().unwrap());
    terminal.types(&format!("{}\n", words.join(" ")));
    terminal.shows("\nready");
    let all_are = |letters: &str| {
        let pids = marked(&marker);
        !pids.is_empty()
            && pids
                .iter()
                .all(|pid| State::of(*pid).is_some_and(|state| letters.contains(state.letter)))
    };
    until("the job runs", || all_are("SR"));

    terminal.types("\x1a");
    until("the job stops", || all_are("T"));
    terminal.shows_times("prompt> ", 2);

    // Several times, and the key at once: the stop must win over what is still to be done about going on.
    let last = 10;
    for prompt in 3..=last {
        terminal.types("fg\n");
        until("the job goes on", || all_are("SR"));
        terminal.types("\x1a");
        until("the job stops again", || all_are("T"));
        terminal.shows_times("prompt> ", prompt);
    }

    terminal.types("bg\n");
    until("the job goes on in the background", || all_are("SR"));
    terminal.shows_times("prompt> ", last + 1);

    terminal.types("fg\n");
    until("the job has the terminal", || {
        has_the_terminal(&terminal, &marker)
    });
    terminal.types("\x03");
    terminal.shows_times("prompt> ", last + 2);
    terminal.types("echo code $?\n");
    terminal.shows("code 130");
    assert_eq!(marked(&marker), []);
    terminal.types("exit 0\n");
    shell.wait();
}

#[test]
fn the_terminals_settings_are_as_they_were() {
    let host = Host::new();
    let terminal = Terminal::new();
    let settings = || format!("{:?}", tcgetattr(terminal.slave()).unwrap());
    let before = settings();
    host.sandbox(["true"]).start_on(&terminal).wait().succeeds();
    assert_eq!(settings(), before);
}

#[test]
fn an_interactive_shell_ends_with_its_own_code() {
    let host = Host::new();
    // Not with dash: at its end it wants to give the terminal back to a process group that has no number inside, and says
    // so by its exit code. `SECURITY.md` lists it among the limits.
    if !needs("bash", tool("bash").is_some()) {
        return;
    }
    for confined in [false, true] {
        let terminal = Terminal::new();
        let command = ["bash", "--norc", "-i"];
        let run = if confined {
            host.sandbox(command)
        } else {
            host.bare(command)
        };
        let running = run.env("PS1", "prompt> ").start_on(&terminal);
        terminal.shows("prompt> ");
        terminal.types("exit 7\n");
        let code = running.wait().code();
        assert_eq!(code, Some(7), "confined: {confined}\n{}", terminal.screen());
    }
}
