//! What rules let be made in directories that can only be read: a name that is not there at the start, and what a pattern matches.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;

use sandbox_testing::{Host, Outcome};

const NEW: &str = r#"
extends = ["agent"]
[files]
"@ws" = "read"
"@ws/new" = { access = "write", optional = true }
"@ws/made.txt" = { access = "write", optional = true }
"@ws/src/**/*.ts" = "write"
"@ws/src/*/dist" = "write"
"#;

fn host() -> Host {
    Host::new()
        .file("kept", "kept\n")
        .file("src/a/kept.js", "kept\n")
        .symlink("src/a/link.ts", "../../kept")
        .file("~/notes", "notes\n")
}

#[track_caller]
fn run(host: &Host, script: &str) -> Outcome {
    host.sandbox(["sh", "-c", script]).policy(NEW).output()
}

#[test]
fn a_directory_that_is_not_there_is_made_and_is_as_any_other() {
    let host = host();
    let script = "mkdir new && echo x > new/a && chmod 640 new/a && mv new/a new/b && mkdir -p new/c/d && ln -s b new/l \
        && touch -d @0 new/b && rmdir new/c/d && rm -r new/c && echo y > made.txt && echo z >> made.txt";
    run(&host, script).succeeds();
    assert_eq!(host.read("new/b"), "x\n");
    assert!(host.has("new/l") && !host.has("new/c"));
    assert_eq!(host.read("made.txt"), "y\nz\n");
    // By now it is there when the policy is resolved.
    run(&host, "rm -r new/* && echo x > new/a").succeeds();
    assert_eq!(host.read("new/a"), "x\n");
}

#[test]
fn a_pattern_lets_files_and_directories_be_made() {
    let host = host();
    let script = "echo x > src/a/m.ts && echo y >> src/a/m.ts && mkdir src/d.ts && mkdir src/a/dist && echo z > src/a/dist/f \
        && rm src/a/dist/f && echo w > src/a/dist/g && : > src/a/empty.ts && printf 12345 > src/long.ts && truncate -s 2 src/long.ts";
    run(&host, script).succeeds();
    assert_eq!(host.read("src/a/m.ts"), "x\ny\n");
    assert_eq!(host.read("src/a/dist/g"), "w\n");
    assert_eq!(host.read("src/long.ts"), "12");
    assert!(host.has("src/d.ts") && !host.has("src/a/dist/f"));
}

#[test]
fn nothing_else_is_made_or_changed_there() {
    for script in [
        "mkdir other",
        "echo x > other",
        "echo x > kept",
        "rm kept",
        "mv kept new",
        "mv src new",
        "ln kept new",
        "ln kept src/a/hard.ts",
        "ln -s ~/notes src/a/soft.ts",
        "ln -s ~/notes new",
        "mkfifo src/a/fifo.ts",
        "echo x > src/a/link.ts",
        "echo x > src/a/m.js",
        "echo x > src/a/m.ts && mv src/a/m.ts src/a/m.js",
        "mkdir src/a/dist && mv src/a/dist src/b",
        "mkdir new && mv new other",
        "mkdir new && ln kept new/hard && echo x > new/hard",
        "mkdir new && echo x > new/../other",
        "mkdir new && ln -s ../kept new/link && echo x > new/link",
        "mkdir new && mkdir -p new/.git/hooks && echo x > new/.git/hooks/pre-commit",
        "mkdir new && echo x > new/.envrc",
        "mkdir src/.vscode.ts src/a/.vscode",
    ] {
        let attacked = host();
        run(&attacked, script).fails();
        let is_made = [
            "other",
            "src/a/m.js",
            "src/a/.vscode",
            "src/b",
            "src/a/hard.ts",
        ];
        assert!(!is_made.iter().any(|path| attacked.has(path)), "{script}");
        assert!(!attacked.has("new/.envrc"), "{script}");
        assert!(!attacked.has("new/.git/hooks/pre-commit"), "{script}");
        assert_eq!(attacked.read("kept"), "kept\n", "{script}");
        assert_eq!(attacked.read("~/notes"), "notes\n", "{script}");
        // The control.
        host().bare(["sh", "-c", script]).output().succeeds();
    }
}

/// Nor by a link that is there before the name is made.
#[test]
fn what_the_host_puts_in_the_way_is_not_written_to() {
    let host = host().dir("aside").file("aside/key", "SECRET\n");
    let mut command = host
        .sandbox([
            "sh",
            "-c",
            "echo ready; until [ -L new ]; do sleep 0.01; done; echo x > new/key; mkdir new; echo x > new/key",
        ])
        .policy(NEW)
        .start();
    command.prints("ready");
    symlink(host.path("aside"), host.path("new")).unwrap();
    command.wait().fails();
    assert_eq!(host.read("aside/key"), "SECRET\n");
}

/// No mount keeps anybody from writing to a FIFO: the notifier and Landlock do, around what is opened as well.
#[test]
fn a_fifo_of_the_hosts_is_not_written_to() {
    let written = |rule: &str| {
        let host = host().dir("deep");
        let fifo = host.path("deep/fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        // For both, so that nobody waits.
        let mut open = fs::File::options();
        let mut reader = open.read(true).write(true).open(&fifo).unwrap();
        let script = "echo x > deep/fifo";
        let command = host.sandbox(["sh", "-c", script]).policy(NEW).rule(rule);
        let outcome = command.output();
        let mut line = [0; 2];
        let is_written = outcome.code() == Some(0);
        if is_written {
            reader.read_exact(&mut line).unwrap();
        }
        (is_written, line)
    };
    assert_eq!(written("@ws/none = hide"), (false, [0; 2]));
    assert_eq!(written("@ws/deep = write"), (true, *b"x\n"), "control");
}

/// A mount goes with what the host moves: what only could be read stays so, whatever its name is then.
#[test]
fn what_the_host_moves_into_the_pattern_is_read_only_still() {
    let attack = |rule: &str| {
        let host = host()
            .file("src/rw/keep", "kept\n")
            .file("src/rw/ro/f", "kept\n");
        let script = "echo ready; until [ -e src/rw/ro2.ts ]; do sleep 0.01; done; \
            echo x > src/rw/keep2.ts; echo x > src/rw/ro2.ts/f; mkdir src/rw/ro2.ts/dist; echo x > src/rw/ro2.ts/new.ts; echo x > src/rw/own";
        let command = host.sandbox(["sh", "-c", script]).policy(NEW);
        let command = command
            .rule("@ws/src/rw = write")
            .rule("@ws/src/rw/ro = read");
        let mut command = command.rule(rule).start();
        command.prints("ready");
        for (from, to) in [("keep", "keep2.ts"), ("ro", "ro2.ts")] {
            let rw = host.path("src/rw");
            fs::rename(rw.join(from), rw.join(to)).unwrap();
        }
        command.wait();
        assert_eq!(host.read("src/rw/own"), "x\n", "control");
        assert_eq!(host.read("src/rw/ro2.ts/f"), "kept\n");
        assert!(!host.has("src/rw/ro2.ts/new.ts") && !host.has("src/rw/ro2.ts/dist"));
        host.read("src/rw/keep2.ts")
    };
    assert_eq!(attack("@ws/src/rw/keep = read"), "kept\n");
    assert_eq!(attack("@ws/src/rw/none = hide"), "x\n", "control");
}

/// A mount for each would be more than any init holds.
#[test]
fn as_many_matches_as_a_command_likes_keep_nobody_from_starting() {
    let host = host();
    let make = "i=0; while [ $i -lt 4200 ]; do : > src/a/$i.ts; i=$((i+1)); done";
    run(&host, make).succeeds();
    run(&host, "echo x > src/a/4199.ts && echo x > src/a/new.ts").succeeds();
    assert_eq!(host.read("src/a/4199.ts"), "x\n");
    run(&host, "echo x > src/a/kept.js").fails();
}

#[test]
fn what_the_host_makes_there_meanwhile_can_be_written() {
    let host = host();
    let script = "echo ready; until rm new/file 2>/dev/null; do sleep 0.01; done; mkdir new/sub && echo x > new/sub/f";
    let mut command = host.sandbox(["sh", "-c", script]).policy(NEW).start();
    command.prints("ready");
    fs::create_dir(host.path("new")).unwrap();
    host.write("new/file", "");
    command.wait().succeeds();
    assert!(!host.has("new/file"));
    assert_eq!(host.read("new/sub/f"), "x\n");
}

/// Where nobody decides by name nothing is opened.
#[test]
fn without_a_notifier_nothing_is_made_there() {
    let host = host();
    let made = host
        .sandbox([
            "sh",
            "-c",
            "mkdir new; echo x > made.txt; echo x > src/a/m.ts; true",
        ])
        .policy(NEW)
        .options(["--lower", "notifier=0"])
        .output();
    made.succeeds();
    assert!(
        !["new", "made.txt", "src/a/m.ts"]
            .iter()
            .any(|path| host.has(path))
    );
    let file = host.policy(&host.expand(NEW)).display().to_string();
    let explained = |options: &[&str]| {
        let question = ["explain", "--policy", &file, "--write", "new"];
        let question = question.iter().chain(options);
        host.tool(question).output().text()
    };
    let allowed = explained(&[]);
    assert!(allowed.contains("allow write"), "{allowed}");
    let denied = explained(&["--lower", "notifier=0"]);
    assert!(
        denied.contains("deny  write") && denied.contains("nobody makes it here"),
        "{denied}"
    );
}
