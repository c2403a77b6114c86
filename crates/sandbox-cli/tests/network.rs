//! The network of a first sandbox: none (`deny`), or the host's (`host`).

use sandbox_testing::{Host, Server};

const FAMILIES: [&str; 2] = ["127.0.0.1", "[::1]"];

#[test]
fn services_of_the_host_are_out_of_reach() {
    let host = Host::new();
    for family in FAMILIES {
        let server = Server::tcp(family);
        let connect = ["@payload", "tcp", &server.address];
        host.sandbox(connect)
            .output()
            .stdout_contains("failed")
            .never_says("the host");
        assert_eq!(server.visitors(), 0);
        host.sandbox(connect)
            .options(["--network", "host"])
            .output()
            .stdout("heard the host");
        host.bare(connect).output().stdout("heard the host");
    }
}

#[test]
fn no_datagram_reaches_the_host() {
    let host = Host::new();
    let server = Server::udp();
    let send = ["@payload", "udp", &server.address];
    host.sandbox(send).output();
    host.bare(send).output().stdout("heard sent");
    // Datagrams on the loopback arrive in order: had the first one come, it would have been counted before the second.
    sandbox_testing::until("control", || server.visitors() > 0);
    assert_eq!(server.visitors(), 1);
}

#[test]
fn sockets_without_a_path_are_out_of_reach() {
    let host = Host::new();
    let server = Server::abstract_socket();
    let connect = ["@payload", "abstract", &server.address];
    host.sandbox(connect).output().stdout_contains("failed");
    assert_eq!(server.visitors(), 0);
    host.bare(connect).output().stdout("heard the host");
}

#[test]
fn sockets_without_a_path_stay_out_of_reach_on_the_hosts_network() {
    // Landlock's scope alone holds this: kernels before 6.12 do not have it, and `enforcement()` says so.
    if std::env::var_os("SANDBOX_TEST_LOWER").is_some() {
        return;
    }
    let host = Host::new();
    let server = Server::abstract_socket();
    host.sandbox(["@payload", "abstract", &server.address])
        .options(["--network", "host"])
        .output()
        .stdout_contains("failed");
    assert_eq!(server.visitors(), 0);
}

#[test]
fn there_is_no_interface_but_its_own_loopback() {
    let host = Host::new();
    let interfaces = [
        "sh",
        "-c",
        "sed 1,2d /proc/net/dev | cut -d: -f1 | tr -d ' '",
    ];
    host.sandbox(interfaces).output().stdout("lo");
    let outside = host.bare(interfaces).output().text();
    host.sandbox(interfaces)
        .options(["--network", "host"])
        .output()
        .stdout(&outside);
    // No route of the host's either.
    host.sandbox(["sh", "-c", "sed 1d /proc/net/route"])
        .output()
        .stdout("");
}

#[test]
fn connections_of_the_host_are_not_listed() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    let port: u16 = server.address.rsplit(':').next().unwrap().parse().unwrap();
    let list = [
        "sh",
        "-c",
        "cat /proc/net/tcp /proc/self/net/tcp /proc/[0-9]*/net/tcp",
    ];
    let listening = format!("0100007F:{port:04X}");
    host.sandbox(list).output().never_says(&listening);
    host.bare(list).output().stdout_contains(&listening);
}

#[test]
fn its_own_loopback_works() {
    let host = Host::new();
    for network in ["deny", "host"] {
        host.sandbox(["@payload", "loopback"])
            .options(["--network", network])
            .output()
            .succeeds()
            .stdout("heard myself");
    }
}

#[test]
fn no_host_network_without_its_being_spelled_out() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    for preset in ["agent", "read-only", "strict"] {
        host.sandbox(["@payload", "tcp", &server.address])
            .options(["--preset", preset, "--read", "@root/tools"])
            .output()
            .stdout_contains("failed");
    }
    let policy = "extends = [\"agent\"]\n[network]\ndefault = \"host\"\n";
    host.sandbox(["@payload", "tcp", &server.address])
        .policy(policy)
        .output()
        .stdout("heard the host");
    assert_eq!(server.visitors(), 1);
}

#[test]
fn what_cannot_hold_starts_nothing() {
    let host = Host::new();
    let run = |options: &[&str]| {
        let command = host.sandbox(["echo", "started"]);
        command.options(options.iter().copied()).output()
    };
    // The control.
    for options in [
        &["--deny", "github.com"][..],
        &["--allow", "github.com"],
        &["--network", "host", "--allow", "github.com"],
    ] {
        run(options).succeeds().stdout("started");
    }
    run(&["--network", "host", "--deny", "github.com"])
        .refuses()
        .stderr_contains("where nothing stands between the command and the network");
    run(&["--allow", "*.com"])
        .refuses()
        .stderr_contains("anybody can register a name below `com`");
}
