//! What is told of the network: `--log-network`, and at the end what was denied. Invariant 32: neither is forged, and no file is
//! written that the command could not write.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use sandbox_testing::{Host, Server, needs, tool};
use serde_json::Value;

/// Of the network, and nobody dials it: no rule names it.
const ELSEWHERE: &str = "198.41.0.4:443";

fn lines(text: &str) -> Vec<Value> {
    let line = |line| serde_json::from_str(line).unwrap();
    text.lines().map(line).collect()
}

fn fields<'a>(event: &'a Value, names: &[&str]) -> Vec<&'a str> {
    let field = |name: &&str| event[*name].as_str().unwrap_or_default();
    names.iter().map(field).collect()
}

#[test]
fn what_was_denied_is_told_once_with_the_option_that_allows_it() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    let twice = format!("@payload tcp {ELSEWHERE} {ELSEWHERE} 10.0.0.1:80; exit 7");
    let run = |script: &str, options: &[&str]| {
        let script = host.expand(script);
        let run = host.sandbox(["sh", "-c", &script]);
        let run = run.options(["--allow", &server.address]);
        run.options(options).output()
    };
    let outcome = run(&twice, &[]);
    outcome.exits(7);
    let errors = outcome.errors();
    let told: Vec<_> = errors.lines().collect();
    assert_eq!(told.len(), 2, "{errors}");
    assert_eq!(
        told[0],
        "sandbox: denied 198.41.0.4:443; `--allow 198.41.0.4:443` allows it"
    );
    assert!(
        told[1].starts_with("sandbox: denied 10.0.0.1:80 (")
            && told[1].ends_with("); `--allow 10.0.0.1:80` allows it"),
        "{errors}"
    );
    // The reason of whoever wrote the rule, and what it says of names that were only asked for.
    let policy = host.policy("extends = [\"agent\"]\n[network.rules]\n\"127.0.0.1:1\" = \"allow\"\n\"198.41.0.0/16\" = { access = \"deny\", reason = \"use the mirror\" }\n");
    let script = format!("getent hosts evil.example; @payload tcp {ELSEWHERE}");
    let script = host.expand(&script);
    let outcome = host.sandbox(["sh", "-c", &script]);
    let outcome = outcome
        .options(["--policy", policy.to_str().unwrap()])
        .output();
    outcome
        .stderr_contains("sandbox: denied evil.example; `--allow evil.example` allows it\n")
        .stderr_contains("sandbox: denied 198.41.0.4:443 (use the mirror); `--allow");
    // The control: what is allowed, and what the command does alone, is not worth a word.
    let allowed = run(&format!("@payload tcp {}", server.address), &[]);
    allowed.stdout("heard the host");
    assert_eq!(allowed.errors(), "");
    assert_eq!(run("exit 3", &[]).exits(3).errors(), "");
}

#[test]
fn more_than_can_be_read_is_not_told() {
    let host = Host::new();
    // A name that is denied does not exist, which is told at once.
    let names = (1..=30).map(|number| format!("n{number}.example"));
    let words = ["getent".to_owned(), "hosts".to_owned()].into_iter();
    let outcome = host.sandbox(words.chain(names));
    let outcome = outcome.options(["--allow", "127.0.0.1:1"]).output();
    let errors = outcome.errors();
    assert_eq!(errors.lines().count(), 21, "{errors}");
    assert_eq!(
        errors.lines().last(),
        Some("sandbox: more was denied: `--events FILE` has more of it")
    );
}

#[test]
fn each_event_is_a_line_of_the_log() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    let run = |log: &str| {
        let run = host.sandbox(["@payload", "tcp", &server.address, ELSEWHERE]);
        let run = run.options(["--allow", &server.address, "--log-network", log]);
        run.output()
    };
    let names = ["verdict", "destination", "door", "end"];
    let expected = [
        ["allow", "127.0.0.1", "capture", "closed"],
        ["deny", "198.41.0.4", "capture", "denied"],
    ];
    let check = |events: &[Value]| {
        let told: Vec<_> = events.iter().map(|event| fields(event, &names)).collect();
        // The first one ends when both sides are done with it.
        for expected in expected {
            assert!(told.contains(&expected.to_vec()), "{events:?}");
        }
        assert_eq!(events.len(), 2, "{events:?}");
        let allowed = events.iter().find(|event| event["verdict"] == "allow");
        assert_eq!(allowed.unwrap()["received"], "the host".len());
    };
    let log = host.expand("@outside/network.log");
    let outcome = run(&log);
    assert!(
        !outcome.errors().contains("can change"),
        "{}",
        outcome.errors()
    );
    check(&lines(&host.read("@outside/network.log")));
    let metadata = fs::metadata(&log).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    // A second run adds to it.
    run(&log);
    assert_eq!(lines(&host.read("@outside/network.log")).len(), 4);

    let outcome = run("-");
    let errors = outcome.errors();
    let events: Vec<_> = errors
        .lines()
        .filter(|line| line.starts_with('{'))
        .collect();
    check(&lines(&events.join("\n")));
    // What the command could rewrite is said to be that.
    run("network.log")
        .stderr_contains("sandbox: the network's log is a file that the command can change\n");
    check(&lines(&host.read("network.log")));
    // The host's `/tmp` is not the command's.
    let temporary = tempfile::tempdir_in("/tmp").unwrap();
    let log = temporary.path().join("network.log");
    run(log.to_str().unwrap()).never_says("a file that the command can change");
    check(&lines(&std::fs::read_to_string(&log).unwrap()));
}

#[test]
fn a_log_is_written_through_no_name_that_a_command_has_made() {
    let host = Host::new()
        .file("@outside/file", "mine\n")
        .symlink("link", "../outside/file")
        .symlink("dangling", "../outside/made")
        .symlink("directory", "../outside")
        .file("plain", "mine\n");
    fs::hard_link(host.path("plain"), host.path("twin")).unwrap();
    nix::unistd::mkfifo(&host.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let run = |log: &str| {
        let run = host.sandbox(["@payload", "tcp", ELSEWHERE]);
        run.options(["--allow", "127.0.0.1:1", "--log-network", log])
            .output()
    };
    for (log, said) in [
        ("link", "`link` is a symbolic link"),
        ("dangling", "`dangling` is a symbolic link"),
        ("directory/file", "`directory/file` is a symbolic link"),
        ("directory/made", "`directory/made` is a symbolic link"),
        ("plain", "`plain` is no file to keep a log in"),
        ("twin", "`twin` is no file to keep a log in"),
        ("fifo", "cannot write `fifo`"),
        (".", "cannot write `.`"),
        ("none/log", "cannot write `none/log`"),
    ] {
        run(log).refuses().stderr_contains(said);
    }
    assert_eq!(host.read("@outside/file"), "mine\n");
    assert_eq!(host.read("plain"), "mine\n");
    assert!(!host.has("@outside/made"));
    // The control.
    run("log").stdout_contains("failed");
    assert_eq!(lines(&host.read("log")).len(), 1);
}

#[test]
fn the_hosts_own_addresses_are_closed_whatever_they_are() {
    let host = Host::new();
    if !needs(
        "ip and unshare",
        tool("ip").is_some() && tool("unshare").is_some(),
    ) {
        return;
    }
    let connect = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(|word| host.expand(word)).collect();
        words.join(" ")
    };
    let binary = sandbox_testing::binary();
    let binary = binary.to_str().unwrap();
    let tcp = connect(&[
        binary,
        "run",
        "--network",
        "allow",
        "--",
        "@payload",
        "tcp",
        ELSEWHERE,
    ]);
    let explain = connect(&[
        binary,
        "explain",
        "--network",
        "allow",
        "--connect",
        ELSEWHERE,
    ]);
    let address = "ip address add 198.41.0.4/32 dev lo && ip link set lo up";
    let script = format!("{address} && {tcp} && {explain}");
    let outcome = host.bare(["unshare", "-rn", "sh", "-c", &script]).output();
    let closed = "denied 198.41.0.4:443 (an address of this machine)";
    outcome
        .stdout_contains("failed")
        .stdout_contains("deny  connect 198.41.0.4:443")
        .stderr_contains(closed);
    // The control: where it is nobody's, it would be dialled.
    host.tool(["explain", "--network", "allow", "--connect", ELSEWHERE])
        .output()
        .stdout_contains("allow connect 198.41.0.4:443");
}
