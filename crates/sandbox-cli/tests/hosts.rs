//! Names that only the host's own table knows (hosts(5)): a rule by such a name holds, and what means the machine itself stays.

use sandbox_testing::{Host, Outcome, needs, tool};

/// Of a private network, and in these tests an address of the machine.
const ADDRESS: &str = "10.9.8.7";
const SERVER: &str = "10.9.8.7:7000";

/// Runs a command where the machine has a service at [`ADDRESS`], another table of names, and another name.
const OUTSIDE: &str = "
    ip address add 10.9.8.7/32 dev lo
    ip link set lo up
    hostname box.test
    mount --bind \"$1\" /etc
    shift
    exec \"$@\"
";
const TABLE: &str = "
    # 10.9.8.7 comment.internal
    127.0.0.1 localhost
    127.0.1.1 mine.internal
    ::1 localhost ip6-localhost
    10.9.8.7 db.internal cache.internal # and.internal
    10.9.8.7 box.test box
    10.1.2.3 lab.internal other.lab
    8.8.8.8 far.internal
    nonsense other.internal
";

/// A host with an `/etc` of its own; `None` where the tools to make it are missing.
fn host() -> Option<Host> {
    let tools = ["ip", "unshare", "hostname", "getent"];
    if !needs(&tools.join(", "), tools.iter().all(|it| tool(it).is_some())) {
        return None;
    }
    let host = Host::new().file("@outside/etc/hosts", TABLE);
    let copy = "cp -a /etc/nsswitch.conf /etc/passwd /etc/group /etc/ld.so.cache /etc/alternatives @outside/etc || true";
    host.bare(["sh", "-c", &host.expand(copy)])
        .output()
        .succeeds();
    Some(host)
}

/// Runs a script where the names are, outside of any sandbox.
fn outside(host: &Host, script: &str) -> Outcome {
    let etc = host.expand("@outside/etc");
    let script = host.expand(script);
    let binary = sandbox_testing::binary();
    let script = script.replace("@sandbox", binary.to_str().unwrap_or_default());
    let words = [
        "unshare", "-rmnu", "sh", "-ec", OUTSIDE, "sh", &etc, "sh", "-c", &script,
    ];
    host.bare(words).output()
}

/// Asks for a service of the machine's by a name of the table.
fn tcp(host: &Host, options: &str, name: &str) -> Outcome {
    outside(
        host,
        &format!("@payload serve {SERVER} @sandbox run {options} -- @payload tcp {name}:7000"),
    )
}

#[test]
fn a_rule_by_a_name_of_the_table_holds() {
    let Some(host) = host() else { return };
    let both = format!("--allow db.internal --allow {ADDRESS}");
    tcp(&host, &both, "db.internal").stdout("heard the host\n");
    // The attack: the same address by a name that is denied.
    let denied = format!("{both} --deny cache.internal --log-network -");
    let outcome = tcp(&host, &denied, "cache.internal");
    outcome
        .never_says("heard")
        .stderr_contains("denied cache.internal;");
    // The name alone: it leads to an address that is closed, which a rule has to name.
    tcp(&host, "--allow db.internal", "db.internal")
        .never_says("heard the host")
        .stderr_contains("sandbox: denied db.internal:7000 (")
        .stderr_contains("); `--allow 10.9.8.7:7000` allows it\n");
    // The address alone: there is no rule by name that could hold, and the table says where it is.
    tcp(&host, &format!("--allow {ADDRESS}"), "db.internal").stdout("heard the host\n");
    // Neither: it does not exist.
    tcp(&host, "--allow other.example", "db.internal")
        .never_says("heard")
        .stderr_contains("sandbox: denied db.internal; `--allow db.internal` allows it\n");
    // The control: outside of a sandbox the name is enough.
    outside(
        &host,
        &format!("@payload serve {SERVER} @payload tcp db.internal:7000"),
    )
    .stdout("heard the host\n");
}

#[test]
fn the_table_inside_has_the_names_of_the_machine_and_no_others() {
    let Some(host) = host() else { return };
    let own = "127.0.0.1 localhost\n127.0.1.1 mine.internal\n::1 localhost ip6-localhost\n10.9.8.7 box.test box\n";
    let show = |options: &str| outside(&host, &format!("@sandbox run {options} -- cat /etc/hosts"));
    let strict = "--preset strict --read /etc";
    let assembled = host.policy("extends = [\"agent\"]\n[network.rules]\n\"a.example\" = \"allow\"\n[system]\nhide = \"assemble\"\n");
    let assembled = format!("--policy {}", assembled.display());
    for options in [
        "--allow a.example",
        "--network allow",
        &format!("{strict} --allow a.example"),
        "--preset strict --allow a.example",
        &assembled,
    ] {
        show(options).stdout(own);
    }
    // Names that no rule is about, at an address that is reached.
    let reached = format!("{own}10.1.2.3 other.lab\n");
    show("--allow 10.0.0.0/8 --allow lab.internal").stdout(&reached);
    // Whoever the machine is, and asks for that, is found.
    let lookups = "for name in localhost ip6-localhost mine.internal box.test box; do getent hosts $name; done";
    let found = outside(&host, lookups);
    assert!(found.text().contains("127.0.1.1"), "{}", found.show());
    let inside = outside(
        &host,
        &format!("@sandbox run --allow a.example -- sh -c '{lookups}'"),
    );
    inside.stdout(&found.text());
    // The controls: without a gateway, and by a rule that names it, the table is the host's.
    show("").stdout(TABLE);
    show("--allow a.example --read /etc/hosts").stdout(TABLE);
}

/// The host goes on living: whoever manages names there writes the table anew.
#[test]
fn a_table_that_the_host_replaces_is_not_shown() {
    let Some(host) = host() else { return };
    let replaces = "
        @sandbox run --allow a.example -- sh -c '
            touch begun; until [ -e replaced ]; do sleep 0.01; done
            while grep -q internal /etc/hosts; do sleep 0.01; done
            cat /etc/hosts' &
        until [ -e begun ]; do sleep 0.01; done
        echo 10.9.8.7 new.internal > /etc/new; mv /etc/new /etc/hosts; touch replaced; wait";
    let own = "127.0.0.1 localhost\n127.0.1.1 mine.test\n";
    host.write("@outside/etc/hosts", format!("{own}10.9.8.7 db.internal\n"));
    outside(&host, replaces).stdout(own);
    assert_eq!(
        host.read("@outside/etc/hosts"),
        "10.9.8.7 new.internal\n",
        "control"
    );
}
