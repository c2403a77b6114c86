//! Whatever the host's resolvers are, and whatever finds them: inside, the gateway answers for every name.

use std::process::Command;

use sandbox_testing::{alone_by, needs, needs_root, tool};

use crate::servers::PYTHON;
use crate::world::{ALLOWED, DENIED, World, is_denied};

/// Every way in which programs look up names, each of which prints an address of the gateway's.
const WAYS: [(&str, &str); 5] = [
    ("getent ahostsv4 @name", V4),
    ("getent ahostsv6 @name", V6),
    (
        "/usr/bin/python3 -c 'import socket; print(*socket.getaddrinfo(\"@name\", 80))'",
        V4,
    ),
    (
        "node -e 'require(\"dns\").resolve6(\"@name\", (error, found) => { if (error) throw error; console.log(found); })'",
        V6,
    ),
    ("busybox nslookup @name", V4),
];
/// Where systemd's resolver answers for everybody who can connect.
const SERVICE: &str = "/run/systemd/resolve/io.systemd.Resolve";
const V4: &str = "198.1";
const V6: &str = "fd73:616e:6462:6f78:";

/// Finds names where a script has changed a private `/etc`.
fn with_etc(script: &str) {
    with_etc_runs(script, "resolvers::every_way_finds_the_allowed_name");
}

fn with_etc_runs(script: &str, test: &str) {
    if !needs_root() || !needs("unshare", tool("unshare").is_some()) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let start = "mount -t tmpfs etc \"$1\"; cp -a /etc/. \"$1\"; cd \"$1\"; ";
    let end = "; cd /; mount --bind \"$1\" /etc; shift; exec \"$@\"";
    let mut starter = Command::new("unshare");
    starter.args(["--mount", "sh", "-ec"]);
    starter
        .args([&[start, script, end].concat(), "sh"])
        .arg(place.path());
    alone_by(starter, test);
}

#[test]
fn names_are_found() {
    every_way_finds_the_allowed_name();
}

#[test]
fn names_are_found_with_domains_and_a_stub() {
    with_etc(
        "rm resolv.conf; printf 'nameserver 127.0.0.53\\noptions edns0 trust-ad ndots:5 use-vc rotate\\nsearch corp.test lan.test\\n' > resolv.conf",
    );
}

#[test]
fn names_are_found_with_servers_on_interfaces_that_are_not_there() {
    with_etc(
        "rm resolv.conf; printf 'nameserver fe80::1%%eth7\\nnameserver 0.0.0.0\\n' > resolv.conf",
    );
}

#[test]
fn names_are_found_without_a_file() {
    with_etc("rm resolv.conf");
}

#[test]
fn names_are_found_where_the_file_is_a_link() {
    with_etc(
        "mount -t tmpfs run /run; mkdir -p /run/systemd/resolve; rm resolv.conf; ln -s ../run/systemd/resolve/stub-resolv.conf resolv.conf; \
         printf 'nameserver 127.0.0.53\\nsearch corp.test\\n' > /run/systemd/resolve/stub-resolv.conf; : > /run/systemd/resolve/io.systemd.Resolve",
    );
}

#[test]
fn names_are_found_by_modules_that_ask_services_first() {
    with_etc(
        "printf 'hosts: mymachines resolve [!UNAVAIL=return] mdns4_minimal [NOTFOUND=return] files dns myhostname\\n' > nsswitch.conf",
    );
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn every_way_finds_the_allowed_name() {
    // Not every machine has each of the programs: CI has.
    let Some(world) = World::with(&["getent", PYTHON, "node", "busybox"]) else {
        return;
    };
    let inside = world.inside(&world.policy(true));
    let (_, file) = inside.run("cat /etc/resolv.conf", "");
    assert!(!file.contains("nameserver"), "{file}");
    // A name that a socket has here would be a way past the gateway.
    inside.succeeds("[ -e @name ] || echo absent", SERVICE, "absent");
    for (way, says) in WAYS {
        inside.succeeds(way, ALLOWED, says);
        inside.fails(way, DENIED, says);
    }
    inside.until_told(&is_denied);
    // Not one that any of the host's domains is the end of.
    let told = inside.told();
    assert!(!told.contains("corp.test"), "{told}");
}

/// The control of the above: what a rule shows is there.
#[test]
fn a_rule_shows_the_services_of_the_hosts_resolver() {
    with_etc_runs(
        "mount -t tmpfs run /run; mkdir -p /run/systemd/resolve; : > /run/systemd/resolve/io.systemd.Resolve",
        "resolvers::a_rule_shows_the_service",
    );
}

#[test]
#[ignore = "run by another, in a process of its own"]
fn a_rule_shows_the_service() {
    let Some(world) = World::with(&[]) else {
        return;
    };
    let policy = world.policy(true).read("/run/systemd/resolve");
    let inside = world.inside(&policy);
    inside.succeeds("[ -e @name ] && echo there", SERVICE, "there");
}

/// The control: without the built-in rule a program sees the host's, and a person's rule is stronger than that.
#[test]
fn a_rule_shows_the_hosts_file() {
    let file = std::fs::read_to_string("/etc/resolv.conf");
    if !needs("/etc/resolv.conf", file.is_ok()) {
        return;
    }
    let file = file.unwrap();
    let Some(world) = World::with(&[]) else {
        return;
    };
    let policy = world.policy(true).read("/etc/resolv.conf");
    let sandbox = sandboxed::Sandbox::new(&policy).unwrap();
    let output = sandbox
        .command("cat")
        .arg("/etc/resolv.conf")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), file);
}
