//! `--ask`: destinations that no rule names are put to the person at the terminal.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::termios::tcgetattr;
use sandbox_testing::{Host, Run, Terminal, marked, marker, needs, tool, until};

/// Of the network. What is allowed goes to the proxy of the test, and not there.
const ELSEWHERE: &str = "198.41.0.4:443";

/// A proxy that connects everybody to a server that says `the host`, whatever they ask for.
struct Proxy {
    url: String,
    visitors: Arc<AtomicUsize>,
}

impl Proxy {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let visitors = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&visitors);
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                count.fetch_add(1, Ordering::SeqCst);
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if !matches!(stream.read(&mut byte), Ok(1)) {
                        break;
                    }
                    head.extend(byte);
                }
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nthe host"));
            }
        });
        Self { url, visitors }
    }

    fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }
}

/// A run whose allowed connections end at the proxy.
fn run<'a>(host: &'a Host, proxy: &Proxy, script: &str) -> Run<'a> {
    let script = host.expand(&script.replace("CONNECT", &format!("@payload tcp {ELSEWHERE}")));
    host.sandbox(["sh", "-c", &script])
        .env("HTTPS_PROXY", &proxy.url)
        .options(["--ask"])
}

const QUESTION: &str = "sandbox: the command wants to connect to 198.41.0.4:443";

#[test]
fn an_answer_holds_once_or_in_this_run_or_always() {
    let host = Host::new();
    for (answers, heard, visitors) in [
        // Of every two connections; the second is asked about again after `once` alone.
        (&["o", "once"][..], "heard the host\r\nsandbox", 2),
        (&["o", "n"], "failed", 1),
        (&["r"], "heard the host\r\nheard the host", 2),
        (&["n"], "failed", 0),
        (&[""], "failed", 0),
        (&["yes"], "failed", 0),
        (&["\x04"], "failed", 0),
    ] {
        let proxy = Proxy::new();
        let terminal = Terminal::new();
        let before = format!("{:?}", tcgetattr(terminal.slave()).unwrap());
        let running = run(&host, &proxy, "CONNECT; CONNECT; echo over").start_on(&terminal);
        for (at, answer) in answers.iter().enumerate() {
            terminal.shows_times("[N]ot? ", at + 1);
            let end = if *answer == "\x04" { "" } else { "\n" };
            terminal.types(&format!("{answer}{end}"));
        }
        terminal.shows("over");
        running.wait().succeeds();
        let screen = terminal.screen();
        assert_eq!(screen.matches(QUESTION).count(), answers.len(), "{screen}");
        assert_eq!(proxy.visitors(), visitors, "{answers:?}: {screen}");
        assert!(
            screen.replace("\r\n\r\n", "\r\n").contains(heard),
            "{answers:?}: {screen}"
        );
        let after = format!("{:?}", tcgetattr(terminal.slave()).unwrap());
        assert_eq!(before, after);
        assert!(!host.has("~/.config/sandbox/policy.toml"));
    }
}

#[test]
fn always_is_written_into_the_persons_own_policy() {
    let host = Host::new();
    let proxy = Proxy::new();
    let terminal = Terminal::new();
    let running = run(&host, &proxy, "CONNECT; echo over").start_on(&terminal);
    terminal.shows("[a]lways, or [N]ot? ");
    terminal.types("a\n");
    terminal.shows("heard the host");
    running.wait().succeeds();
    let screen = terminal.screen();
    assert!(
        screen.contains("+ \"198.41.0.4:443\" = \"allow\""),
        "{screen}"
    );
    let policy = host.read("~/.config/sandbox/policy.toml");
    assert_eq!(policy, "[network.rules]\n\"198.41.0.4:443\" = \"allow\"\n");
    // It holds from now on, and nobody is asked.
    let outcome = run(&host, &proxy, "CONNECT").output();
    outcome.stdout("heard the host");
    // Under a policy in whose place the person's does not stand there is no such answer.
    let policy = host.policy("extends = [\"agent\"]\n");
    let terminal = Terminal::new();
    let running = run(&host, &proxy, "CONNECT; echo over")
        .options(["--policy", policy.to_str().unwrap()])
        .start_on(&terminal);
    terminal.shows("in this [r]un or [N]ot? ");
    terminal.types("a\n");
    terminal.shows("over");
    running.wait().succeeds();
    assert!(
        terminal.screen().contains("failed"),
        "{}",
        terminal.screen()
    );
}

#[test]
fn an_answer_is_neither_taken_from_the_command_nor_given_to_it() {
    let host = Host::new();
    let proxy = Proxy::new();
    let terminal = Terminal::new();
    let script = "echo ready; while ! test -e go; do sleep 0.01; done; CONNECT & while read -r line; do echo \"told $line\"; test \"$line\" = end && break; done; wait; echo over";
    let running = run(&host, &proxy, script).start_on(&terminal);
    terminal.shows("ready");
    // Nobody had asked.
    terminal.types("r\n");
    terminal.shows("r\r\n");
    host.write("go", "");
    // Had the command read it, it would have said so before it stopped, or will when it goes on: whatever it does with it, it is no answer.
    terminal.shows("[N]ot? ");
    terminal.types("n\n");
    terminal.shows("failed");
    terminal.types("end\n");
    terminal.shows("told end");
    terminal.shows("over");
    running.wait().succeeds();
    let screen = terminal.screen();
    assert!(!screen.contains("told n"), "{screen}");
    assert_eq!(proxy.visitors(), 0);
}

#[test]
fn a_command_that_has_the_terminal_for_itself_has_it_again_afterwards() {
    let host = Host::new();
    let proxy = Proxy::new();
    let terminal = Terminal::new();
    let script = "stty raw -echo; CONNECT; stty -a; stty sane; echo over";
    let running = run(&host, &proxy, script).start_on(&terminal);
    terminal.shows("[N]ot? ");
    terminal.types("r\n");
    terminal.shows("over");
    running.wait().succeeds();
    let screen = terminal.screen();
    // It was shown while it was typed, and a line ended with the newline alone, as a terminal's does.
    assert!(screen.contains("[N]ot? r\r\n"), "{screen}");
    assert!(
        screen.contains("-icanon") && screen.contains("-echo "),
        "{screen}"
    );
    assert!(screen.contains("heard the host"), "{screen}");
}

#[test]
fn a_key_that_ends_the_command_is_no_answer_to_be_waited_for() {
    let host = Host::new();
    let proxy = Proxy::new();
    let terminal = Terminal::new();
    let marker = marker();
    let script = format!("CONNECT & exec @payload wait {marker}");
    let running = run(&host, &proxy, &script).start_on(&terminal);
    terminal.shows("[N]ot? ");
    terminal.types("\x03");
    assert_eq!(running.wait().shell_code(), Some(130));
    assert_eq!(marked(&marker), []);
    assert_eq!(proxy.visitors(), 0);
}

#[test]
fn after_an_interrupt_nobody_is_asked_any_more() {
    let host = Host::new();
    let proxy = Proxy::new();
    let terminal = Terminal::new();
    let script = "trap 'echo caught' INT; CONNECT; CONNECT; echo over";
    let running = run(&host, &proxy, script).start_on(&terminal);
    terminal.shows("[N]ot? ");
    terminal.types("\x03");
    terminal.shows("over");
    running.wait();
    let screen = terminal.screen();
    assert_eq!(screen.matches(QUESTION).count(), 1, "{screen}");
    assert_eq!(proxy.visitors(), 0);
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let host = Host::new();
    if !needs("setsid", tool("setsid").is_some()) {
        return;
    }
    let proxy = Proxy::new();
    let words = run(&host, &proxy, "CONNECT").words();
    let words = [vec!["setsid".into(), "-w".into()], words].concat();
    let outcome = host.bare(words).env("HTTPS_PROXY", &proxy.url).output();
    outcome
        .stdout_contains("failed")
        .stderr_contains("`--allow 198.41.0.4:443` allows it");
    assert_eq!(proxy.visitors(), 0);
}

#[test]
fn a_job_in_the_background_asks_nobody() {
    let host = Host::new();
    let proxy = Proxy::new();
    let terminal = Terminal::new();
    let shell = host
        .bare(["sh", "-i"])
        .env("PS1", "prompt> ")
        .env("HTTPS_PROXY", &proxy.url)
        .start_on(&terminal);
    terminal.shows("prompt> ");
    let script = host.expand(&format!("@payload tcp {ELSEWHERE}; touch done"));
    host.write("job", script);
    let words = host.sandbox(["sh", "job"]).options(["--ask"]).words();
    let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    terminal.types(&format!("{} &\n", words.join(" ")));
    until("it has been denied", || host.has("done"));
    terminal.shows("`--allow 198.41.0.4:443` allows it");
    terminal.types("echo still $((40 + 2))\n");
    terminal.shows("still 42");
    assert!(
        !terminal.screen().contains(QUESTION),
        "{}",
        terminal.screen()
    );
    assert_eq!(proxy.visitors(), 0);
    terminal.types("exit 0\n");
    shell.wait();
}
