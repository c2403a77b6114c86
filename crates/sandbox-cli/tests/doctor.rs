//! `sandbox doctor`: each facility, and what lifts what is missing.

use sandbox_testing::Host;

#[test]
fn every_facility_is_told() {
    let host = Host::new();
    let text = host.tool(["doctor"]).output().succeeds().text();
    assert!(
        text.contains("present  user namespaces") && text.contains("A sandbox starts here"),
        "{text}"
    );
    let lowered = [
        "doctor",
        "--lower",
        "user.max_user_namespaces=0",
        "--lower",
        "landlock=0",
    ];
    let outcome = host.tool(lowered).output();
    let text = outcome.exits(125).text();
    let from = text.find("\nmissing").unwrap() + 1;
    insta::assert_snapshot!(text[from..].replace("sudo ", ""), @"
    missing  user namespaces: everything else: own mounts, processes, network, and no privileges
             without it: no sandbox starts
             why:  this host forbids user namespaces: `user.max_user_namespaces` is 0
             help: `sysctl -w user.max_user_namespaces=10000`
    present  system call filter: keeps the command from most of the kernel (seccomp)
    present  filter listener: decides by name what is made, written and connected to, where no mount can
    missing  Landlock: holds what is read and written a second time, beside the mounts
             without it: the mounts alone hold what is read and written
             why:  this kernel has no Landlock, or it was not switched on at boot
             help: add `landlock` to the list of the kernel's boot parameter `lsm=`
    missing  Landlock scopes: hold signals and abstract sockets a second time
             without it: namespaces and the filter alone hold them; on the host's network nothing holds abstract sockets
    present  memory files: init is executed from a sealed one, without a file of its own

    No sandbox starts here.
    ");
}

#[test]
fn json_says_the_same() {
    let host = Host::new();
    let text = host.tool(["doctor", "--json"]).output().succeeds().text();
    for part in [
        "\"version\": 1",
        "\"starts\": true",
        "\"name\": \"Landlock\"",
        "\"enforcement\": [",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let lowered = ["doctor", "--json", "--lower", "user.max_user_namespaces=0"];
    let text = host.tool(lowered).output().exits(125).text();
    for part in [
        "\"starts\": false",
        "\"present\": false",
        "sysctl -w user.max_user_namespaces",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}
