//! What is denied is told, with its rule and with what would allow it: `--events`, and a few lines at the end. Invariant 32: neither is
//! forged, flooded, or written where the command could not write.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod told;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use sandbox_testing::{Answer, Calls, Host, Moments, Run, Server};
use serde_json::Value;
use told::{EVENTS, events_of, is_denial, told};

/// What was written of denials; it is taken away.
fn events(host: &Host) -> Vec<Value> {
    events_of(host, is_denial)
}

const HERE: &str = "-100";
const CREATE: &str = "0x41";
const CREATE_NEW: &str = "0xc1";
const WRITE: &str = "1";
const MODE: &str = "0x1b6";

/// The options that an event's remedy is.
fn options(event: &Value) -> Option<Vec<String>> {
    let lines: toml::Table = toml::from_str(event["remedy"].as_str()?).unwrap();
    let option = |(path, access): (String, toml::Value)| {
        assert_eq!(access.as_str(), Some("write"));
        ["--write".to_owned(), path]
    };
    Some(lines.into_iter().flat_map(option).collect())
}

fn host() -> Host {
    Host::new()
        .file("file", "")
        .file(".idea/there", "")
        .file(".npmrc", "")
        .file("sub/.git/HEAD", "")
        .file("@outside/there", "")
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_denial_is_an_event_whose_remedy_allows_it() {
    for (call, operation, path, rule, reason, remedy) in [
        // By name, where nothing is there.
        (
            Calls::new().call(libc::SYS_openat, [HERE, "s:.envrc", CREATE, MODE]),
            "create",
            "@ws/.envrc",
            ".envrc",
            "direnv runs it on entering the directory",
            ".envrc",
        ),
        (
            Calls::new().call(libc::SYS_mkdirat, [HERE, "s:.vscode", "0x1ff"]),
            "create",
            "@ws/.vscode",
            ".vscode",
            "tasks, launch configurations and settings that name programs",
            ".vscode",
        ),
        (
            Calls::new().call(libc::SYS_mknodat, [HERE, "s:sub/.bashrc", "0x1180", "0"]),
            "create",
            "@ws/sub/.bashrc",
            ".bashrc",
            "read by every interactive bash",
            "sub/.bashrc",
        ),
        (
            Calls::new().call(libc::SYS_symlinkat, ["s:x", HERE, "s:.profile"]),
            "create",
            "@ws/.profile",
            ".profile",
            "read by login shells",
            ".profile",
        ),
        (
            Calls::new().call(libc::SYS_mkdirat, [HERE, "s:sub/.git/commondir", "0x1ff"]),
            "create",
            "@ws/sub/.git/commondir",
            ".git/commondir",
            "where git reads config and hooks from instead",
            "sub/.git/commondir",
        ),
        (
            Calls::new().call(libc::SYS_linkat, [HERE, "s:file", HERE, "s:.zshrc", "0"]),
            "link",
            "@ws/.zshrc",
            ".zshrc",
            "read by every interactive zsh",
            ".zshrc",
        ),
        (
            Calls::new().call(libc::SYS_renameat2, [HERE, "s:file", HERE, "s:.exrc", "0"]),
            "rename",
            "@ws/.exrc",
            ".exrc",
            "vim reads it in the current directory where exrc is set",
            ".exrc",
        ),
        // A link says where the directory is instead.
        (
            Calls::new().call(libc::SYS_symlinkat, ["s:sub", HERE, "s:.git"]),
            "create",
            "@ws/.git",
            ".git/hooks",
            "git runs them",
            ".git",
        ),
        // Where a mount holds what is there.
        (
            Calls::new().call(libc::SYS_openat, [HERE, "s:.npmrc", WRITE]),
            "write",
            "@ws/.npmrc",
            ".npmrc",
            "script-shell, node-options, registries",
            ".npmrc",
        ),
        (
            Calls::new().call(libc::SYS_truncate, ["s:.idea/there", "0"]),
            "write",
            "@ws/.idea/there",
            ".idea",
            "run configurations, file watchers",
            ".idea/there",
        ),
        (
            Calls::new().call(libc::SYS_openat, [HERE, "s:.idea/new", CREATE, MODE]),
            "create",
            "@ws/.idea/new",
            ".idea",
            "run configurations, file watchers",
            ".idea",
        ),
        (
            Calls::new().call(libc::SYS_renameat2, [HERE, "s:file", HERE, "s:.npmrc", "0"]),
            "rename",
            "@ws/.npmrc",
            ".npmrc",
            "script-shell, node-options, registries",
            ".npmrc",
        ),
    ] {
        let host = host();
        let run = |options: &[String]| {
            let run = host.sandbox(call.clone());
            run.options(["--events", EVENTS]).options(options).output()
        };
        let outcome = run(&[]);
        let answers = Answer::all(&outcome.text());
        assert!(matches!(answers[..], [Answer::Failed(_)]), "{path}");
        let events = events(&host);
        let [event] = &events[..] else {
            panic!("{path}: {events:?}")
        };
        assert_eq!(event["operation"], operation, "{event}");
        assert_eq!(event["path"], host.expand(path), "{event}");
        assert_eq!(event["count"], 1, "{event}");
        assert_eq!(event["program"], host.expand("@payload"), "{event}");
        assert!(event["pid"].as_u64().is_some_and(|pid| pid > 1), "{event}");
        assert_eq!(event["rule"]["pattern"], rule, "{event}");
        assert_eq!(event["rule"]["reason"], reason, "{event}");
        assert_eq!(event["rule"]["source"]["kind"], "protected-paths");
        let line = format!("\"{}\" = \"write\"", host.path(remedy).display());
        assert_eq!(event["remedy"], line, "{event}");
        let shown = path.trim_start_matches("@ws/");
        assert_eq!(
            told(&outcome),
            [format!(
                "sandbox: denied {operation} {shown} (protected: {reason}); `--write {remedy}` allows it"
            )]
        );
        // The control: applied, it is all that there was to allow.
        let outcome = run(&options(event).unwrap());
        let answers = Answer::all(&outcome.text());
        assert!(
            matches!(answers[..], [Answer::Returned(_)]),
            "{event} {}",
            outcome.show()
        );
        let denied = |line: &String| line.starts_with("sandbox: denied");
        assert_eq!(told(&outcome).into_iter().find(denied), None);
        assert_eq!(self::events(&host), [Value::Null; 0]);
    }
}

#[test]
fn an_event_has_the_line_of_its_rule() {
    let host = host().file("key.pem", "");
    let policy = host
        .policy("[files]\n\"/\" = \"read\"\n\"@ws\" = \"write\"\n\"@ws/**/*.pem\" = \"read\"\n");
    let policy = policy.to_str().unwrap().to_owned();
    let run = |path: &str, more: &[String]| {
        let path = format!("s:{}", host.expand(path));
        let calls = Calls::new().call(libc::SYS_openat, [HERE, &path, CREATE, MODE]);
        let run = host.sandbox(calls).options(["--policy", &policy]);
        run.options(["--events", EVENTS]).options(more).output()
    };
    for (path, pattern, line, remedy) in [
        ("sub/new.pem", "@ws/**/*.pem", 4, "@ws/sub/new.pem"),
        ("key.pem", "@ws/**/*.pem", 4, "@ws/key.pem"),
        ("@outside/there", "/", 2, "@outside/there"),
        ("@outside/new", "/", 2, "@outside"),
    ] {
        let outcome = run(path, &[]);
        let events = events(&host);
        let [event] = &events[..] else {
            panic!("{path}: {events:?}")
        };
        assert_eq!(event["rule"]["pattern"], host.expand(pattern));
        let source = &event["rule"]["source"];
        assert_eq!(
            (&source["kind"], &source["line"]),
            (&"file".into(), &line.into())
        );
        assert_eq!(source["file"], policy);
        let by = format!("(`{}` = read, {policy}:{line})", host.expand(pattern));
        assert!(outcome.errors().contains(&by), "{}", outcome.errors());
        let expected = format!("\"{}\" = \"write\"", host.expand(remedy));
        assert_eq!(event["remedy"], expected);
        run(path, &options(event).unwrap()).stdout_contains("ok ");
        fs::remove_file(host.path(EVENTS)).unwrap();
    }
}

/// A program asks for what it does without, or for what nobody could do here.
#[test]
fn what_would_have_failed_without_rules_is_no_event() {
    let host = host()
        .file("mine", "")
        .mode("mine", 0o444)
        .file("@outside/mine", "")
        .mode("@outside/mine", 0o444)
        .dir("@outside/closed")
        .mode("@outside/closed", 0o555);
    let outside = |name: &str| format!("s:{}", host.expand(&format!("@outside/{name}")));
    let calls = Calls::new()
        .call(libc::SYS_mkdirat, [HERE, "s:.idea", "0x1ff"])
        .call(libc::SYS_openat, [HERE, "s:.npmrc", CREATE_NEW, MODE])
        .call(libc::SYS_linkat, [HERE, "s:file", HERE, "s:.npmrc", "0"])
        .call(libc::SYS_mkdirat, [HERE, &outside("there"), "0x1ff"])
        .call(libc::SYS_openat, [HERE, "s:.vscode/x", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, "s:.envrc", WRITE])
        .call(libc::SYS_openat, [HERE, "s:mine", WRITE])
        .call(libc::SYS_openat, [HERE, &outside("mine"), WRITE])
        .call(
            libc::SYS_openat,
            [HERE, &outside("closed/new"), CREATE, MODE],
        )
        .call(libc::SYS_openat, [HERE, "s:.npmrc", "0"])
        .call(libc::SYS_openat, [HERE, "s:/tmp/.envrc", CREATE, MODE]);
    let outcome = host.sandbox(calls).options(["--events", EVENTS]).output();
    let answers = Answer::all(&outcome.text());
    let failed = Answer::Failed;
    assert_eq!(
        answers[..7],
        [
            failed(Errno::EEXIST),
            failed(Errno::EEXIST),
            failed(Errno::EEXIST),
            failed(Errno::EEXIST),
            failed(Errno::ENOENT),
            failed(Errno::ENOENT),
            failed(Errno::EACCES),
        ]
    );
    assert!(matches!(answers[7], Answer::Failed(Errno::EACCES)));
    assert!(matches!(answers[8], Answer::Failed(_)));
    assert!(matches!(
        answers[9..],
        [Answer::Returned(_), Answer::Returned(_)]
    ));
    assert_eq!(told(&outcome), [""; 0]);
    assert_eq!(events(&host), [Value::Null; 0]);
}

/// Programs that may not move a directory copy it; others have to be told why they fail.
#[test]
fn a_move_that_changes_the_rules_below_says_so() {
    let host = host().dir("g");
    let calls = Calls::new().call(libc::SYS_renameat2, [HERE, "s:g", HERE, "s:.git", "0"]);
    let outcome = host.sandbox(calls).options(["--events", EVENTS]).output();
    let answers = Answer::all(&outcome.text());
    assert_eq!(answers, [Answer::Failed(Errno::EXDEV)]);
    let events = events(&host);
    assert_eq!(events[0]["operation"], "rename");
    assert_eq!(events[0]["path"], host.expand("@ws/.git"));
    assert_eq!(events[0]["remedy"], Value::Null);
    assert!(
        told(&outcome)[0].starts_with("sandbox: denied rename .git (the names below it would be"),
        "{}",
        outcome.errors()
    );
}

/// What git may not write is told with the setting.
#[test]
fn settings_that_are_denied_are_named() {
    let host = host().file("sub/.git/config.lock", "[core]\n\tfsmonitor = ./x\n");
    let names = ["s:sub/.git/config.lock", "s:sub/.git/config"];
    let run = |options: &[String]| {
        let calls = Calls::new().call(libc::SYS_renameat2, [HERE, names[0], HERE, names[1], "0"]);
        let run = host.sandbox(calls).options(["--events", EVENTS]);
        run.options(options).output()
    };
    let outcome = run(&[]);
    let events = events(&host);
    assert_eq!(events[0]["operation"], "rename");
    assert_eq!(events[0]["detail"], "`core.fsmonitor` would change");
    assert_eq!(events[0]["rule"]["pattern"], ".git/config");
    assert_eq!(
        told(&outcome),
        [
            "sandbox: denied rename sub/.git/config (`core.fsmonitor` would change); `--write sub/.git/config` allows it"
        ]
    );
    let outcome = run(&options(&events[0]).unwrap());
    assert_eq!(Answer::all(&outcome.text()), [Answer::Returned(0)]);
}

#[test]
fn connections_are_events_as_well() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    let run = host.sandbox([
        "sh",
        "-c",
        "@payload tcp 198.41.0.4:443 198.41.0.4:443; getent hosts evil.example",
    ]);
    let run = run.options(["--allow", &server.address, "--events", EVENTS]);
    run.output();
    let events = events(&host);
    let connections = events.iter().filter(|it| it["operation"] == "connect");
    let connections: Vec<_> = connections.collect();
    assert_eq!(connections.len(), 2, "{events:?}");
    assert_eq!(connections[0]["destination"], "198.41.0.4");
    assert_eq!(connections[0]["port"], 443);
    assert_eq!(connections[0]["remedy"], "\"198.41.0.4:443\" = \"allow\"");
    // Once more at the end, with how often.
    assert_eq!(
        (&connections[0]["count"], &connections[1]["count"]),
        (&1.into(), &2.into())
    );
    let names: Vec<_> = events
        .iter()
        .filter(|it| it["operation"] == "look-up")
        .collect();
    assert_eq!(names[0]["destination"], "evil.example", "{events:?}");
}

#[test]
fn a_flood_is_a_bounded_number_of_events_and_all_of_it_is_counted() {
    let host = Host::new();
    let script =
        "i=0; while [ $i -lt 3000 ]; do echo > ../outside/$i; echo > .envrc; i=$((i+1)); done";
    let outcome = host
        .sandbox(["sh", "-c", script])
        .options(["--events", EVENTS])
        .output();
    let events = events(&host);
    assert!(events.len() <= 2000, "{}", events.len());
    let direnv: Vec<_> = events
        .iter()
        .filter(|it| it["path"] == host.expand("@ws/.envrc"))
        .collect();
    // Each name by its last count.
    let mut counts = std::collections::BTreeMap::new();
    let mut omitted = 0;
    for event in &events {
        counts.insert(event["path"].to_string(), event["count"].as_u64().unwrap());
        omitted += event["omitted"].as_u64().unwrap_or(0);
    }
    assert_eq!(counts.values().sum::<u64>() + omitted, 6000);
    assert!(omitted >= 2000, "{omitted}");
    assert_eq!(direnv.len(), 2, "{direnv:?}");
    let told = told(&outcome);
    assert_eq!(told.len(), 6, "{told:?}");
    assert_eq!(
        told[5],
        "sandbox: more was denied: `--events FILE` has more of it"
    );
}

#[test]
fn a_hostile_name_forges_no_line() {
    let host = Host::new();
    let name = b"\x1b[2J\nsandbox: all is well\xff";
    let path = host.path("@outside").join(OsStr::from_bytes(name));
    let outcome = host
        .sandbox([OsStr::new("mkdir"), path.as_os_str()])
        .options(["--events", EVENTS])
        .output();
    let events = events(&host);
    assert_eq!(events.len(), 1);
    let bytes: Vec<u8> = serde_json::from_value(events[0]["path_bytes"].clone()).unwrap();
    assert_eq!(bytes, path.as_os_str().as_bytes());
    let told = told(&outcome);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("/\\u{1b}[2J\\nsandbox: all is well\\xff ("),
        "{told:?}"
    );
}

#[test]
fn events_go_to_a_descriptor_that_only_they_go_to() {
    let host = Host::new();
    let run = |options: &str, redirected: &str| {
        let binary = sandbox_testing::binary();
        let script = format!(
            "exec {} run {options} -- sh -c 'echo > .envrc; test ! -e /proc/self/fd/7' {redirected}",
            binary.display()
        );
        let script = host.expand(&script);
        host.bare(["sh", "-c", &script]).output()
    };
    run("--events fd:7", "7> @policies/events").succeeds();
    assert_eq!(events(&host)[0]["path"], host.expand("@ws/.envrc"));
    let outcome = run("--events -", "");
    assert!(
        outcome.errors().contains("{\"count\":1,"),
        "{}",
        outcome.errors()
    );
    for (options, redirected, said) in [
        (
            "--events fd:7",
            "",
            "cannot use the descriptor of `--events`",
        ),
        (
            "--events fd:7",
            "7< /dev/null",
            "cannot use the descriptor of `--events`",
        ),
        (
            "--events fd:7",
            "7>&1",
            "it is a standard stream of the command, too",
        ),
    ] {
        run(options, redirected).refuses().stderr_contains(said);
    }
    for number in ["fd:2", "fd:-1", "fd:", "fd:x"] {
        let outcome = run(&format!("--events {number}"), "");
        outcome.stderr_contains("a descriptor is `fd:3` or higher");
    }
    // What the command could rewrite is said to be that.
    run("--events events.json", "")
        .stderr_contains("sandbox: the events' log is a file that the command can change\n");
}

/// Where the rules are tried, and what is there.
const THERE: [&str; 8] = [
    "dir",
    "dir/.vscode",
    ".idea",
    ".git/hooks",
    "@outside/dir",
    "@outside/dir/.git",
    "later",
    "node_modules/x",
];
const FILES: [&str; 5] = [
    "dir/file",
    ".idea/file",
    ".npmrc",
    "@outside/dir/file",
    ".git/hooks/old",
];
const PLACES: [&str; 22] = [
    "dir",
    "dir/new",
    "dir/file",
    "dir/.vscode",
    "dir/.vscode/new",
    ".idea",
    ".idea/file",
    ".idea/new",
    ".vscode",
    ".git",
    ".git/hooks/new",
    ".git/hooks/old",
    ".npmrc",
    ".env",
    "dir/.env",
    "later/.env",
    "node_modules/x/.npmrc",
    ".config",
    "@outside/dir",
    "@outside/dir/new",
    "@outside/dir/file",
    "@outside/dir/.git/hooks",
];

fn attempt(number: u64, path: &Path) -> Calls {
    let path = format!("s:{}", path.display());
    let calls = Calls::new();
    match number {
        0 => calls.call(libc::SYS_openat, [HERE, &path, CREATE, MODE]),
        1 => calls.call(libc::SYS_openat, [HERE, &path, WRITE]),
        2 => calls.call(libc::SYS_mkdirat, [HERE, &path, "0x1ff"]),
        3 => calls.call(libc::SYS_symlinkat, ["s:x", HERE, &path]),
        4 => calls.call(libc::SYS_linkat, [HERE, "s:spare", HERE, &path, "0"]),
        _ => calls.call(libc::SYS_renameat2, [HERE, "s:spare", HERE, &path, "0"]),
    }
}

/// What a remedy names, and what it does not: random rules and attempts. Applied, it allows the attempt; another one that was
/// denied stays denied.
#[test]
fn a_remedy_applied_allows_exactly_its_attempt() {
    let mut applied = 0;
    for seed in 0..24 {
        let mut chance = Moments::seeded(seed, std::time::Duration::ZERO);
        let host = Host::new().file("spare", "");
        let host = THERE.iter().fold(host, Host::dir);
        let host = FILES.iter().fold(host, |host, file| host.file(file, ""));
        let mut policy = "[files]\n\"/\" = \"read\"\n\"@ws\" = \"write\"\n".to_owned();
        if chance.below(2) == 0 {
            policy += "\"@ws/**/.env\" = \"read\"\n";
        }
        let place = chance.choose(&PLACES);
        if chance.below(2) == 0 {
            let within = if place.starts_with('@') { "" } else { "@ws/" };
            policy = format!("{policy}\"{within}{place}\" = \"read\"\n");
        }
        let policy = host.policy(&policy);
        let run = |calls: &Calls, more: &[String]| -> (Answer, Vec<Value>) {
            let run: Run<'_> = host.sandbox(calls.clone());
            let run = run.options([OsStr::new("--policy"), policy.as_os_str()]);
            let outcome = run.options(["--events", EVENTS]).options(more).output();
            let answers = Answer::all(&outcome.text());
            assert_eq!(answers.len(), 1, "{seed}: {more:?} {}", outcome.show());
            (answers[0], events(&host))
        };
        let mut any = || {
            let path = host.path(chance.choose(&PLACES));
            (attempt(chance.below(6), &path), path)
        };
        let ((first, path), (other, elsewhere)) = (any(), any());
        let ((answer, denied), (_, others)) = (run(&first, &[]), run(&other, &[]));
        let [event] = &denied[..] else { continue };
        assert!(matches!(answer, Answer::Failed(_)), "{seed}: {event}");
        let Some(options) = options(event) else {
            assert_eq!(answer, Answer::Failed(Errno::EXDEV), "{seed}: {event}");
            continue;
        };
        let named: Vec<PathBuf> = options.iter().skip(1).step_by(2).map(Into::into).collect();
        let is_elsewhere = named.iter().all(|named| !elsewhere.starts_with(named));
        if is_elsewhere && others.len() == 1 {
            let (answer, denied) = run(&other, &options);
            assert!(
                matches!(answer, Answer::Failed(_)),
                "{seed}: {event} {others:?}"
            );
            assert_eq!(denied.len(), 1, "{seed}: {event} {others:?}");
        }
        let (answer, denied) = run(&first, &options);
        // Between two mounts nothing is moved or linked: that is no denial.
        let is_passed = matches!(answer, Answer::Returned(_) | Answer::Failed(Errno::EXDEV));
        assert!(
            is_passed && denied.is_empty(),
            "{seed}: {path:?} {event} {answer}"
        );
        applied += 1;
    }
    assert!(applied >= 5, "{applied}");
}
