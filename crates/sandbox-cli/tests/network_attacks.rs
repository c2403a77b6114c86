//! Ways around the gateway, tried by the command of a sandbox that may reach some destinations; looked at from the host.

use std::ffi::OsString;
use std::fs;

use sandbox_testing::{Host, Server, needs, needs_root, tool, until};

/// Some name, so that there is a gateway.
const SOME: [&str; 2] = ["--allow", "good.example"];

#[test]
fn no_spelling_of_an_address_leads_to_the_hosts_loopback() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    let (_, port) = server.address.rsplit_once(':').unwrap();
    let all: Vec<String> = [
        "127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        // Where the sandbox itself is, and addresses of its ranges that stand for nothing.
        "198.18.0.1",
        "198.18.0.2",
        "198.19.255.255",
        "[fd73:616e:6462:6f78::1]",
        "[fd73:616e:6462:6f78::99]",
        "10.0.0.1",
        "169.254.169.254",
        "8.8.8.8",
    ]
    .iter()
    .map(|address| format!("{address}:{port}"))
    .collect();
    let connect: Vec<&str> = ["@payload", "tcp"]
        .into_iter()
        .chain(all.iter().map(String::as_str))
        .collect();
    let outcome = host.sandbox(&connect).options(SOME).output();
    outcome.never_says("heard the host");
    assert_eq!(
        outcome.text().lines().count(),
        all.len(),
        "{}",
        outcome.show()
    );
    assert_eq!(server.visitors(), 0);
    // Controls: without the sandbox, and with the one rule that names it.
    let direct = ["@payload", "tcp", &server.address];
    host.bare(direct).output().stdout("heard the host");
    let outcome = host
        .sandbox(&connect)
        .options(["--allow", &server.address])
        .output();
    // By the unspecified address and by the mapped one as well, which the kernel takes for it.
    let heard = outcome.text().matches("heard the host").count();
    assert_eq!(heard, 3, "{}", outcome.show());
    until("it has counted", || server.visitors() == 1 + heard);
}

#[test]
fn the_gateways_ports_inside_are_nobody_elses() {
    let host = Host::new();
    let ports = ["53", "880"];
    let addresses = ports.iter().flat_map(|port| {
        let of = |address: &str| format!("{address}:{port}");
        [
            "127.0.0.1",
            "127.0.0.2",
            "0.0.0.0",
            "8.8.8.8",
            "[::1]",
            "[::]",
        ]
        .map(of)
    });
    let addresses: Vec<String> = addresses.collect();
    let words = ["@payload", "bind"].map(str::to_owned);
    let bind = words.iter().chain(&addresses);
    let outcome = host.sandbox(bind).options(SOME).output();
    outcome.never_says("heard bound");
    let lines = outcome.text().lines().count();
    assert_eq!(lines, 2 * addresses.len(), "{}", outcome.show());
    // Control: others are.
    host.sandbox(["@payload", "bind", "127.0.0.1:8053", "8.8.8.8:8880"])
        .options(SOME)
        .output()
        .stdout("heard bound\nheard bound\nheard bound\nheard bound");
}

#[test]
fn connections_take_no_more_than_half_of_the_callers_descriptors() {
    const DESCRIPTORS: usize = 256;
    // Nobody else may count those of the caller, who is not dumpable.
    if !needs_root() {
        return;
    }
    let host = Host::new();
    let (input, keep) = std::io::pipe().unwrap();
    let flood = host.sandbox(["@payload", "flood", "127.0.0.1:880", "240"]);
    let words = flood.options(SOME).words();
    let script = format!("ulimit -n {DESCRIPTORS}; exec \"$@\"");
    let limited = ["sh", "-c", &script, "sh"].map(Into::into);
    let command = limited.into_iter().chain(words);
    let mut running = host.bare(command).stdin_from(input).start();
    running.prints("opened 240");
    let open = fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap();
    let open = open.count();
    // Each connection that is kept is at least one.
    assert!(open > DESCRIPTORS / 4, "{open}");
    assert!(open <= DESCRIPTORS / 4 * 3, "{open}");
    drop(keep);
    running.wait().succeeds();
}

#[test]
fn the_hosts_own_addresses_are_closed_unless_they_are_named() {
    let tools = ["ip", "unshare"].map(tool);
    if !needs_root() || !needs("ip and unshare", tools.iter().all(Option::is_some)) {
        return;
    }
    let host = Host::new();
    let get = ["@payload", "tcp", "9.9.9.9:1"];
    // A machine with an address of the internet: a network namespace that has one.
    let run = |words: Vec<OsString>| {
        let script = "ip link set lo up && ip addr add 9.9.9.9/32 dev lo && exec \"$@\"";
        let made = [
            "unshare",
            "-n",
            "sh",
            "-c",
            script,
            "sh",
            "@payload",
            "serve",
            "9.9.9.9:1",
        ];
        host.bare(made.map(Into::into).into_iter().chain(words))
            .output()
    };
    let confined = |options: [&str; 2]| run(host.sandbox(get).options(options).words());
    confined(["--network", "allow"]).stdout("failed 104");
    // Controls: without the sandbox, and with the rule that names it.
    run(host.bare(get).words()).stdout("heard the host");
    confined(["--allow", "9.9.9.9"]).stdout("heard the host");
}
