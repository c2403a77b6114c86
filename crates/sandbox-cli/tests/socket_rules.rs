//! Who opens sockets: presets, settings, and the remedy of what was denied. Each denial is an event, whether of a connection or of a name.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod told;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use sandbox_testing::{Host, Server};
use serde_json::Value;
use told::{EVENTS, events_of, is_denial, told};

/// What was written of denials; it is taken away.
fn events(host: &Host) -> Vec<Value> {
    events_of(host, is_denial)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_denial_is_an_event_whose_remedy_allows_it() {
    let host = Host::new().dir(".idea").dir("sub/.git");
    let outside = host.path("@outside");
    let _services = [outside.join("s"), host.path(".idea/s")].map(|path| Server::at(&path));
    symlink(&outside, host.path("way")).unwrap();
    for (preset, tries, at, errno, operation, path, rule, remedy) in [
        (
            "agent",
            "unix",
            "@outside/s",
            13,
            "connect",
            "@outside/s",
            "/",
            "@outside/s",
        ),
        (
            "agent",
            "unix",
            "way/s",
            13,
            "connect",
            "@outside/s",
            "/",
            "@outside/s",
        ),
        (
            "read-only",
            "unix",
            "way/s",
            13,
            "connect",
            "@outside/s",
            "/",
            "@outside/s",
        ),
        (
            "agent",
            "unix",
            ".idea/s",
            13,
            "connect",
            "@ws/.idea/s",
            ".idea",
            ".idea/s",
        ),
        (
            "agent",
            "bound",
            ".envrc",
            13,
            "create",
            "@ws/.envrc",
            ".envrc",
            ".envrc",
        ),
        (
            "agent",
            "bound",
            "sub/.git/commondir",
            13,
            "create",
            "@ws/sub/.git/commondir",
            ".git/commondir",
            "sub/.git/commondir",
        ),
        (
            "agent",
            "bound",
            "@outside/new",
            30,
            "create",
            "@outside/new",
            "/",
            "@outside",
        ),
        (
            "read-only",
            "bound",
            "@outside/new",
            30,
            "create",
            "@outside/new",
            "/",
            "@outside",
        ),
    ] {
        let at = host.expand(at);
        let run = |options: &[&str]| {
            let run = host.sandbox(["@payload", tries, &at]);
            let run = run.options(["--preset", preset, "--events", EVENTS]);
            run.options(options).output()
        };
        let outcome = run(&[]);
        outcome.stdout(&format!("failed {errno}"));
        let events = events(&host);
        let [event] = &events[..] else {
            panic!("{at}: {events:?}")
        };
        assert_eq!(event["operation"], operation, "{event}");
        assert_eq!(event["path"], host.expand(path), "{event}");
        assert_eq!(event["program"], host.expand("@payload"), "{event}");
        assert!(event["pid"].as_u64().is_some_and(|pid| pid > 1), "{event}");
        assert_eq!(event["rule"]["pattern"], rule, "{event}");
        let opened = host.path(remedy).display().to_string();
        assert_eq!(event["remedy"], format!("\"{opened}\" = \"write\""));
        let shown = host.expand(path);
        let workspace = host.expand("@ws/");
        let shown = shown.strip_prefix(&workspace).unwrap_or(&shown);
        let option = opened.strip_prefix(&workspace).unwrap_or(&opened);
        let told = told(&outcome);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with(&format!("sandbox: denied {operation} {shown} ("))
                && told[0].ends_with(&format!("; `--write {option}` allows it")),
            "{told:?}"
        );
        // The control: applied, it is all that there was to allow.
        let outcome = run(&["--write", &opened]);
        let heard = if tries == "unix" {
            "heard the host"
        } else {
            &at
        };
        outcome.stdout(heard);
        assert_eq!(self::events(&host), [serde_json::Value::Null; 0]);
        if tries == "bound" {
            fs::remove_file(host.path(path)).unwrap();
        }
    }
}

/// What nobody could have, or has anyway.
#[test]
fn what_would_have_failed_without_rules_is_no_event() {
    let host = Host::new()
        .file("@outside/file", "")
        .dir("@outside/closed")
        .mode("@outside/closed", 0o555);
    let service = Server::at(&host.path("@outside/mine"));
    let host = host.mode("@outside/mine", 0o444);
    let [missing, file, closed] =
        ["missing", "file", "closed/new"].map(|name| host.expand(&format!("@outside/{name}")));
    let script = format!(
        "\"$0\" unix {missing} {file} {} /tmp/missing; \"$0\" bound {file} {closed} /tmp/.envrc",
        service.address
    );
    let run = host.sandbox(["sh", "-c", &script, "@payload"]);
    let outcome = run.options(["--events", EVENTS]).output();
    let text = outcome.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 7, "{text}");
    assert_eq!(
        [lines[0], lines[1], lines[2], lines[3], lines[4], lines[6]],
        [
            "failed 2",
            "failed 111",
            "failed 13",
            "failed 2",
            "failed 98",
            "/tmp/.envrc"
        ]
    );
    assert!(lines[5].starts_with("failed "));
    assert_eq!(told(&outcome), [""; 0]);
    assert_eq!(events(&host), [Value::Null; 0]);
}

/// Where nothing is left to decide about them a command connects by itself, and waits for nobody.
#[test]
fn a_policy_that_opens_all_of_them_costs_nothing_and_says_so() {
    let host = Host::new();
    let path = host.path("@outside/s");
    let listener = UnixListener::bind(&path).unwrap();
    let payload = host.expand("@payload");
    let payload = Path::new(&payload).file_name().unwrap().to_str().unwrap();
    for (key, by_itself, line) in [
        (
            r#""allowAllUnixSockets": true"#.to_owned(),
            true,
            "not held: the policy lets a command connect to every socket that it can see",
        ),
        (
            format!(r#""allowUnixSockets": ["{}"]"#, path.display()),
            false,
            "sockets by path  notifier",
        ),
    ] {
        let settings = format!(
            r#"{{"network": {{"allowedDomains": [], "deniedDomains": [], {key}}}, "filesystem": {{"denyRead": [], "allowWrite": ["."], "denyWrite": []}}}}"#
        );
        host.write("@policies/settings.json", settings);
        let options = ["--settings", "@policies/settings.json"];
        let explain = ["explain", "--enforcement"].into_iter().chain(options);
        let outcome = host.tool(explain).output();
        assert!(host.printed(&outcome).contains(line), "{}", outcome.show());
        let connect = ["@payload", "unix", path.to_str().unwrap()];
        let running = host.sandbox(connect).options(options).start();
        let (stream, _) = listener.accept().unwrap();
        let peer = getsockopt(&stream, PeerCredentials).unwrap();
        let name = fs::read_to_string(format!("/proc/{}/comm", peer.pid())).unwrap_or_default();
        assert_eq!(
            payload.starts_with(name.trim_end()) && !name.is_empty(),
            by_itself,
            "{name}"
        );
        drop(stream);
        running.wait().stdout("heard ");
    }
}

#[test]
fn presets_open_the_sockets_that_the_environment_names() {
    let host = Host::new()
        .file("~/.ssh/known_hosts", "example.com key\n")
        .file("~/.ssh/config", "Host e\n")
        .file("~/.gnupg/pubring.kbx", "public\n")
        .file("~/.gnupg/private-keys-v1.d/a", "SECRET key\n")
        .file("@outside/file", "no socket\n");
    let agent = Server::at(&host.path("@outside/agent.sock"));
    let docker = Server::at(&host.path("@outside/docker.sock"));
    let gpg = Server::at(&host.path("~/.gnupg/S.gpg-agent"));
    let docker_host = format!("unix://{}", docker.address);
    let run = |script: &str, preset: Option<&str>| {
        let command = host.sandbox(["sh", "-c", script, "@payload"]);
        let command = command.env("SSH_AUTH_SOCK", &agent.address);
        let command = command.env("DOCKER_HOST", &docker_host);
        let options = preset.iter().flat_map(|preset| ["--preset", preset]);
        command.options(options).output()
    };
    let to_agent =
        "\"$0\" unix \"$SSH_AUTH_SOCK\"; cat ~/.ssh/known_hosts ~/.ssh/config; cat ~/.ssh/id_rsa";
    let outcome = run(to_agent, Some("ssh-agent"));
    outcome
        .stdout("heard the host\nexample.com key\nHost e")
        .fails();
    run(to_agent, None)
        .never_says("heard")
        .never_says("example.com");
    let to_docker = "\"$0\" unix \"${DOCKER_HOST#unix://}\"";
    run(to_docker, Some("docker")).stdout("heard the host");
    run(to_docker, Some("ssh-agent")).never_says("heard");
    let to_gpg = "\"$0\" unix ~/.gnupg/S.gpg-agent; cat ~/.gnupg/pubring.kbx; cat ~/.gnupg/private-keys-v1.d/a";
    run(to_gpg, Some("gpg-agent"))
        .stdout("heard the host\npublic")
        .fails();
    run(to_gpg, None).stdout("failed 13");
    assert_eq!(
        (agent.visitors(), docker.visitors(), gpg.visitors()),
        (1, 1, 1)
    );
    // What is no socket is not opened, whatever the environment says.
    let write = ["sh", "-c", "echo mine > \"$SSH_AUTH_SOCK\""];
    let command = host
        .sandbox(write)
        .env("SSH_AUTH_SOCK", host.path("@outside/file"));
    command.options(["--preset", "ssh-agent"]).output().fails();
}

#[test]
fn what_a_preset_gives_away_is_told() {
    let host = Host::new();
    for (preset, code, told) in [
        ("docker", 1, "warning: `docker` opens this machine as root"),
        (
            "ssh-agent",
            0,
            "note: `ssh-agent` opens whatever your ssh keys open",
        ),
        (
            "gpg-agent",
            0,
            "note: `gpg-agent` opens what is encrypted to your keys",
        ),
    ] {
        host.write(
            "sandbox.toml",
            format!("extends = [\"agent\", \"{preset}\"]\n"),
        );
        let outcome = host.tool(["check"]).output();
        outcome.exits(code);
        assert!(host.printed(&outcome).contains(told), "{}", outcome.show());
    }
}

#[test]
fn settings_open_the_sockets_that_they_name() {
    let host = Host::new().dir("~/services");
    let server = Server::at(&host.path("~/services/one"));
    let other = Server::at(&host.path("@outside/other"));
    for (keys, one, another) in [
        ("", "failed 13", "failed 13"),
        (r#", "allowUnixSockets": []"#, "failed 13", "failed 13"),
        (
            r#", "allowUnixSockets": ["~/services/one"]"#,
            "heard the host",
            "failed 13",
        ),
        (
            r#", "allowUnixSockets": ["~/services"]"#,
            "heard the host",
            "failed 13",
        ),
        (
            r#", "allowUnixSockets": ["~/services/on"]"#,
            "failed 13",
            "failed 13",
        ),
        (
            r#", "allowAllUnixSockets": false"#,
            "failed 13",
            "failed 13",
        ),
        (
            r#", "allowAllUnixSockets": true"#,
            "heard the host",
            "heard the host",
        ),
    ] {
        let settings = format!(
            r#"{{"network": {{"allowedDomains": [], "deniedDomains": []{keys}}}, "filesystem": {{"denyRead": [], "allowWrite": ["."], "denyWrite": []}}}}"#
        );
        host.write("@policies/settings.json", settings);
        let command = host.sandbox(["@payload", "unix", &server.address, &other.address]);
        let options = ["--settings", "@policies/settings.json"];
        command
            .options(options)
            .output()
            .stdout(&format!("{one}\n{another}"));
        // They are not opened for writing, nor is what lies beside them.
        let write = ["sh", "-c", "touch ~/services/new; rm -f ~/services/one"];
        host.sandbox(write).options(options).output().fails();
        assert!(
            host.has("~/services/one") && !host.has("~/services/new"),
            "{keys}"
        );
    }
}
