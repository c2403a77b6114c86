//! Settings of another sandbox instead of a policy: the main rules against the kernel, and what is said when they are wrong.

use sandbox_testing::{Host, Outcome, Server};

fn host() -> Host {
    Host::new()
        .file("key", "SECRET\n")
        .file("sub/file", "mine\n")
        .file("d/pub/f", "public\n")
        .file("d/s", "SECRET\n")
        .file(".env", "mine\n")
        .file("a/b/.env", "mine\n")
        .file("~/notes", "notes\n")
}

/// Settings with these keys in `filesystem` and beside it.
fn settings(filesystem: &str, rest: &str) -> String {
    format!(
        "{{\n\"network\": {{\"allowedDomains\": [], \"deniedDomains\": []}},\n\"filesystem\": {{{filesystem}}}{rest}\n}}\n"
    )
}

/// Runs a script under these settings.
#[track_caller]
fn run(host: &Host, text: &str, script: &str) -> Outcome {
    host.write("@policies/settings.json", host.expand(text));
    let options = ["--settings", "@policies/settings.json"];
    host.sandbox(["sh", "-c", script]).options(options).output()
}

#[test]
fn what_must_not_be_read_is_not_read_by_any_way() {
    let open = settings(
        r#""denyRead": [], "allowWrite": ["."], "denyWrite": []"#,
        "",
    );
    for (denied, script) in [
        ("key", "cat key"),
        ("key", "mv key other; cat other key"),
        ("key", "ln key other; cat other"),
        ("key", "ln -s key other; cat other"),
        ("key", "cp key other; cat other"),
        ("k*", "cat key"),
        ("**/s", "cat d/s"),
        ("d/**", "cat d/s"),
        ("d", "mv d e; cat e/s d/s"),
        ("./sub/../d", "cat d/s"),
        ("@ws/d", "cat d/s"),
    ] {
        let host = host();
        let closed = settings(
            &format!("\"denyRead\": [\"{denied}\"], \"allowWrite\": [\".\"], \"denyWrite\": []"),
            "",
        );
        run(&host, &closed, script).fails().never_says("SECRET");
        run(&host, &open, script).stdout_contains("SECRET");
    }
}

#[test]
fn what_is_shown_inside_is_read_and_what_is_hidden_in_that_is_not() {
    let host = host();
    let files = r#""denyRead": ["d", "d/pub/f"], "allowRead": ["d/pub"], "allowWrite": [], "denyWrite": []"#;
    run(&host, &settings(files, ""), "cat d/pub/f")
        .fails()
        .never_says("public");
    run(&host, &settings(files, ""), "ls d/pub").succeeds();
    run(&host, &settings(files, ""), "cat d/s")
        .fails()
        .never_says("SECRET");
    let shown = r#""denyRead": ["d"], "allowRead": ["d/pub"], "allowWrite": [], "denyWrite": []"#;
    run(&host, &settings(shown, ""), "cat d/pub/f")
        .succeeds()
        .stdout("public\n");
}

#[test]
fn what_must_not_be_written_is_not_written_by_any_way() {
    let open = settings(
        r#""denyRead": [], "allowWrite": [".", "sub"], "denyWrite": []"#,
        "",
    );
    for (denied, script) in [
        (".", "echo x > sub/file"),
        ("sub", "echo x > sub/file"),
        ("sub", "mv sub other && echo x > other/file"),
        (".env", "echo x > .env"),
        (".env", "echo x > new && mv -f new .env"),
        (".env", "rm -f .env"),
        ("**/.env", "echo x > a/b/.env"),
        ("**/.env", "mv a other && echo x > other/b/.env"),
        (".e*", "echo x > .env"),
        ("a/[b]/.env", "echo x > a/b/.env"),
    ] {
        let attacked = host();
        let before = attacked.snapshot("@ws");
        let closed = settings(
            &format!(
                "\"denyRead\": [], \"allowWrite\": [\".\", \"sub\"], \"denyWrite\": [\"{denied}\"]"
            ),
            "",
        );
        run(&attacked, &closed, script).fails();
        if !script.contains("new") {
            before.is_unchanged();
        }
        assert_eq!(
            attacked.read(".env") + &attacked.read("sub/file") + &attacked.read("a/b/.env"),
            "mine\nmine\nmine\n",
            "{denied}: {script}"
        );
        run(&host(), &open, script).succeeds();
    }
}

#[test]
fn what_is_allowed_is_written_and_nothing_else() {
    let host = host();
    let closed = settings(
        r#""denyRead": [], "allowWrite": ["sub/**"], "denyWrite": []"#,
        "",
    );
    run(&host, &closed, "echo x > sub/new && mkdir sub/dir").succeeds();
    assert_eq!(host.read("sub/new"), "x\n");
    for script in [
        "echo x > new",
        "echo x > ~/notes",
        "echo x > @outside/public",
    ] {
        let before = host.snapshot_outside();
        run(&host, &closed, &host.expand(script)).fails();
        before.is_unchanged();
        assert!(!host.has("new"));
    }
    let open = settings(
        r#""denyRead": [], "allowWrite": [".", "~/notes", "@outside"], "denyWrite": []"#,
        "",
    );
    let script = host.expand("echo x > new && echo x > ~/notes && echo x > @outside/public");
    run(&host, &open, &script).succeeds();
    assert_eq!(host.read("~/notes"), "x\n");
    assert_eq!(host.read("@outside/public"), "x\n");
}

#[test]
fn a_link_that_the_last_command_made_is_not_followed() {
    let host = host();
    let first = settings(
        r#""denyRead": [], "allowWrite": ["."], "denyWrite": []"#,
        "",
    );
    run(&host, &first, "rm -r sub && ln -s ~ sub").succeeds();
    let second = settings(
        r#""denyRead": [], "allowWrite": [".", "sub"], "denyWrite": []"#,
        "",
    );
    let outcome = run(&host, &second, "echo x > ~/notes");
    outcome.refuses();
    outcome.stderr_contains("it leads through the symbolic link");
    outcome.stderr_contains("it belongs to `filesystem.allowWrite`");
    assert_eq!(host.read("~/notes"), "notes\n");
}

#[test]
fn repositories_below_are_protected_as_deep_as_settings_say() {
    let files = r#""denyRead": [], "allowWrite": ["."], "denyWrite": []"#;
    for script in [
        "echo x > a/r/.git/hooks/pre-commit",
        "mv a/r/.git/hooks a/r/.git/old && mkdir a/r/.git/hooks && echo x > a/r/.git/hooks/pre-commit",
        "mv a other && echo x > other/r/.git/hooks/pre-commit",
        "echo x > a/r/.mcp.json",
    ] {
        let host = || host().dir("a/r/.git/hooks").file("a/r/.mcp.json", "{}\n");
        let attacked = host();
        let before = attacked.snapshot("@ws");
        run(&attacked, &settings(files, ""), script).fails();
        before.is_unchanged();
        // By name they are protected anywhere.
        let shallow = settings(files, r#", "mandatoryDenySearchDepth": 1"#);
        let control = host();
        control.write("@policies/settings.json", control.expand(&shallow));
        let command = control.sandbox(["sh", "-c", script]);
        let options = ["--settings", "@policies/settings.json"];
        let outcome = command.options(options).options(["--lower", "notifier=0"]);
        outcome.output().succeeds();
    }
}

#[test]
fn settings_are_not_changed_from_inside() {
    let host = host();
    let text = settings(
        r#""denyRead": [], "allowWrite": ["."], "denyWrite": []"#,
        "",
    );
    host.write("settings.json", &text);
    let run = |script: &str| {
        host.sandbox(["sh", "-c", script])
            .options(["--settings", "settings.json"])
            .output()
    };
    for script in [
        "echo x > settings.json",
        "rm -f settings.json",
        "mv settings.json other",
        "echo x > new && mv -f new settings.json",
    ] {
        run(script).fails();
        assert_eq!(host.read("settings.json"), text, "{script}");
    }
    run("echo x > other.json && rm other.json").succeeds();
}

#[test]
fn secrets_are_hidden_though_no_setting_says_so() {
    let host = host();
    let text = settings(r#""denyRead": [], "allowWrite": [], "denyWrite": []"#, "");
    let named = settings(
        r#""denyRead": [], "allowRead": ["~/.aws/credentials"], "allowWrite": [], "denyWrite": []"#,
        "",
    );
    run(&host, &text, "cat ~/.aws/credentials")
        .fails()
        .never_says("SECRET");
    run(&host, &named, "cat ~/.aws/credentials").stdout_contains("SECRET");
}

#[test]
fn files_are_not_restricted_where_that_is_disabled() {
    let host = host().file("~/.bashrc", "mine\n");
    let script = "echo x > ~/.bashrc && cat key ~/.aws/credentials";
    let files = r#""denyRead": ["key"], "allowWrite": ["."], "denyWrite": ["~/.bashrc"]"#;
    run(&host, &settings(files, ""), script).fails();
    assert_eq!(host.read("~/.bashrc"), "mine\n");
    run(
        &host,
        &settings(&format!("{files}, \"disabled\": true"), ""),
        script,
    )
    .succeeds()
    .stdout_contains("SECRET");
    assert_eq!(host.read("~/.bashrc"), "x\n");
}

#[test]
fn variables_that_settings_deny_are_not_there() {
    let host = host();
    let files = r#""denyRead": [], "allowWrite": [], "denyWrite": []"#;
    let denied = r#", "credentials": {"envVars": [{"name": "PLAIN", "mode": "deny"}]}"#;
    for (rest, expected) in [(denied, "[]\n"), ("", "[value]\n")] {
        host.write("@policies/settings.json", settings(files, rest));
        host.sandbox(["sh", "-c", "echo \"[$PLAIN]\""])
            .options(["--settings", "@policies/settings.json"])
            .env("PLAIN", "value")
            .output()
            .succeeds()
            .stdout(expected);
    }
}

#[test]
fn a_host_without_its_own_names_is_reached_by_none() {
    let host = host();
    let files = r#""denyRead": [], "allowWrite": [], "denyWrite": []"#;
    // Nothing that listens on the host; the control: it is seen from outside.
    let server = Server::tcp("127.0.0.1");
    let port: u16 = server.address.rsplit(':').next().unwrap().parse().unwrap();
    let listening = format!("0100007F:{port:04X}");
    let list = "cat /proc/net/tcp";
    run(&host, &settings(files, ""), list).never_says(&listening);
    let outside = host.bare(["sh", "-c", list]).output();
    outside.stdout_contains(&listening);
    // One device: the loopback of its own.
    run(
        &host,
        &settings(files, ""),
        "tail -n +3 /proc/net/dev | wc -l",
    )
    .succeeds()
    .stdout("1\n");
}

/// What is said about settings with this text, and these options beside; nothing runs.
#[track_caller]
fn refusal(text: &str, options: &[&str]) -> String {
    let host = host();
    host.write("@policies/settings.json", text);
    let outcome = host
        .sandbox(["touch", "ran"])
        .options(["--settings", "@policies/settings.json"])
        .options(options)
        .output();
    outcome.refuses();
    assert!(!host.has("ran"));
    host.shorten(&outcome.errors())
}

#[test]
fn settings_that_are_wrong_start_nothing() {
    insta::assert_snapshot!(refusal("", &[]), @r#"
    error: invalid JSON: the text is empty; settings are an object
     --> @policies/settings.json:1:1
      |
    1 |
      | ^
    "#);
    insta::assert_snapshot!(refusal("{\"network\": {", &[]), @r#"
    error: invalid JSON: unterminated object
     --> @policies/settings.json:1:13
      |
    1 | {"network": {
      |             ^
    "#);
    insta::assert_snapshot!(
        refusal(
            "{\n\"network\": {\"allowedDomains\": [\"github.com\"], \"deniedDomains\": [\"*.com\"]},\n\"filesystem\": {\"denyRead\": \"~/.ssh\", \"allowWrite\": [\"a**b\"], \"denyWrte\": []}\n}\n",
            &[],
        ),
        @r#"
        error: `network.deniedDomains` cannot be `*.com`: it would allow every host of a top-level domain
         --> @policies/settings.json:2:65
          |
        2 | "network": {"allowedDomains": ["github.com"], "deniedDomains": ["*.com"]},
          |                                                                 ^^^^^^^

        error: `filesystem.denyWrite` must be a list of paths, not missing
         --> @policies/settings.json:3:15
          |
        3 | "filesystem": {"denyRead": "~/.ssh", "allowWrite": ["a**b"], "denyWrte": []}
          |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        error: `filesystem.denyRead` must be a list of paths, not a string
         --> @policies/settings.json:3:28
          |
        3 | "filesystem": {"denyRead": "~/.ssh", "allowWrite": ["a**b"], "denyWrte": []}
          |                            ^^^^^^^^

        error: the path `a**b` has `**` beside other characters: write `*`, or `**` between slashes
         --> @policies/settings.json:3:53
          |
        3 | "filesystem": {"denyRead": "~/.ssh", "allowWrite": ["a**b"], "denyWrte": []}
          |                                                     ^^^^^^
          |
          = note: it belongs to `filesystem.allowWrite`

        error: unknown key `denyWrte` in the section `filesystem`
         --> @policies/settings.json:3:62
          |
        3 | "filesystem": {"denyRead": "~/.ssh", "allowWrite": ["a**b"], "denyWrte": []}
          |                                                              ^^^^^^^^^^
          |
          = help: write `denyWrite`
        "#
    );
    let fine = settings(r#""denyRead": [], "allowWrite": [], "denyWrite": []"#, "");
    insta::assert_snapshot!(refusal(&fine, &["--preset", "agent"]), @"
    error: `--settings FILE` and `--preset agent` are two policies to begin with

      help: decide for one of them
    ");
    let host = host();
    let missing = host
        .sandbox(["touch", "ran"])
        .options(["--settings", "missing.json"])
        .output();
    missing.refuses();
    insta::assert_snapshot!(host.shorten(&missing.errors()), @r#"
    error: cannot read the policy `missing.json`
      caused by: No such file or directory (os error 2)
    "#);
    let directory = host
        .sandbox(["touch", "ran"])
        .options(["--settings", "sub"])
        .output();
    directory.refuses();
    insta::assert_snapshot!(host.shorten(&directory.errors()), @"
    error: `sub` is a directory, not a policy file

      help: name a regular file
    ");
    assert!(!host.has("ran"));
}

#[test]
fn unknown_keys_are_warned_of_or_refused() {
    let text = settings(
        r#""denyRead": [], "alowRead": ["k"], "allowWrite": [], "denyWrite": []"#,
        "",
    );
    let host = host();
    let outcome = run(&host, &text, "echo ran");
    outcome.succeeds().stdout("ran\n");
    insta::assert_snapshot!(host.shorten(&outcome.errors()), @r#"
    warning: unknown key `alowRead` in the section `filesystem`
     --> @policies/settings.json:3:32
      |
    3 | "filesystem": {"denyRead": [], "alowRead": ["k"], "allowWrite": [], "denyWrite": []}
      |                                ^^^^^^^^^^
      |
      = help: write `allowRead`
    "#);
    insta::assert_snapshot!(refusal(&text, &["--strict"]), @r#"
    error: unknown key `alowRead` in the section `filesystem`
     --> @policies/settings.json:3:32
      |
    3 | "filesystem": {"denyRead": [], "alowRead": ["k"], "allowWrite": [], "denyWrite": []}
      |                                ^^^^^^^^^^
      |
      = help: write `allowRead`
    "#);
}

#[test]
fn explain_names_the_key() {
    let host = host();
    let text = settings(
        r#""denyRead": ["key"], "allowWrite": ["."], "denyWrite": [".env"]"#,
        "",
    );
    host.write("@policies/settings.json", text);
    let outcome = host
        .tool([
            "explain",
            "--settings",
            "@policies/settings.json",
            "key",
            ".env",
            "sub/file",
        ])
        .output();
    outcome.succeeds();
    let arguments = [
        "explain",
        "--json",
        "--settings",
        "@policies/settings.json",
        "key",
    ];
    let json = host.tool(arguments).output();
    let json = json.succeeds().text();
    for field in [
        "\"kind\": \"setting\"",
        "\"key\": \"filesystem.denyRead\"",
        "\"column\": 29",
    ] {
        assert!(json.contains(field), "{field} in {json}");
    }
    insta::assert_snapshot!(host.printed(&outcome), @r#"
    deny  read  @ws/key
          by `key` = hide (@policies/settings.json:3:29, `filesystem.denyRead`)
          held by mount namespace: a cover
          not by `.` = write (@policies/settings.json:3:52, `filesystem.allowWrite`): less specific
          not by `/` = read (preset `agent`): less specific
          help: "@ws/key" = "read"
    deny  write @ws/key
          by `key` = hide (@policies/settings.json:3:29, `filesystem.denyRead`)
          held by mount namespace: a cover
          not by `.` = write (@policies/settings.json:3:52, `filesystem.allowWrite`): less specific
          not by `/` = read (preset `agent`): less specific
          help: "@ws/key" = "write"
    allow read  @ws/.env
          by `.env` = read (@policies/settings.json:3:72, `filesystem.denyWrite`)
          it is the host's, read-only
          not by `.` = write (@policies/settings.json:3:52, `filesystem.allowWrite`): less specific
          not by `/` = read (preset `agent`): less specific
    deny  write @ws/.env
          by `.env` = read (@policies/settings.json:3:72, `filesystem.denyWrite`)
          held by mount namespace: read-only
          not by `.` = write (@policies/settings.json:3:52, `filesystem.allowWrite`): less specific
          not by `/` = read (preset `agent`): less specific
          help: "@ws/.env" = "write"
    allow read  @ws/sub/file
          by `.` = write (@policies/settings.json:3:52, `filesystem.allowWrite`)
          it is the host's, writable
          not by `/` = read (preset `agent`): less specific
    allow write @ws/sub/file
          by `.` = write (@policies/settings.json:3:52, `filesystem.allowWrite`)
          it is the host's, writable
          not by `/` = read (preset `agent`): less specific
    "#);
}
