//! Invariants 4, 5 and 24: names are decided, whatever call makes them and whether something is there or not; and a call that is made in a
//! command's place answers as it would have by itself.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use nix::errno::Errno;
use sandbox_testing::{Answer, Calls, Host, Outcome, Run, needs, tool};

/// The control: the same host with kernel and policy, one mechanism apart.
const WITHOUT: [&str; 2] = ["--lower", "notifier=0"];

const HERE: &str = "-100";
const CREATE: &str = "0x41";
const CREATE_NEW: &str = "0xc1";
const MODE: &str = "0x1b6";

/// The script fails to bring about what `is_there` looks for on the host, and does without the notifier.
#[track_caller]
fn never_comes_about(script: &str, is_there: impl Fn(&Host) -> bool) {
    let attacked = Host::new();
    let outcome = attacked.sandbox(["sh", "-c", script]).output();
    assert!(!is_there(&attacked), "{script}\n{}", outcome.show());
    let control = Host::new();
    let command = control.sandbox(["sh", "-c", script]).options(WITHOUT);
    let outcome = command.output();
    assert!(
        is_there(&control),
        "the control: {script}\n{}",
        outcome.show()
    );
}

#[test]
fn a_protected_name_that_does_not_exist_is_not_made() {
    for (script, path) in [
        ("echo x > .envrc", ".envrc"),
        ("mkdir .vscode", ".vscode"),
        ("mkdir -p a/b/.husky", "a/b/.husky"),
        ("mkfifo .npmrc", ".npmrc"),
        ("ln -s /etc/passwd .bashrc", ".bashrc"),
        ("echo x > y; ln y .zshrc", ".zshrc"),
        ("echo x > y; mv y .profile", ".profile"),
        ("mkdir y; mv -T y .idea", ".idea"),
        ("mkdir .git; echo x > .git/commondir", ".git/commondir"),
        (
            "mkdir -p a/.git/modules/b/hooks; echo x > a/.git/modules/b/hooks/pre-commit",
            "a/.git/modules/b/hooks/pre-commit",
        ),
        (
            "mkdir -p a/.git/modules/b/remotes; echo x > a/.git/modules/b/remotes/origin",
            "a/.git/modules/b/remotes/origin",
        ),
    ] {
        never_comes_about(script, |host| host.has(path));
    }
}

#[test]
fn a_parent_that_is_renamed_is_no_way_to_a_protected_name() {
    for (script, path) in [
        ("mkdir g; echo x > g/config; mv -T g .git", ".git/config"),
        // Empty when it is moved, and filled by a descriptor that was opened before.
        (
            "mkdir g; cd g; mv -T ../g ../.git; echo x > config",
            ".git/config",
        ),
        (
            "mkdir -p h/hooks; mkdir .git; mv h/hooks .git/",
            ".git/hooks",
        ),
        ("mkdir -p x/fish; mv -T x .config", ".config/fish"),
        (
            "mkdir -p node_modules/x/.vscode; mv node_modules/x y",
            "y/.vscode",
        ),
    ] {
        never_comes_about(script, |host| host.has(path));
    }
}

#[test]
fn a_link_is_no_way_to_a_protected_name() {
    for (script, path) in [
        (
            "mkdir .git; ln -s .git way; echo x > way/commondir",
            ".git/commondir",
        ),
        (
            "mkdir .git; ln -s commondir .git/other; echo x > .git/other",
            ".git/commondir",
        ),
        ("ln -s .envrc other; echo x > other", ".envrc"),
        ("ln -s \"$PWD/.envrc\" other; echo x > other", ".envrc"),
        ("mkdir a; echo x > a/../.envrc", ".envrc"),
        ("echo x > /proc/self/cwd/.envrc", ".envrc"),
        ("echo x > \"/proc/self/root$PWD/.envrc\"", ".envrc"),
        (
            "mkdir .git; exec 9< .git; echo x > /proc/self/fd/9/commondir",
            ".git/commondir",
        ),
    ] {
        never_comes_about(script, |host| host.has(path));
    }
}

/// A link or a file at the name of a directory says where that is, and the next tool obeys.
#[test]
fn what_leads_to_a_protected_name_is_a_directory_or_not_made() {
    for script in [
        "mkdir g; ln -s g .git",
        "echo 'gitdir: g' > .git",
        "ln -s g link; mv link .git",
        "ln -s g link; ln -P link .git",
        "ln -s g .config",
    ] {
        let is_there = |host: &Host| {
            [".git", ".config"].iter().any(|name| {
                let there = host.path(name).symlink_metadata();
                there.is_ok_and(|there| !there.is_dir())
            })
        };
        never_comes_about(script, is_there);
    }
}

/// Whoever may not move copies, and each name is decided.
#[test]
fn a_move_that_changes_what_is_protected_is_another_device() {
    let host = Host::new();
    let script =
        "mkdir -p g/objects; echo x > g/config; mv -T g .git; ls -A .git; test -d .git/objects";
    let outcome = host.sandbox(["sh", "-c", script]).output();
    outcome.succeeds().stdout("objects\n");
    let rename = Calls::new()
        .call(libc::SYS_mkdirat, [HERE, "s:h", "0x1ff"])
        .call(libc::SYS_renameat2, [HERE, "s:h", HERE, "s:i", "0"])
        .call(libc::SYS_renameat2, [HERE, "s:i", HERE, "s:a/.git", "0"])
        .call(libc::SYS_mkdirat, [HERE, "s:a", "0x1ff"])
        .call(libc::SYS_renameat2, [HERE, "s:i", HERE, "s:a/.git", "0"]);
    let outcome = host.sandbox(rename).output();
    let failed = Answer::Failed;
    assert_eq!(
        Answer::all(&outcome.text()),
        [
            Answer::Returned(0),
            Answer::Returned(0),
            failed(Errno::ENOENT),
            Answer::Returned(0),
            failed(Errno::EXDEV)
        ]
    );
}

/// A file gets a further name only where it might have been written under the one that it has.
#[test]
fn a_second_name_is_no_way_to_a_protected_file() {
    let script = "ln deep/.envrc other && echo x > other || true";
    let host = || Host::new().file("deep/.envrc", "content\n");
    let attacked = host();
    attacked.sandbox(["sh", "-c", script]).output();
    assert_eq!(attacked.read("deep/.envrc"), "content\n");
    assert!(!attacked.has("other"));
    let control = host();
    control
        .sandbox(["sh", "-c", script])
        .options(WITHOUT)
        .output();
    assert_eq!(control.read("deep/.envrc"), "x\n");
}

#[test]
fn what_the_host_makes_at_a_protected_name_is_not_written() {
    for script in [
        "echo x >> deep/.envrc",
        "truncate -s 0 deep/.envrc",
        "mv deep/.envrc deep/other",
    ] {
        let host = || Host::new().file("deep/.envrc", "content\n");
        let (attacked, control) = (host(), host());
        attacked.sandbox(["sh", "-c", script]).output().fails();
        assert_eq!(attacked.read("deep/.envrc"), "content\n", "{script}");
        let command = control.sandbox(["sh", "-c", script]).options(WITHOUT);
        command.output().succeeds();
    }
}

#[test]
fn a_rule_that_names_a_protected_path_opens_it() {
    let host = Host::new().file(".envrc", "old\n");
    let command = host
        .sandbox(["sh", "-c", "echo x > .envrc"])
        .rule("@ws/.envrc = write");
    command.output().succeeds();
    assert_eq!(host.read(".envrc"), "x\n");
}

/// A pattern holds for what comes into being later, too.
#[test]
fn a_pattern_holds_for_what_is_made_later() {
    let run = |host: &Host, options: &[&str]| -> Outcome {
        let command = host.sandbox(["sh", "-c", "mkdir a; echo x > a/key.pem; echo y > a/other"]);
        command
            .rule("@ws/**/*.pem = read")
            .options(options)
            .output()
    };
    let (attacked, control) = (Host::new(), Host::new());
    run(&attacked, &[]);
    assert!(!attacked.has("a/key.pem") && attacked.has("a/other"));
    run(&control, &WITHOUT);
    assert!(control.has("a/key.pem"));
}

/// Nothing is left but what the command made, whatever it asked for.
#[test]
fn nothing_is_left_at_a_protected_name() {
    let host = Host::new();
    let script =
        "for name in .envrc .vscode .git/config .npmrc; do echo x > $name; mkdir $name; done; true";
    host.sandbox(["sh", "-c", script]).output();
    let names: Vec<_> = fs::read_dir(host.path("@ws")).unwrap().collect();
    assert!(names.is_empty(), "{names:?}");
}

/// Calls whose answers are the kernel's own, with nothing before them but what they make.
#[expect(clippy::too_many_lines, reason = "a table")]
fn ordinary_calls() -> Calls {
    let name_of_256 = format!("s:{}", "n".repeat(256));
    let path_of = |length: usize| {
        format!(
            "s:{}",
            format!("{}x", "./".repeat(length / 2))
                .get(..length)
                .unwrap()
        )
    };
    let (fits, too_long) = (
        format!("{}x", path_of(4094)),
        format!("{}xx", path_of(4094)),
    );
    Calls::new()
        // What is not there, or is not what it should be.
        .call(libc::SYS_openat, [HERE, "s:file", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, "s:file", CREATE_NEW, MODE])
        .call(libc::SYS_openat, [HERE, "s:missing", "1"])
        .call(libc::SYS_openat, [HERE, "s:missing/x", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, "s:file/x", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, "s:file/", "1"])
        .call(libc::SYS_openat, [HERE, "s:.", "1"])
        .call(libc::SYS_openat, [HERE, "s:.", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, "s:fresh/", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, "s:", CREATE, MODE])
        .call(libc::SYS_openat, ["999", "s:x", CREATE, MODE])
        .call(libc::SYS_openat, ["r:0", "s:x", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, "0", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, "0x7ffffffff000", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, &name_of_256, CREATE, MODE])
        .call(libc::SYS_openat, [HERE, &fits, CREATE, MODE])
        .call(libc::SYS_openat, [HERE, &too_long, CREATE, MODE])
        // Text that ends with the last byte before a missing page, and text that does not end.
        .call(libc::SYS_mmap, ["0", "8192", "3", "0x22", "-1", "0"])
        .call(libc::SYS_munmap, ["p:17,4096", "4096"])
        .call(
            libc::SYS_readlinkat,
            [HERE, "s:/proc/self/exe", "p:17,4090", "5"],
        )
        .call(libc::SYS_openat, [HERE, "p:17,4090", CREATE, MODE])
        .call(
            libc::SYS_readlinkat,
            [HERE, "s:/proc/self/exe", "p:17,4090", "6"],
        )
        .call(libc::SYS_openat, [HERE, "p:17,4090", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, "p:17,4095", CREATE, MODE])
        // Links.
        .call(libc::SYS_symlinkat, ["s:loop", HERE, "s:loop"])
        .call(libc::SYS_symlinkat, ["s:target", HERE, "s:dangling"])
        .call(libc::SYS_symlinkat, ["s:", HERE, "s:empty"])
        .call(libc::SYS_symlinkat, ["s:x", HERE, "s:file"])
        .call(libc::SYS_symlinkat, ["s:x", HERE, "s:new/"])
        .call(libc::SYS_openat, [HERE, "s:loop", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, "s:loop/x", CREATE, MODE])
        .call(libc::SYS_openat, [HERE, "s:dangling", CREATE_NEW, MODE])
        .call(libc::SYS_openat, [HERE, "s:dangling", "0x20041", MODE])
        .call(libc::SYS_openat, [HERE, "s:dangling", "1"])
        .call(libc::SYS_openat, [HERE, "s:dangling", CREATE, MODE])
        // Directories.
        .call(libc::SYS_mkdirat, [HERE, "s:dir", "0x1ff"])
        .call(libc::SYS_mkdirat, [HERE, "s:dir", "0x1ff"])
        .call(libc::SYS_mkdirat, [HERE, "s:slash/", "0x1ff"])
        .call(libc::SYS_mkdirat, [HERE, "s:.", "0x1ff"])
        .call(libc::SYS_mkdirat, [HERE, "s:..", "0x1ff"])
        .call(libc::SYS_mkdirat, [HERE, "s:/", "0x1ff"])
        .call(libc::SYS_mkdirat, [HERE, "s:dangling", "0x1ff"])
        .call(libc::SYS_openat, [HERE, "s:dir", "1"])
        .call(libc::SYS_openat, [HERE, "s:dir", "0x10000"])
        .call(libc::SYS_openat, ["r:43", "s:within", CREATE, MODE])
        .call(libc::SYS_openat, ["r:43", "s:../beside", CREATE, MODE])
        // Names.
        .call(libc::SYS_linkat, [HERE, "s:file", HERE, "s:hard", "0"])
        .call(libc::SYS_linkat, [HERE, "s:file", HERE, "s:hard", "0"])
        .call(libc::SYS_linkat, [HERE, "s:missing", HERE, "s:other", "0"])
        .call(libc::SYS_linkat, [HERE, "s:dir", HERE, "s:other", "0"])
        .call(libc::SYS_linkat, [HERE, "s:file", HERE, "s:other", "0x77"])
        .call(
            libc::SYS_linkat,
            [HERE, "s:dangling", HERE, "s:second", "0"],
        )
        .call(
            libc::SYS_linkat,
            [HERE, "s:dangling", HERE, "s:third", "0x400"],
        )
        .call(libc::SYS_renameat2, [HERE, "s:missing", HERE, "s:x", "0"])
        .call(libc::SYS_renameat2, [HERE, "s:dir", HERE, "s:hard", "0"])
        .call(libc::SYS_renameat2, [HERE, "s:hard", HERE, "s:dir", "0"])
        .call(libc::SYS_renameat2, [HERE, "s:hard", HERE, "s:file", "1"])
        .call(libc::SYS_renameat2, [HERE, "s:hard", HERE, "s:beside", "2"])
        .call(libc::SYS_renameat2, [HERE, "s:hard", HERE, "s:beside", "3"])
        .call(
            libc::SYS_renameat2,
            [HERE, "s:dir", HERE, "s:dir/below", "0"],
        )
        .call(libc::SYS_renameat2, [HERE, "s:.", HERE, "s:x", "0"])
        .call(libc::SYS_renameat2, [HERE, "s:hard/", HERE, "s:x", "0"])
        .call(libc::SYS_renameat2, [HERE, "s:dir", HERE, "s:moved/", "0"])
        .call(libc::SYS_mknodat, [HERE, "s:fifo", "0x11b6", "0"])
        .call(libc::SYS_mknodat, [HERE, "s:fifo", "0x11b6", "0"])
        .call(libc::SYS_mknodat, [HERE, "s:regular", "0x81b6", "0"])
        .call(libc::SYS_openat, [HERE, "s:fifo", "0x801"])
        .call(libc::SYS_truncate, ["s:file", "5"])
        .call(libc::SYS_truncate, ["s:dir", "5"])
        .call(libc::SYS_truncate, ["s:moved", "5"])
        .call(libc::SYS_truncate, ["s:missing", "5"])
        .call(libc::SYS_truncate, ["s:file", "-5"])
        // What a descriptor is afterwards.
        .call(libc::SYS_openat, [HERE, "s:file", "0x80401"])
        .call(libc::SYS_fcntl, ["r:72", "1"])
        .call(libc::SYS_fcntl, ["r:72", "3"])
        .call(libc::SYS_openat, [HERE, "s:file", "0x802"])
        .call(libc::SYS_fcntl, ["r:75", "1"])
        .call(libc::SYS_fcntl, ["r:75", "3"])
        // A file without a name, and one with it by its descriptor.
        .call(libc::SYS_openat, [HERE, "s:.", "0x410002", "0x180"])
        .call(libc::SYS_openat, [HERE, "s:file", "0x410002", "0x180"])
        // The umask of now, not of the start.
        .call(libc::SYS_umask, ["0x3f"])
        .call(libc::SYS_openat, [HERE, "s:closed", CREATE, "0x1b6"])
        .call(libc::SYS_mkdirat, [HERE, "s:closed-dir", "0x1ff"])
        // A directory that is gone, and what is above it.
        .call(libc::SYS_mkdirat, [HERE, "s:gone", "0x1ff"])
        .call(libc::SYS_chdir, ["s:gone"])
        .call(libc::SYS_openat, [HERE, "s:before", CREATE, MODE])
        .call(libc::SYS_unlinkat, [HERE, "s:before", "0"])
        .call(libc::SYS_unlinkat, [HERE, "s:../gone", "0x200"])
        .call(libc::SYS_openat, [HERE, "s:after", CREATE, MODE])
        .call(libc::SYS_mkdirat, [HERE, "s:after", "0x1ff"])
        .call(libc::SYS_openat, [HERE, "s:../above", CREATE, MODE])
}

/// Names, kinds and modes below a directory.
fn tree(host: &Host) -> Vec<String> {
    let mut all = Vec::new();
    let mut left = vec![host.path("@ws")];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_dir() {
                left.push(path.clone());
            }
            let kind = if metadata.file_type().is_fifo() {
                "fifo"
            } else {
                ""
            };
            let mode = metadata.permissions().mode();
            all.push(format!(
                "{} {mode:o} {} {kind}",
                host.shorten(&path.to_string_lossy()),
                metadata.len()
            ));
        }
    }
    all.sort();
    all
}

#[test]
fn a_call_answers_as_it_would_without_a_sandbox() {
    let (confined, bare) = (Host::new(), Host::new());
    let inside = confined.sandbox(ordinary_calls()).output();
    let outside = bare.bare(ordinary_calls()).output();
    let words: Vec<String> = ordinary_calls().into_iter().collect();
    let calls = words.get(2..).unwrap().split(|word| word == "--");
    let (inside, outside) = (Answer::all(&inside.text()), Answer::all(&outside.text()));
    for ((call, inside), outside) in calls.zip(&inside).zip(&outside) {
        // An address, or a number of a descriptor: which ones are free is the process's own affair.
        let is_any = [libc::SYS_mmap, libc::SYS_openat].map(|number| number.to_string());
        let is_done = |answer: &Answer| matches!(answer, Answer::Returned(_));
        let is_any = call.first().is_some_and(|number| is_any.contains(number));
        assert!(
            inside == outside || is_any && is_done(inside) && is_done(outside),
            "{call:.60?}: {inside} instead of {outside}"
        );
    }
    assert_eq!(inside.len(), outside.len());
    // A directory's size is the file system's business.
    assert_eq!(tree(&confined), tree(&bare));
}

/// A descriptor that leads to a file gives no more than it was opened for, unless the file might be opened for that by its name.
#[test]
fn a_descriptor_is_not_opened_again_for_more() {
    let calls = |file: &str, flags: &str, again: &str| {
        Calls::new()
            .call(libc::SYS_openat, [HERE, file, flags])
            .call(libc::SYS_openat, [HERE, "s:/proc/self/fd/3", again])
            .call(libc::SYS_openat, [HERE, "s:/proc/thread-self/fd/3", again])
            .call(libc::SYS_openat, [HERE, "s:/dev/fd/3", again])
            .call(libc::SYS_openat, [HERE, "s:link", again])
            .call(libc::SYS_truncate, ["s:/proc/self/fd/3", "9"])
    };
    let host = || {
        let host = Host::new()
            .file("file", "content\n")
            .file("deep/.envrc", "content\n");
        host.symlink("link", "/proc/self/fd/3")
    };
    let answers = |host: &Host, calls, options: &[&str]| {
        let outcome = host.sandbox(calls).options(options).output();
        Answer::all(&outcome.text())
    };
    let attacked = host();
    for more in ["1", "2", "0x200"] {
        let denied = [Answer::Failed(Errno::EACCES); 5];
        for file in ["s:deep/.envrc", "s:/etc/passwd"] {
            let answers = answers(&attacked, calls(file, "0", more), &[]);
            assert_eq!(answers.get(1..), Some(&denied[..]), "{file} {more}");
        }
    }
    assert_eq!(attacked.read("deep/.envrc"), "content\n");
    let mut opened: Vec<_> = (3..8).map(Answer::Returned).collect();
    opened.push(Answer::Returned(0));
    for (file, flags) in [("s:file", "0"), ("s:file", "2")] {
        assert_eq!(answers(&attacked, calls(file, flags, "1"), &[]), opened);
    }
    let control = answers(&host(), calls("s:deep/.envrc", "0", "1"), &WITHOUT);
    assert_eq!(control, opened);
}

/// What is in the sandbox's own `/proc` of other processes, init among them, is nobody's way to a file.
#[test]
fn another_process_is_no_way_to_a_file() {
    let host = Host::new();
    let script = "echo x > /proc/1/root/$PWD/a; echo x > /proc/1/cwd/a; echo x > /proc/1/fd/1; echo 5 > /proc/1/oom_score_adj; echo x > /proc/self/mem; true";
    let outcome = host.sandbox(["sh", "-c", script]).output();
    outcome.succeeds();
    assert_eq!(outcome.errors().lines().count(), 5, "{}", outcome.show());
    assert_eq!(tree(&host), [""; 0]);
}

#[test]
fn the_standard_streams_are_opened_by_their_names() {
    let host = Host::new();
    let script = "echo out > /dev/stdout; echo fd > /dev/fd/1; echo err > /dev/stderr; echo x | tee /dev/stderr";
    let outcome = host.sandbox(["sh", "-ec", script]).output();
    outcome.succeeds().stdout("out\nfd\nx\n");
    assert_eq!(outcome.errors(), "err\nx\n");
}

/// Whoever opens a FIFO waits for its other end, and keeps nobody else waiting.
#[test]
fn a_fifo_that_nobody_reads_holds_up_nobody() {
    let host = Host::new();
    let script = "mkfifo f g
        echo through > f & echo other > g &
        for i in 1 2 3 4 5 6 7 8; do echo $i > file; done
        cat f; cat g; wait; cat file";
    let outcome = host.sandbox(["sh", "-ec", script]).output();
    outcome.succeeds().stdout("through\nother\n8\n");
}

/// It is killed like any other.
#[test]
fn a_command_that_waits_for_a_fifo_ends_by_its_signal() {
    let host = Host::new();
    let mut waits = host
        .sandbox(["sh", "-ec", "mkfifo f; echo ready; echo x > f"])
        .start();
    waits.prints("ready");
    waits.signal(nix::sys::signal::Signal::SIGTERM);
    waits.wait().exits(143);
}

/// Its memory can be read by whoever made the sandbox, as far as its owner is known inside.
#[test]
fn a_program_that_can_only_be_executed_makes_names() {
    let Some(touch) = tool("touch") else {
        needs("touch", false);
        return;
    };
    let host = Host::new();
    fs::copy(touch, host.path("touch")).unwrap();
    fs::set_permissions(host.path("touch"), fs::Permissions::from_mode(0o111)).unwrap();
    host.sandbox(["./touch", "made"]).output().succeeds();
    assert!(host.has("made"));
    host.sandbox(["./touch", ".envrc"]).output().fails();
    assert!(!host.has(".envrc"));
}

/// It would fail the second time: what it makes is there by then.
#[test]
fn a_signal_does_not_make_a_call_twice() {
    let Some(python) = tool("python3") else {
        needs("python3", false);
        return;
    };
    let script = r#"
import os, signal, threading
hits = 0
def count(*_):
    global hits
    hits += 1
signal.signal(signal.SIGALRM, count)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
for number in range(3000):
    os.close(os.open("f%d" % number, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
signal.setitimer(signal.ITIMER_REAL, 0)
print("interrupted" if hits > 10 else "never")
"#;
    let host = Host::new();
    let command: Run<'_> = host.sandbox([python.as_os_str(), "-c".as_ref(), script.as_ref()]);
    command.output().succeeds().stdout("interrupted\n");
}
