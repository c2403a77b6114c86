//! Invariants 2 and 7: nothing changes outside of what may be written, and nothing made inside carries a privilege.

use sandbox_testing::{Calls, Host, is_root, needs_ordinary_user, needs_root};
use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
};

fn host() -> Host {
    Host::new()
        .file("@outside/tree/file", "content\n")
        .dir("@outside/empty")
        .file("mine", "mine\n")
}

/// The script, run in `@outside`, fails and changes nothing where that may be read, and works where it may be written.
#[track_caller]
fn writes_only_by_rule(script: &str) {
    let script = format!("cd @outside && {script}");
    let command = ["sh", "-ec", &script];
    let attacked = host();
    let before = attacked.snapshot_outside();
    let outcome = attacked.run("@outside = read", command);
    outcome.fails();
    before.is_unchanged();
    host().run("@outside = write", command).succeeds();
}

#[test]
fn no_content_is_changed() {
    writes_only_by_rule("echo more >> public");
    writes_only_by_rule("echo other > public");
    writes_only_by_rule("echo other | dd of=public conv=notrunc");
    writes_only_by_rule("truncate -s 0 public");
    writes_only_by_rule("cp @ws/mine public");
    writes_only_by_rule("fallocate -l 1M public");
}

#[test]
fn no_name_is_made() {
    writes_only_by_rule("echo x > fresh");
    writes_only_by_rule("mkdir fresh");
    writes_only_by_rule("mkfifo fresh");
    writes_only_by_rule("ln -s public fresh");
    writes_only_by_rule("ln public fresh");
    writes_only_by_rule("mv @ws/mine fresh");
    writes_only_by_rule("mktemp -p .");
}

#[test]
fn no_name_is_changed_or_removed() {
    writes_only_by_rule("mv public other");
    writes_only_by_rule("mv public @ws/taken");
    writes_only_by_rule("mv tree empty/");
    writes_only_by_rule("rm public");
    writes_only_by_rule("rmdir empty");
    writes_only_by_rule("rm -r tree");
    writes_only_by_rule("mv -f @ws/mine public");
}

#[test]
fn no_metadata_is_changed() {
    writes_only_by_rule("chmod 600 public");
    writes_only_by_rule("chmod u+x .");
    writes_only_by_rule("chown $(id -u) public");
    writes_only_by_rule("chgrp -h $(id -g) public");
    writes_only_by_rule("touch public");
    writes_only_by_rule("touch -d 2001-01-01 public tree");
}

#[test]
fn nothing_is_changed_by_another_way_to_the_same_place() {
    writes_only_by_rule("ln -s @outside @ws/l && echo x > @ws/l/fresh");
    writes_only_by_rule("ln -s @outside/public @ws/l && echo x >> @ws/l");
    writes_only_by_rule("ln -s @outside/fresh @ws/l && echo x > @ws/l");
    writes_only_by_rule("echo x > /proc/self/root$PWD/fresh");
    writes_only_by_rule("cd @ws && echo x > /proc/self/cwd/../outside/fresh");
    writes_only_by_rule("exec 3<public && echo x > /proc/self/fd/3");
    writes_only_by_rule("exec 3<. && echo x > /proc/self/fd/3/fresh");
}

#[test]
fn nothing_is_changed_through_a_hard_link() {
    let attack = [
        "sh",
        "-c",
        "ln ../outside/public h && echo x >> h; echo x >> h",
    ];
    let host = host();
    let before = host.snapshot_outside();
    host.sandbox(attack).output();
    before.is_unchanged();
    let control = self::host();
    control.bare(attack).output().succeeds();
    assert_eq!(control.read("@outside/public"), "public\nx\nx\n");
}

/// The calls, unconfined, change `@outside`; confined they do not.
#[track_caller]
fn calls_change_nothing(calls: &Calls) {
    let attacked = host();
    let before = attacked.snapshot_outside();
    attacked.sandbox(calls.clone()).output();
    before.is_unchanged();

    let control = host();
    let before = control.snapshot_outside();
    control.bare(calls.clone()).output().succeeds();
    let changed = std::panic::catch_unwind(|| before.is_unchanged()).is_err();
    assert!(
        changed,
        "control: the calls should change something: {calls:?}"
    );
}

#[test]
fn nothing_is_changed_by_rare_calls() {
    const READ: &str = "0";
    const READ_TRUNCATE: &str = "0x200";
    const PATH_ONLY: &str = "0x200000";
    const CREATE_WRITE: &str = "0x41";
    const TEMPORARY_WRITE: &str = "0x410001";
    let file = "s:@outside/public";
    for calls in [
        // Truncation by an open for reading.
        Calls::new().call(libc::SYS_openat, ["-100", file, READ_TRUNCATE]),
        Calls::new().call(libc::SYS_truncate, [file, "1"]),
        // From a descriptor that is only a path.
        Calls::new()
            .call(libc::SYS_openat, ["-100", "s:@outside", PATH_ONLY])
            .call(libc::SYS_openat, ["r:0", "s:fresh", CREATE_WRITE, "0x1a4"]),
        // A file without a name, given one.
        Calls::new()
            .call(
                libc::SYS_openat,
                ["-100", "s:@outside", TEMPORARY_WRITE, "0x1a4"],
            )
            .call(
                libc::SYS_linkat,
                [
                    "-100",
                    "s:/proc/self/fd/3",
                    "-100",
                    "s:@outside/fresh",
                    "0x400",
                ],
            ),
        // Two names exchanged, one of them outside.
        Calls::new().call(
            libc::SYS_renameat2,
            ["-100", "s:@ws/mine", "-100", file, "2"],
        ),
        Calls::new().call(
            libc::SYS_setxattr,
            [file, "s:user.test", "s:value", "5", "0"],
        ),
        Calls::new().call(
            libc::SYS_mknodat,
            ["-100", "s:@outside/fresh", "0x81a4", "0"],
        ),
        Calls::new().call(libc::SYS_utimensat, ["-100", file, "0", "0"]),
        Calls::new()
            .call(libc::SYS_openat, ["-100", file, READ])
            .call(libc::SYS_fchmod, ["r:0", "0x180"]),
        Calls::new()
            .call(libc::SYS_openat, ["-100", file, READ])
            .call(libc::SYS_utimensat, ["r:0", "0", "0", "0"]),
        Calls::new()
            .call(libc::SYS_openat, ["-100", file, READ])
            .call(
                libc::SYS_fsetxattr,
                ["r:0", "s:user.test", "s:value", "5", "0"],
            ),
        // FS_IOC_SETFLAGS: no access times.
        Calls::new()
            .call(libc::SYS_openat, ["-100", file, READ])
            .call(libc::SYS_ioctl, ["r:0", "0x40086602", "x:8000000000000000"]),
    ] {
        calls_change_nothing(&calls);
    }
}

#[test]
fn no_lease_is_taken_on_a_file_outside() {
    // F_SETLEASE, F_RDLCK.
    let calls = Calls::new()
        .call(libc::SYS_openat, ["-100", "s:@outside/public", "0"])
        .call(libc::SYS_fcntl, ["r:0", "1024", "0"]);
    let host = host();
    let answers = host.sandbox(calls.clone()).output().text();
    assert!(answers.contains("errno"), "{answers}");
    let answers = host.bare(calls).output().text();
    assert!(!answers.contains("errno"), "control: {answers}");
}

#[test]
fn nothing_is_written_into_a_fifo_outside() {
    // O_NONBLOCK: an open for writing answers at once, whether there is a reader or not.
    let write = [
        "dd",
        "if=mine",
        "of=@outside/fifo",
        "oflag=nonblock",
        "conv=notrunc",
    ];
    let host = host();
    let fifo = host.path("@outside/fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let mut reader = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&fifo)
        .unwrap();
    let mut heard = || reader.read(&mut [0; 64]).unwrap_or(0);
    host.run("@outside = read", write);
    assert_eq!(heard(), 0, "something came out of the sandbox");
    host.run("@outside = write", write).succeeds();
    assert_eq!(heard(), 5, "control");
}

#[test]
fn no_mount_opens_what_is_read_only() {
    let script = "unshare -Urm sh -c 'mount -o remount,rw,bind / ; mount -o remount,rw,bind @outside; umount -l @outside; \
                  mount --bind @ws @outside; echo x > @outside/fresh; true'; mount -o remount,rw,bind /; echo x > @outside/fresh; true";
    let host = host();
    let before = host.snapshot_outside();
    host.sandbox(["sh", "-c", script]).output();
    before.is_unchanged();
}

#[test]
fn the_workspace_is_written_for_real() {
    let host = host();
    host.sandbox(["sh", "-ec", "echo made > new; mkdir -p d/e; mv new d/e/; ln -s d l; chmod 755 mine; rm -r src 2>/dev/null || true"])
        .output()
        .succeeds();
    assert_eq!(host.read("d/e/new"), "made\n");
    assert_eq!(fs::read_link(host.path("l")).unwrap().to_str(), Some("d"));
    let data = fs::metadata(host.path("d/e/new")).unwrap();
    let user = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    assert_eq!((data.uid(), data.gid()), user, "the owner is the person");
}

#[test]
fn a_readable_directory_in_the_workspace_stays_as_it_is() {
    let host = host().file("fixed/file", "content\n");
    let before = host.snapshot("fixed");
    let attack = [
        "sh",
        "-c",
        "echo x > fixed/fresh; echo x >> fixed/file; rm -r fixed; mv fixed moved; echo x > moved/file; true",
    ];
    host.run("fixed = read", attack);
    before.is_unchanged();
    host.run("fixed = write", attack);
    assert!(!host.has("fixed/file"), "control: it should be gone");
}

/// The first script closes or moves something, the second one opens it and writes there: `kept` stays as it was. The
/// control is the same without a sandbox.
#[track_caller]
fn is_kept_in_the_next_run(options: &[&str], kept: &str, first: &str, second: &str) {
    let host = || {
        Host::new()
            .file(".git/hooks/pre-commit", "old\n")
            .file(".git/config", "old\n")
            .file(".git/modules/a/config", "old\n")
            .file("a/fixed/file", "old\n")
    };
    let attacked = host();
    for script in [first, second] {
        let sandbox = attacked.sandbox(["sh", "-c", script]);
        sandbox.options(options.iter().copied()).output();
    }
    attacked.bare(["chmod", "-R", "u+rwx", "."]).output();
    assert_eq!(attacked.read(kept), "old\n", "{first}; {second}");

    let control = host();
    for script in [first, second] {
        control.bare(["sh", "-c", script]).output();
    }
    let is_kept = control.has(kept) && control.read(kept) == "old\n";
    assert!(!is_kept, "control: {first}; {second}");
}

#[test]
fn what_is_protected_stays_as_it_is_in_a_directory_that_the_last_run_closed() {
    if !needs_ordinary_user() {
        return;
    }
    for mode in ["000", "311", "444"] {
        for (closed, kept) in [
            (".git", ".git/hooks/pre-commit"),
            (".git", ".git/config"),
            (".git/modules", ".git/modules/a/config"),
            (".git/modules/a", ".git/modules/a/config"),
        ] {
            let first = format!("chmod {mode} {closed}");
            let second = format!("chmod 755 {closed}; rm -f {kept}; echo bad > {kept}");
            is_kept_in_the_next_run(&[], kept, &first, &second);
        }
    }
}

#[test]
fn what_is_only_read_stays_where_it_is_for_the_next_run() {
    let second = "echo bad > b/fixed/file; echo bad > a/fixed/file";
    is_kept_in_the_next_run(&["--read", "a/fixed"], "a/fixed/file", "mv a b", second);
}

#[test]
fn a_scratch_directory_is_empty_private_and_gone_afterwards() {
    let host = host().file("target/old", "old\n");
    let before = host.snapshot("target");
    host.run(
        "target = scratch",
        [
            "sh",
            "-ec",
            "ls -A target; echo x > target/new; cat target/new",
        ],
    )
    .succeeds()
    .stdout("x");
    before.is_unchanged();
    host.run(
        "target = write",
        ["sh", "-ec", "ls -A target; echo x > target/new"],
    )
    .stdout("old");
    assert!(host.has("target/new"), "control");
}

#[test]
fn set_id_bits_do_not_reach_the_host() {
    let bits = |host: &Host, name: &str| {
        fs::symlink_metadata(host.path(name)).map_or(0, |data| data.permissions().mode() & 0o6000)
    };
    let by_open = Calls::new().call(libc::SYS_openat, ["-100", "s:@ws/set", "0x41", "0x9ed"]);
    let by_mknod = Calls::new().call(libc::SYS_mknodat, ["-100", "s:@ws/set", "0x89ed", "0"]);
    let by_fchmod = Calls::new()
        .call(libc::SYS_openat, ["-100", "s:@ws/set", "0x41", "0x1ed"])
        .call(libc::SYS_fchmod, ["r:0", "0x9ed"]);
    let by_fchmodat2 = Calls::new()
        .call(libc::SYS_openat, ["-100", "s:@ws/set", "0x41", "0x1ed"])
        // Its number is the same everywhere.
        .call(452, ["-100", "s:@ws/set", "0x9ed", "0"]);
    let by_chmod: Vec<String> = ["sh", "-c", "cp /bin/sh set; chmod 4755 set; chmod u+s set"]
        .map(str::to_owned)
        .to_vec();
    let calls =
        [by_open, by_mknod, by_fchmod, by_fchmodat2].map(|calls| calls.into_iter().collect());
    for command in calls.into_iter().chain([by_chmod]) {
        let attacked = host();
        attacked.sandbox(&command).output();
        assert_eq!(bits(&attacked, "set"), 0, "{command:?}");
        let control = host();
        control.bare(&command).output();
        assert_eq!(bits(&control, "set"), 0o4000, "control: {command:?}");
    }
}

#[test]
fn set_id_programs_gain_nothing() {
    let status = [
        "sh",
        "-c",
        "grep -E '^(NoNewPrivs|CapEff)' /proc/self/status",
    ];
    host()
        .sandbox(status)
        .output()
        .stdout("CapEff:\t0000000000000000\nNoNewPrivs:\t1");
    // Every mount is without set-id programs and devices, as a second reason.
    host()
        .sandbox(["sh", "-c", "while read -r _ _ _ _ point options _; do case $options in *nosuid*) ;; *) echo $point ;; esac; done < /proc/self/mountinfo"])
        .output()
        .succeeds()
        .stdout("");
}

/// It says where the repository is, and so which hooks the person's next `git status` runs.
#[test]
fn the_git_file_of_a_linked_worktree_stays_as_it_is() {
    let host = Host::new().file(".git", "gitdir: ../main/.git/worktrees/ws\n");
    let attack = [
        "sh",
        "-c",
        "echo gitdir: evil > .git; mv .git g; rm -f .git; echo gitdir: evil > g; mv -f g .git",
    ];
    host.sandbox(attack).output();
    assert_eq!(host.read(".git"), "gitdir: ../main/.git/worktrees/ws\n");
    host.run("@ws/.git = write", ["sh", "-c", "echo changed > .git"])
        .succeeds();
    assert_eq!(host.read(".git"), "changed\n", "the control");
}

/// For root: a device node of the host belongs to it.
#[test]
fn no_device_node_of_the_host_is_changed() {
    if !needs_root() {
        return;
    }
    let full = || {
        let data = fs::metadata("/dev/full").unwrap();
        (data.mode(), data.mtime(), data.ctime())
    };
    let before = full();
    let script = "chmod 640 /dev/full; touch -d 1999-01-01 /dev/full; chmod 640 /dev/./null; echo x > /dev/null";
    Host::new()
        .sandbox(["sh", "-c", script])
        .output()
        .succeeds();
    assert_eq!(full(), before);
}

#[test]
fn no_device_node_is_made_or_used() {
    let make = ["mknod", "device", "c", "1", "5"];
    let attacked = host();
    attacked.sandbox(make).output().fails();
    assert!(!attacked.has("device"));
    if !needs_root() {
        return;
    }
    let host = host();
    host.bare(make).output().succeeds();
    let read = ["head", "-c", "4", "device"];
    host.sandbox(read).output().fails().stdout("");
    host.bare(read).output().succeeds().stdout("\0\0\0\0");
}

#[test]
fn no_file_capability_is_given() {
    // VFS_CAP_REVISION_2, effective, CAP_SYS_ADMIN; the third revision names a root user as well.
    for capability in [
        "x:0100000200002000000000000000000000000000",
        "x:010000030000200000000000000000000000000000000000",
    ] {
        let length = ((capability.len() - 2) / 2).to_string();
        let calls = Calls::new().call(
            libc::SYS_setxattr,
            [
                "s:@ws/mine",
                "s:security.capability",
                capability,
                &length,
                "0",
            ],
        );
        let host = host();
        let before = host.snapshot("mine");
        host.sandbox(calls.clone())
            .output()
            .stdout_contains("errno");
        before.is_unchanged();
        if is_root() && length == "20" {
            host.bare(calls).output().stdout("ok 0");
        }
    }
}

#[test]
fn disks_and_consoles_are_not_there() {
    let listed = host()
        .sandbox(["sh", "-c", "find /dev -type b; find /dev -type c | sort"])
        .output()
        .text();
    let unexpected: Vec<&str> = listed
        .lines()
        .filter(|line| {
            !["full", "null", "ptmx", "random", "tty", "urandom", "zero"]
                .iter()
                .any(|name| *line == format!("/dev/{name}"))
                && !line.starts_with("/dev/pts/")
        })
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    host()
        .sandbox([
            "sh",
            "-ec",
            "echo x > /dev/null; head -c 1 /dev/zero | wc -c; test -c /dev/urandom",
        ])
        .output()
        .succeeds()
        .stdout("1");
}
