//! Linked worktrees and submodules: their files `.git` lead to no git directory but one that is protected.

use std::fs;

use super::{Host, WITHOUT, exchange, has_git, inside, never_runs_at, person};

/// A person who has unpacked what somebody else has packed: a repository whose settings run something, with a linked worktree, and the same
/// as a directory in the workspace.
fn person_with_package() -> Host {
    let host = person();
    let script = "mkdir x repo/x; git clone -q repo package; cd package; git worktree add -q w; git config core.fsmonitor @ws/evil; cd ..; \
                  cp -r package/.git fixture; git clone -q repo other; git -C other worktree add -q w; mv package @outside/evil";
    let script = host.expand(script);
    host.bare(["sh", "-ec", &script]).output().succeeds();
    host
}

#[test]
fn a_linked_worktree_is_made_used_moved_and_removed() {
    if !has_git() {
        return;
    }
    let host = person();
    let script = "cd repo && git worktree add -q -b topic w && cd w && echo y > new && git add new && git commit -q -m inside && \
                  git stash list && git switch -q -c more && git rebase -q main && git status --porcelain && cd .. && \
                  git worktree move w v && git worktree add -q --detach gone && git worktree remove gone && git worktree prune && git worktree list";
    let outcome = inside(&host, script, &[]);
    outcome.succeeds();
    assert_eq!(outcome.text().lines().count(), 2, "{}", outcome.show());
    // The person goes on with it, and with what was made without a sandbox.
    let script = "cd repo/v; git status --porcelain; git log --format=%s -1; git worktree list | wc -l; git fsck --strict; \
                  cd ..; git worktree add -q theirs; cd theirs; git commit -q --allow-empty -m x";
    host.bare(["sh", "-ec", script])
        .output()
        .succeeds()
        .stdout("inside\n2\n");
    assert_eq!(host.read("repo/v/.git"), "gitdir: ../.git/worktrees/w\n");
    // At the top of what may be written nothing on the way can be replaced, so that it is as git has it.
    let host = person();
    let script = "git worktree add -q w && mkdir d && git worktree move w d/w";
    let command = host.sandbox(["sh", "-c", script]).cwd("repo");
    command.output().succeeds();
    let expected = host.expand("gitdir: @ws/repo/.git/worktrees/w\n");
    assert_eq!(host.read("repo/d/w/.git"), expected);
    let status = ["git", "-C", "repo/d/w", "status", "--porcelain"];
    host.bare(status).output().succeeds().stdout("");
}

#[test]
fn submodules_are_added_updated_and_worked_in() {
    if !has_git() {
        return;
    }
    let host = person();
    let script = "git clone -q --bare repo @outside/module; cp -r repo @outside/super; cd @outside/super; \
                  git -c protocol.file.allow=always submodule --quiet add @outside/module theirs; git commit -q -m module";
    let script = host.expand(script);
    host.bare(["sh", "-ec", &script]).output().succeeds();
    let git = "git() { command git -c protocol.file.allow=always \"$@\"; }";
    let script = host.expand(
        "cd repo && git submodule --quiet add @outside/module a/mine && git commit -q -a -m module && git submodule update --init && \
         git worktree add -q w && git -C w submodule --quiet update --init && git -C w/a/mine status --porcelain && \
         git worktree remove --force w && rm -rf a && git checkout -q a && git submodule --quiet update --init && \
         ln -s file a/mine/link && git -C a/mine add link && git -C a/mine commit -q -m inside && git -C a/mine gc -q && git commit -q -a -m more && \
         git submodule status && cd .. && git clone -q --recurse-submodules @outside/super clone && git -C clone submodule status",
    );
    let outcome = inside(&host, &format!("{git}; {script}"), &[]);
    outcome.succeeds();
    assert_eq!(outcome.text().lines().count(), 2, "{}", outcome.show());
    assert!(host.path("repo/a/mine/link").is_symlink());
    let script = "cd repo; git status --porcelain; git submodule update; git submodule foreach -q 'git log --format=%s -1'; \
                  git submodule deinit -q -f --all; git submodule --quiet update --init; git -C ../clone status --porcelain";
    host.bare(["sh", "-ec", script])
        .output()
        .succeeds()
        .stdout("inside\n");
    assert_eq!(
        host.read("repo/a/mine/.git"),
        "gitdir: ../../.git/modules/a/mine\n"
    );
}

/// Whatever makes it, and wherever it leads.
#[test]
fn no_file_of_the_command_leads_to_a_git_directory_of_others() {
    if !has_git() {
        return;
    }
    let at_root = "git status";
    let below = "cd x; git status";
    for (planted, then) in [
        (
            "rm -rf .git; echo 'gitdir: @outside/evil/.git' > .git",
            at_root,
        ),
        (
            "rm -rf .git; echo 'gitdir: ../fixture' > g; mv -T g .git",
            at_root,
        ),
        ("echo 'gitdir: @outside/evil/.git' > x/.git", below),
        ("echo 'gitdir: ../../fixture' > x/.git", below),
        ("echo 'gitdir: ../../fixture' > g; mv g x/.git", below),
        ("echo 'gitdir: ../../fixture' > g; ln g x/.git", below),
        ("echo 'gitdir: ../../fixture' > g; ln -s ../g x/.git", below),
        ("ln -s @outside/evil/.git x/.git", below),
        ("echo 'gitdir: @outside/evil/.git' > g; cp g x/.git", below),
        // Where another one may lead.
        (
            "mkdir -p .git/modules; ln -s @outside/evil/.git .git/modules/m; echo 'gitdir: ../.git/modules/m' > x/.git",
            below,
        ),
        (
            "rm -rf .git/modules; ln -s ../../fixtures .git/modules; mkdir ../fixtures; ln -s ../fixture ../fixtures/m; echo 'gitdir: ../.git/modules/m' > x/.git",
            below,
        ),
        (
            "mkdir -p .git/modules/a; ln -s @outside/evil/.git .git/modules/a/m; echo 'gitdir: ../.git/modules/a/m' > x/.git",
            below,
        ),
        (
            "ln -s @outside/evil/.git l; mkdir -p .git/modules/a; mv l .git/modules/a/m; echo 'gitdir: ../.git/modules/a/m' > x/.git",
            below,
        ),
        (
            "ln -s @outside/evil/.git l; mkdir -p .git/modules/a; ln l .git/modules/a/m; echo 'gitdir: ../.git/modules/a/m' > x/.git",
            below,
        ),
        (
            "mkdir -p .git/modules/a; mv ../fixture .git/modules/a/m || cp -r ../fixture .git/modules/a/m; echo 'gitdir: ../.git/modules/a/m' > x/.git",
            below,
        ),
        (
            "mkdir -p .git/modules/a; cp -r ../fixture .git/modules/a/m; echo 'gitdir: ../.git/modules/a/m' > x/.git",
            below,
        ),
        // Only later, since somebody has replaced a directory on the way, or moved the one that it is in.
        (
            "echo 'gitdir: @ws/other/.git/worktrees/w' > x/.git; mv ../other ../o; ln -s @outside/evil ../other",
            below,
        ),
        (
            "mkdir -p d; echo 'gitdir: @ws/repo/d/.git/worktrees/w' > d/.git; mkdir d/x; echo 'gitdir: @ws/repo/d/.git/worktrees/w' > d/x/.git; rm d/.git; mv d/x y; mv d o; ln -s @outside/evil d; rm -rf x; mv y x",
            below,
        ),
        // By whoever has the file open.
        (
            "exec 9> x/.git; echo 'gitdir: ../.git/worktrees/w' >&9; true > y; exec 8> /proc/self/fd/9; echo 'gitdir: @outside/evil/.git' >&8; true > y",
            below,
        ),
        (
            "echo 'gitdir: ../.git/worktrees/w' > x/.git; sed -i s,.*,'gitdir: @outside/evil/.git', x/.git",
            below,
        ),
        (
            "echo 'gitdir: ../.git/worktrees/w' > g; exec 9>> g; ln g h; mv g x/.git; echo 'gitdir: @outside/evil/.git' > h; truncate -s 0 h; echo 'gitdir: @outside/evil/.git' >&9",
            below,
        ),
        // In a git directory of a submodule.
        (
            "mkdir -p .git/modules/m; echo 'gitdir: @outside/evil/.git' > .git/modules/m/.git",
            "cd .git/modules/m; git status",
        ),
    ] {
        never_runs_at(person_with_package, planted, then);
    }
}

/// Without `commondir` it is a repository by itself, and with another one its settings are elsewhere.
#[test]
fn a_linked_worktree_stays_one_of_its_repository() {
    if !has_git() {
        return;
    }
    let then = "cd w; git status; git commit -q --allow-empty -m x";
    let own = "cp -r .git/objects .git/refs .git/worktrees/w; rm .git/worktrees/w/commondir";
    let evil = "printf '[core]\\nrepositoryformatversion = 0\\nfsmonitor = @ws/evil\\n'";
    let made = "git worktree add -q w || exit; W=.git/worktrees/w";
    for planted in [
        format!("{made}; {own}; {evil} > $W/config"),
        format!("{made}; {evil} > $W/config; {own}"),
        format!("{made}; {evil} > c; mv c $W/config; {own}"),
        format!("{made}; {evil} > $W/config.worktree; git config extensions.worktreeConfig true"),
        format!("{made}; {own}; mkdir $W/hooks; cp ../evil $W/hooks/pre-commit"),
        format!("{made}; mkdir $W/hooks; cp ../evil $W/hooks/pre-commit; {own}"),
        format!("{made}; mkdir h; cp ../evil h/pre-commit; mv h $W/hooks; {own}"),
        format!("{made}; mkdir h; cp ../evil h/pre-commit; ln -s ../../../h $W/hooks; {own}"),
        format!("{made}; echo @outside/evil/.git > $W/commondir"),
        format!("{made}; rm $W/commondir; echo @outside/evil/.git > $W/commondir"),
        format!("{made}; echo @outside/evil/.git > c; mv -f c $W/commondir"),
        format!("{made}; rm $W/commondir; echo @outside/evil/.git > c; ln c $W/commondir"),
        format!(
            "{made}; rm $W/commondir; exec 9> $W/commondir; exec 8> /proc/self/fd/9; echo @outside/evil/.git >&8"
        ),
    ] {
        never_runs_at(person_with_worktree, &planted, then);
    }
}

/// Who has one beforehand, since without the notifier none is harder to make.
fn person_with_worktree() -> Host {
    let host = person_with_package();
    host.bare(["rm", "-rf", "repo/x"]).output().succeeds();
    host
}

/// git writes where the settings of a submodule say that its files are, by whatever link is there.
#[test]
fn no_setting_of_a_submodule_says_where_its_files_are() {
    const WORKTREE: &str = "git config -f .git/modules/m/config core.worktree ../../../y";
    if !has_git() {
        return;
    }
    let attack = |set_before: bool, options: &[&str]| {
        let host = person();
        let (before, after) = if set_before {
            (WORKTREE, "true")
        } else {
            ("true", WORKTREE)
        };
        let script = format!(
            "cd repo; mkdir -p .git/modules x @outside/home; git clone -q --bare . .git/modules/m; git -C .git/modules/m config core.bare false; \
             echo mine > @outside/home/file; {before}"
        );
        let script = host.expand(&script);
        host.bare(["sh", "-ec", &script]).output().succeeds();
        let script = format!(
            "cd repo; echo 'gitdir: ../.git/modules/m' > x/.git; {after}; \
             git config -f .git/modules/m/config user.name inside; ln -s @outside/home y"
        );
        let outcome = inside(&host, &host.expand(&script), options);
        let changed = host.read("repo/.git/modules/m/config");
        assert!(changed.contains("name = inside"), "{}", outcome.show());
        let checkout = ["git", "-C", "repo/x", "checkout", "-f"];
        host.bare(checkout).output();
        fs::read_to_string(host.path("@outside/home/file")).unwrap()
    };
    for set_before in [false, true] {
        assert_eq!(attack(set_before, &[]), "mine\n");
        assert_eq!(attack(set_before, &WITHOUT), "x\n", "the control");
    }
}

/// What is made at the very end is there when the command is said to have ended, and what is refused is told.
#[test]
fn a_file_that_names_a_git_directory_is_made_before_its_command_has_ended() {
    if !has_git() {
        return;
    }
    let host = person();
    let script = "mkdir repo/x; exec 9> repo/x/.git; echo 'gitdir: ../.git/worktrees/w' >&9";
    inside(&host, script, &[]).succeeds();
    assert_eq!(host.read("repo/x/.git"), "gitdir: ../.git/worktrees/w\n");
    let script = "mkdir repo/y; echo 'gitdir: /evil' > repo/y/.git; true > repo/z";
    let outcome = inside(&host, script, &[]);
    outcome.succeeds().stderr_contains(
        "sandbox: denied create repo/y/.git (it would lead to where settings and hooks of git are not protected)",
    );
    assert!(!host.has("repo/y/.git"));
}

/// Another performer may have opened it: a long run of calls has one of its own.
#[test]
fn a_file_that_names_a_git_directory_outlives_whoever_opened_it() {
    if !has_git() {
        return;
    }
    let host = person();
    let script = "for i in $(seq 600); do : > f$i; done; mkdir repo/x; exec 9> repo/x/.git; sleep 0.3; echo 'gitdir: ../.git/worktrees/w' >&9";
    inside(&host, script, &[]).succeeds();
    assert_eq!(host.read("repo/x/.git"), "gitdir: ../.git/worktrees/w\n");
}

#[test]
fn what_is_no_line_names_no_git_directory() {
    if !has_git() {
        return;
    }
    let host = person();
    // Eight wait for the rest of theirs; there is room for no more.
    let script = "for i in 1 2 3 4 5 6 7 8; do mkdir d$i; exec 9> d$i/.git; printf 'gitdir: ../.git/modules/m' >&9; done; mkdir d9; sh -c '> d9/.git'; true > z";
    let outcome = inside(&host, script, &[]);
    outcome
        .succeeds()
        .stderr_contains("Too many open files in system");
    assert!(host.has("z") && !host.has("d1/.git") && !host.has("d8/.git") && !host.has("d9/.git"));
    // More than any line is.
    let script = "mkdir e; exec 9> e/.git; printf 'gitdir: %05000d' 0 >&9; true > z";
    inside(&host, script, &[])
        .succeeds()
        .stderr_contains("denied create e/.git (what git would read there is not certain)");
}

/// git follows a link in the place of a file that it writes.
#[test]
fn no_link_in_a_git_directory_has_git_write_elsewhere() {
    if !has_git() {
        return;
    }
    for planted in [
        "ln -s @outside/rc .git/FETCH_HEAD",
        "ln -s @outside/rc l; mv -T l .git/FETCH_HEAD",
        "ln -s @outside/rc l; ln l .git/FETCH_HEAD",
        "rm -rf .git/logs/refs; mkdir -p l/heads; ln -s @outside/rc l/heads/main; mv l .git/logs/refs || cp -r l .git/logs/refs",
    ] {
        let attack = |options: &[&str]| {
            let host = person();
            host.write("@outside/rc", "mine\n");
            let script = format!("cd repo; {}", host.expand(planted));
            let outcome = inside(&host, &script, options);
            let then = "cd repo; git fetch -q .; git commit -q --allow-empty -m x";
            host.bare(["sh", "-c", then]).output();
            (host.read("@outside/rc"), outcome.show())
        };
        let (content, outcome) = attack(&[]);
        assert_eq!(content, "mine\n", "{planted}\n{outcome}");
        let (content, outcome) = attack(&WITHOUT);
        assert_ne!(content, "mine\n", "the control: {planted}\n{outcome}");
    }
}

/// Nor in one by another name, where the person pushes to, fetches from elsewhere, or has a worktree.
#[test]
fn no_link_in_a_repository_by_another_name_has_git_write_elsewhere() {
    if !has_git() {
        return;
    }
    let names = ["FETCH_HEAD", "logs", "worktrees/w/logs"];
    for made in [
        "ln -s @outside $N",
        "ln -s @outside ../l; mv -T ../l $N",
        "ln -s @outside ../l; ln -P ../l $N",
        "echo > $N; ln -s @outside ../l; exchange ../l $N",
        "mkdir ../d; ln -s @outside ../d/l; mv -T ../d $B/z; mv -T $B/z/l $N",
        "mv $B/HEAD $B/h; mv $B/objects $B/o; ln -s @outside ../l; mv -T ../l $N; mv $B/o $B/objects; mv $B/h $B/HEAD",
        "mkdir ../d; ln -s @outside ../d/l; mv $B/HEAD $B/h; mv $B/refs $B/r; mv -T ../d $B/z; mv $B/r $B/refs; mv $B/h $B/HEAD; mv -T $B/z/l $N",
    ] {
        let links = |options: &[&str]| -> (Vec<&str>, String) {
            let mut shown = String::new();
            let is_link = |name: &&str| {
                let host = person();
                let script = "git clone -q --bare repo bare; git -C bare branch w; git -C bare worktree add -q ../w w; mkdir bare/x";
                host.bare(["sh", "-ec", script]).output().succeeds();
                let script = host.expand(&format!(
                    "{}; cd repo; B=../bare; N=$B/{name}; rm -rf $N; {made}",
                    exchange()
                ));
                let outcome = inside(&host, &script, options);
                shown.push_str(&outcome.show());
                let path = host.path("bare").join(name);
                path.symlink_metadata().is_ok_and(|it| it.is_symlink()) && host.has("bare/HEAD")
            };
            (names.into_iter().filter(is_link).collect(), shown)
        };
        let (made_inside, outcome) = links(&[]);
        assert_eq!(made_inside, [""; 0], "{made}\n{outcome}");
        let (made_inside, outcome) = links(&WITHOUT);
        assert_eq!(made_inside, names, "the control: {made}\n{outcome}");
    }
    // What git does there all day.
    let host = person();
    let script =
        "git clone -q --bare repo bare; git -C bare branch w; git -C bare worktree add -q ../w w";
    host.bare(["sh", "-ec", script]).output().succeeds();
    let script = "cd w && echo x > y && git add y && git commit -q -m x && git config core.symlinks true && git checkout -q -b z && \
                  ln -s y l && git add l && git commit -q -m l && git gc -q && cd ../bare && git fetch -q ../repo && git push -q ../bare z:pushed && git reflog -q z";
    inside(&host, script, &[]).succeeds();
}
