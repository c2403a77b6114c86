//! What the presets promise about files.

use sandbox_testing::{Host, Server, needs_root};
use std::{ffi::OsStr, fs};

fn host() -> Host {
    Host::new()
        .file("@outside/private/key", "SECRET key\n")
        .file("src/main", "source\n")
        .file("mine", "mine\n")
}

#[test]
fn secrets_of_the_home_are_hidden_by_default() {
    let host = Host::new();
    for secret in host.secrets() {
        let cat = [OsStr::new("cat"), secret.as_os_str()];
        host.sandbox(cat).output().fails().stdout("");
        host.sandbox(cat)
            .options([OsStr::new("--read"), secret.as_os_str()])
            .output()
            .succeeds()
            .stdout_contains("SECRET");
    }
}

#[test]
fn secrets_of_the_account_are_hidden_when_home_points_elsewhere() {
    let Some(user) = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap() else {
        return;
    };
    let host = Host::new();
    let list = format!("find {}/.ssh -mindepth 1 | wc -l", user.dir.display());
    let account = user.dir.join(".ssh");
    if fs::read_dir(&account).is_ok_and(|mut entries| entries.next().is_some()) {
        host.sandbox(["sh", "-c", &list]).output().stdout("0");
    }
}

#[test]
fn system_secrets_are_hidden_from_root() {
    if !needs_root() {
        return;
    }
    let host = Host::new();
    let command = ["sh", "-c", "wc -c < /etc/shadow"];
    host.sandbox(command).output().fails().stdout("");
    host.run("/etc/shadow = read", command).succeeds();
}

#[test]
fn a_strict_preset_shows_the_workspace_and_the_system_only() {
    let host = host();
    for (path, strict) in [
        ("@outside/public", false),
        ("@home/.ssh/id_rsa", false),
        ("@outside/private/key", false),
        ("@ws/src/main", true),
        ("/etc/passwd", true),
    ] {
        let outcome = host
            .sandbox(["cat", path])
            .options(["--preset", "strict"])
            .output();
        assert_eq!(
            outcome.code() == Some(0),
            strict,
            "{path}: {}",
            outcome.show()
        );
        host.bare(["cat", path]).output().succeeds();
    }
    host.sandbox(["cat", "@outside/public"])
        .options(["--preset", "strict", "--read", "@outside"])
        .output()
        .succeeds()
        .stdout("public");
}

#[test]
fn a_strict_preset_lists_nothing_of_the_person() {
    let host = host();
    let workspace = host.path("@ws");
    for directory in ["@home", "@outside", "/root", "/home"] {
        // The way to the workspace has to be there.
        let way = workspace.strip_prefix(directory).ok();
        let way = way
            .and_then(|rest| rest.iter().next()?.to_str())
            .unwrap_or_default();
        host.sandbox(["ls", "-A", directory])
            .options(["--preset", "strict"])
            .output()
            .stdout(way);
    }
}

#[test]
fn nothing_is_hidden_without_a_preset() {
    let host = host();
    host.sandbox(["cat", "@outside/private/key"])
        .options(["--preset", "none", "--read", "/"])
        .output()
        .succeeds()
        .stdout("SECRET key");
}

#[test]
fn a_read_only_preset_writes_nothing_but_scratch() {
    let host = host();
    let before = host.snapshot("@root");
    for script in [
        "echo x > fresh",
        "echo x >> mine",
        "rm mine",
        "chmod 600 mine",
    ] {
        host.sandbox(["sh", "-c", script])
            .options(["--preset", "read-only"])
            .output()
            .fails();
    }
    before.is_unchanged();
    host.sandbox(["sh", "-c", "echo x > /tmp/fresh && cat mine"])
        .options(["--preset", "read-only"])
        .output()
        .succeeds()
        .stdout("mine");
}

#[test]
fn destinations_stand_beside_the_policy() {
    let host = Host::new();
    let explain = |options: &[&str]| {
        let words = [&["explain", "--connect", "ghcr.io"], options].concat();
        host.tool(words).output().succeeds().text()
    };
    let allowed = "by `ghcr.io` = allow (preset `ghcr`)";
    let policy = host.policy("[files]\n\"/usr\" = \"read\"\n");
    let policy = policy.to_str().unwrap();
    for (options, is_allowed) in [
        (&["--preset", "ghcr"][..], true),
        (
            &[
                "--preset", "github", "--preset", "ghcr", "--preset", "strict",
            ],
            true,
        ),
        (&["--policy", policy, "--preset", "ghcr"], true),
        (&["--preset", "ghcr", "--deny", "ghcr.io"], false),
        (&["--preset", "github"], false),
        (&[], false),
    ] {
        let said = explain(options);
        assert_eq!(said.starts_with("allow"), is_allowed, "{options:?}: {said}");
        assert!(!is_allowed || said.contains(allowed), "{options:?}: {said}");
    }
    // The preset of files is what it was.
    for (options, preset) in [
        (&["--preset", "ghcr"][..], "agent"),
        (&["--preset", "read-only", "--preset", "ghcr"], "read-only"),
        (&["--policy", policy, "--preset", "ghcr"], "none"),
    ] {
        let words = [&["policy", "show"], options].concat();
        let shown = host.tool(words).output().succeeds().text();
        let start = format!("extends = [\"{preset}\", \"ghcr\"]\n");
        assert!(shown.starts_with(&start), "{shown}");
    }
}

#[test]
fn destinations_of_a_project_need_approval() {
    let host = Host::new();
    host.write("sandbox.toml", "extends = [\"ghcr\"]\n");
    let run = || host.sandbox(["echo", "started"]).output();
    run()
        .refuses()
        .stderr_contains("`ghcr.io` would be `allow` instead of `deny`");
    host.tool(["trust"]).output().succeeds();
    run().succeeds().stdout("started");
}

#[test]
fn a_package_manager_reaches_what_the_person_has_configured() {
    let host = Host::new();
    let (own, project) = (Server::tcp("127.0.0.1"), Server::tcp("127.0.0.1"));
    let registry = |server: &Server| format!("registry=http://ana:s3cret@{}/\n", server.address);
    host.write("~/.npmrc", registry(&own));
    host.write(".npmrc", registry(&project));
    let reaches = |server: &Server, options: &[&str]| {
        let connect = ["@payload", "tcp", &server.address];
        let outcome = host.sandbox(connect).options(options).output();
        outcome.never_says("s3cret");
        outcome.text().contains("heard the host")
    };
    assert!(reaches(&own, &["--preset", "npm"]));
    assert!(!reaches(&own, &[]));
    assert!(!reaches(&own, &["--preset", "pip"]));
    assert!(!reaches(&project, &["--preset", "npm"]));
    // A file that the command could have written.
    assert!(!reaches(&own, &["--preset", "npm", "--write", "@home"]));
    // The control.
    assert!(reaches(
        &project,
        &["--preset", "npm", "--allow", &project.address]
    ));

    let explain = ["explain", "--preset", "npm", "--connect", &own.address];
    let said = host.tool(explain).output().succeeds().text();
    let by = format!(
        "by `{}` = allow (preset `npm`, `@home/.npmrc`)",
        own.address
    );
    assert!(
        said.contains(&host.expand(&by)) && !said.contains("s3cret"),
        "{said}"
    );
}
