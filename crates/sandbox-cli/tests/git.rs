//! git works inside, and leaves nothing that the person's own git would run: its settings and hooks are decided by what is written there.
//!
//! Each attack is looked at from the host, where git then does what people do all day; and its control is the same without the
//! notifier, where what was planted runs.

#[path = "git/around.rs"]
mod around;
#[path = "git/elsewhere.rs"]
mod elsewhere;
#[path = "git/links.rs"]
mod links;
#[path = "git/set_up.rs"]
mod set_up;
#[path = "git/week.rs"]
mod week;

use std::fs;

use sandbox_testing::{Host, Outcome, needs, tool};

/// The control: the same host with kernel and policy, one mechanism apart.
const WITHOUT: [&str; 2] = ["--lower", "notifier=0"];

/// What an attack wants the host to do.
const EVIL: &str = "#!/bin/sh\ntouch @ws/ran\n";
/// What the host does with a file that it has changed.
const COMMIT: &str = "echo y >> file; git add file; git commit -q -m x";

/// A person who uses git, with a repository in the workspace.
fn person() -> Host {
    let host = Host::new()
        .file(
            "~/.gitconfig",
            "[user]\n\tname = A\n\temail = a@example.com\n[init]\n\tdefaultBranch = main\n",
        )
        .script("evil", EVIL);
    let script = "git init -q repo; cd repo; echo x > file; git add file; git commit -q -m first";
    host.bare(["sh", "-ec", script]).output().succeeds();
    host
}

fn has_git() -> bool {
    needs("git", tool("git").is_some())
}

#[track_caller]
fn inside(host: &Host, script: &str, options: &[&str]) -> Outcome {
    let command = host.sandbox(["sh", "-c", script]).options(options);
    command.cwd("@ws").output()
}

/// What git reads of a repository on the host.
#[track_caller]
fn listed(host: &Host, repository: &str) -> String {
    let list = ["git", "-C", repository, "config", "--list", "--local"];
    let outcome = host.bare(list).output();
    outcome.succeeds();
    host.shorten(&outcome.text())
}

/// The same settings as without a sandbox, and nothing beside them.
#[test]
fn settings_are_what_git_makes_them() {
    if !has_git() {
        return;
    }
    let script = "git clone -q @outside/repo clone && cd clone && git config user.name 'Inside Ñ' && git checkout -q -b topic --track origin/main && \
                  git remote add up https://example.org/x.git && git remote rename up upper && git remote set-url upper git@example.org:x.git && \
                  git branch -m topic topic2 && git config --unset user.name && git config pull.rebase true && git config core.quotepath off && git config merge.conflictstyle diff3 && git config rebase.autostash true && git sparse-checkout set --no-cone /file && \
                  git init -q ../fresh && git -C ../fresh config user.email b@example.com && cd ../repo && git remote add o @outside/repo && \
                  git fetch -q o && git checkout -q -b mine --track o/main && git clone -q . ../second && git -C ../second fetch -q && git commit -q --allow-empty -m second && git gc -q && git stash list";
    let make = || {
        let host = person();
        let script = "cp -r repo @outside/repo";
        host.bare(["sh", "-ec", script]).output().succeeds();
        host
    };
    let (confined, bare) = (make(), make());
    inside(&confined, script, &[]).succeeds();
    bare.bare(["sh", "-ec", script]).output().succeeds();
    for repository in ["repo", "clone", "fresh", "second"] {
        assert_eq!(
            listed(&confined, repository),
            listed(&bare, repository),
            "{repository}"
        );
        let names = |host: &Host| {
            let entries = fs::read_dir(host.path(repository).join(".git")).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&confined), names(&bare), "{repository}");
        let hooks = |host: &Host| {
            fs::read_dir(host.path(repository).join(".git/hooks"))
                .unwrap()
                .count()
        };
        assert_eq!(hooks(&confined), hooks(&bare), "{repository}");
    }
}

#[test]
fn a_branch_is_pushed_and_tracked() {
    if !has_git() {
        return;
    }
    let host = person();
    let script = "git init -q --bare /tmp/remote && cd repo && git remote add r /tmp/remote && git push -q -u r main && git status -sb";
    let outcome = inside(&host, script, &[]);
    outcome.succeeds().stdout("## main...r/main\n");
    assert!(listed(&host, "repo").contains("branch.main.remote=r\n"));
}

/// Its settings are mounted over from the start: the mount goes with their name, and names decide until it is there again.
/// What lies outside of `.git` is on another device, and `mv` would remove the settings before it copies.
#[test]
fn a_repository_at_the_top_keeps_what_is_frozen() {
    if !has_git() {
        return;
    }
    let host = person();
    let script = "cd repo; git config alias.mine status";
    host.bare(["sh", "-ec", script]).output().succeeds();
    let before = listed(&host, "repo");
    let script = "for i in 1 2 3; do git config user.name inside$i || exit; done
        git config --unset alias.mine; git config core.fsmonitor x; echo x >> .git/config; truncate -s 0 .git/config
        echo x > .git/f; mv .git/f .git/config; ln .git/f .git/config; true";
    let command = host.sandbox(["sh", "-c", script]).cwd("repo");
    command.output().succeeds();
    let after = format!("{before}user.name=inside3\n");
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&listed(&host, "repo")), sorted(&after));
}

/// A person who has a bare repository in the workspace, too.
fn person_with_bare() -> Host {
    let host = person();
    let script = "git clone -q --bare repo bare";
    host.bare(["sh", "-ec", script]).output().succeeds();
    host
}

/// A word of a shell's that exchanges two names (renameat2(2)).
fn exchange() -> String {
    format!(
        "exchange() {{ @payload call {} -100 s:$1 -100 s:$2 2; }}",
        libc::SYS_renameat2
    )
}

/// What it plants, in the repository, does not run when the host does something there; without the notifier it does.
#[track_caller]
fn never_runs(planted: &str, then: &str) {
    never_runs_at(person, planted, then);
}

#[track_caller]
fn never_runs_at(make: fn() -> Host, planted: &str, then: &str) {
    let attack = |options: &[&str]| {
        let host = make();
        let script = host.expand(&format!("{}; cd repo; {planted}", exchange()));
        let outcome = inside(&host, &script, options);
        let then = format!("cd repo; {then}");
        // Whether it succeeds is not the question.
        host.bare(["sh", "-c", &then]).output();
        (host.has("ran"), outcome.show())
    };
    let (ran, outcome) = attack(&[]);
    assert!(!ran, "{planted}\n{outcome}");
    let (ran, outcome) = attack(&WITHOUT);
    assert!(ran, "the control: {planted}\n{outcome}");
}

#[test]
fn no_setting_of_the_command_runs_on_the_host() {
    if !has_git() {
        return;
    }
    for (planted, then) in [
        ("git config core.fsmonitor @ws/evil", "git status"),
        (
            "git config core.editor @ws/evil",
            "git commit --allow-empty",
        ),
        (
            "git config core.hooksPath @ws/h; mkdir ../h; cp ../evil ../h/pre-commit",
            COMMIT,
        ),
        (
            "git config core.sshCommand @ws/evil; git remote add x ssh://h/x",
            "git fetch x",
        ),
        (
            "git config remote.x.url ext::@ws/evil; git config protocol.ext.allow always",
            "git fetch x",
        ),
        (
            "git config remote.x.url @ws/repo; git config remote.x.uploadpack @ws/evil",
            "git fetch x",
        ),
        ("git config alias.st '!@ws/evil'", "git st"),
        (
            "git config diff.external @ws/evil",
            "echo y > file; git diff",
        ),
        (
            "git config filter.x.clean @ws/evil; echo '* filter=x' > .gitattributes",
            COMMIT,
        ),
        (
            "git config diff.x.textconv @ws/evil; echo '* diff=x' > .gitattributes",
            "echo y > file; git diff",
        ),
        (
            "git config gpg.program @ws/evil; git config commit.gpgSign true",
            COMMIT,
        ),
        (
            "git config sequence.editor @ws/evil",
            "git rebase -i --root",
        ),
        (
            "git config credential.helper '!@ws/evil'",
            "printf 'protocol=https\\nhost=h\\n\\n' | git credential fill",
        ),
        (
            "printf '[core]\\nfsmonitor = @ws/evil\\n' > ../i; git config include.path @ws/i",
            "git status",
        ),
        (
            "git config extensions.worktreeConfig true; git config --worktree core.fsmonitor @ws/evil",
            "git status",
        ),
        // By no hand of git's.
        (
            "printf '[core]\\nfsmonitor = @ws/evil\\n' > c; mv c .git/config",
            "git status",
        ),
        (
            "printf '[core]\\nfsmonitor = @ws/evil\\n' > c; rm .git/config; ln c .git/config",
            "git status",
        ),
        (
            "printf '[core]\\nfsmonitor = @ws/evil\\n' > c; rm .git/config; ln -s ../c .git/config",
            "git status",
        ),
        (
            "printf '[core]\\nfsmonitor = @ws/evil\\n' > .git/config.sandbox; mv .git/config.sandbox .git/config",
            "git status",
        ),
        (
            "printf '[core]\\nfsmonitor = @ws/evil\\n' >> .git/config",
            "git status",
        ),
        (
            "rm -rf .git; git init -q; git config core.fsmonitor @ws/evil",
            "git status",
        ),
        (
            "git init -q /tmp/x; git -C /tmp/x config core.fsmonitor @ws/evil; rm -rf .git; cp -r /tmp/x/.git .",
            "git status",
        ),
    ] {
        never_runs(planted, then);
    }
}

/// git looks for a remote that its settings do not have in two directories more, also where they are a submodule's.
#[test]
fn no_remote_of_the_command_names_a_helper() {
    if !has_git() {
        return;
    }
    let fetch = "git -c protocol.ext.allow=always fetch x";
    for planted in [
        "mkdir .git/remotes; echo URL: ext::@ws/evil > .git/remotes/x",
        "mkdir r; echo URL: ext::@ws/evil > r/x; rm -rf .git/remotes; mv -T r .git/remotes",
        "mkdir -p .git/branches; echo ext::@ws/evil > .git/branches/x",
        "mkdir r; echo ext::@ws/evil > r/x; rm -rf .git/branches; ln -s ../r .git/branches",
    ] {
        never_runs(planted, fetch);
    }
    for place in ["bare", "repo/.git/modules/a/b"] {
        let planted =
            format!("cd ..; mkdir {place}/remotes; echo URL: ext::@ws/evil > {place}/remotes/x");
        let make = || {
            let host = person_with_bare();
            let script = "cp -r bare m; mkdir -p repo/.git/modules/a; mv m repo/.git/modules/a/b";
            host.bare(["sh", "-ec", script]).output().succeeds();
            host
        };
        let then = format!("git -C ../{place} -c protocol.ext.allow=always fetch x");
        never_runs_at(make, &planted, &then);
    }
}

#[test]
fn no_hook_of_the_command_runs_on_the_host() {
    if !has_git() {
        return;
    }
    let commit = "git commit -q --allow-empty -m x";
    for planted in [
        "cp ../evil .git/hooks/pre-commit",
        "cp ../evil .git/hooks/x.sample; mv .git/hooks/x.sample .git/hooks/pre-commit",
        "cp ../evil .git/hooks/x.sample; ln .git/hooks/x.sample .git/hooks/pre-commit",
        "cp ../evil .git/hooks/x.sample; ln -s x.sample .git/hooks/pre-commit",
        "rm -rf .git/hooks; mkdir .git/hooks; cp ../evil .git/hooks/pre-commit",
        "rm -rf .git/hooks; mkdir h; cp ../evil h/pre-commit; mv h .git/hooks",
        "rm -rf .git/hooks; mkdir h; cp ../evil h/pre-commit; ln -s ../h .git/hooks",
        "mv .git/hooks h; cp ../evil h/pre-commit; mv h .git/hooks",
        "mkdir .git/hooks/h.sample; cp ../evil .git/hooks/h.sample/pre-commit; mv .git/hooks/h.sample h; rm -rf .git/hooks; mv h .git/hooks",
    ] {
        never_runs(planted, commit);
    }
}

/// Whatever comes first and last, and by whichever call.
#[test]
fn no_repository_is_made_of_an_ordinary_directory() {
    if !has_git() {
        return;
    }
    let prepared = "git init -q --bare /tmp/b; git -C /tmp/b config alias.st '!@ws/evil'";
    for planted in [
        "git init -q --bare ../b; git -C ../b config alias.st '!@ws/evil'",
        "PREPARED; cp -r /tmp/b ../b",
        "PREPARED; mkdir ../b; cp -r /tmp/b/objects /tmp/b/refs /tmp/b/config ../b; cp /tmp/b/HEAD ../b/h; mv ../b/h ../b/HEAD",
        "PREPARED; mkdir ../b; cp -r /tmp/b/objects /tmp/b/refs /tmp/b/config ../b; cp /tmp/b/HEAD ../b/h; ln ../b/h ../b/HEAD",
        "PREPARED; mkdir ../b; cp -r /tmp/b/objects /tmp/b/refs /tmp/b/config ../b; ln -s refs/heads/main ../b/HEAD",
        "PREPARED; mkdir ../b; cp /tmp/b/HEAD /tmp/b/config ../b; cp -r /tmp/b/refs ../b/r; mv ../b/r ../b/refs; cp -r /tmp/b/objects ../b/o; mv ../b/o ../b/objects",
        "PREPARED; mkdir ../b; cp /tmp/b/HEAD /tmp/b/config ../b; mkdir ../b/refs; ln -s ../repo/.git/objects ../b/objects",
        "PREPARED; mkdir ../b ../c; cp -r /tmp/b/refs /tmp/b/objects /tmp/b/config ../c; cp /tmp/b/HEAD ../b; echo ../c > ../b/x; mv ../b/x ../b/commondir",
    ] {
        never_runs(&planted.replace("PREPARED", prepared), "git -C ../b st");
    }
    // In git's own directory, and where its logs are.
    for place in [
        ".git/b",
        ".git/logs",
        ".git/refs/remotes/b",
        ".git/worktrees/b",
    ] {
        let planted = format!(
            "{prepared}; rm -rf {place}; mkdir -p {place}; cp -r /tmp/b/config /tmp/b/refs {place}; cp /tmp/b/HEAD {place}; cp -r /tmp/b/objects {place}"
        );
        never_runs(&planted, &format!("git -C {place} st"));
    }
}

/// A bare repository that is there, or the `.bare` beside worktrees: what it is called says nothing.
#[test]
fn a_repository_by_another_name_is_protected() {
    if !has_git() {
        return;
    }
    for planted in [
        "cp ../evil ../bare/hooks/pre-receive",
        "mv ../bare/hooks h; cp ../evil h/pre-receive; mv h ../bare/hooks",
        "rm -rf ../bare/hooks; mkdir h; cp ../evil h/pre-receive; mv h ../bare/hooks",
        "rm -rf ../bare/hooks; mkdir h; cp ../evil h/pre-receive; ln -s ../repo/h ../bare/hooks",
        "cd ../bare/hooks; cp ../../evil pre-receive",
        "mv ../bare/HEAD ../bare/h; cp ../evil ../bare/hooks/pre-receive; mv ../bare/h ../bare/HEAD",
        "mv ../bare/objects ../bare/o; cp ../evil ../bare/hooks/pre-receive; mv ../bare/o ../bare/objects",
        "mv ../bare/HEAD ../bare/h; mv ../bare/refs ../bare/r; cp ../evil ../bare/hooks/pre-receive; mv ../bare/h ../bare/HEAD; mv ../bare/r ../bare/refs",
        "mv ../bare/HEAD ../bare/h; mv ../bare/refs ../bare/r; cp ../evil ../bare/hooks/pre-receive; mv ../bare/r ../bare/refs; mv ../bare/h ../bare/HEAD",
        "mv ../bare/HEAD ../bare/h; mv ../bare/objects ../bare/o; cp ../evil ../bare/hooks/pre-receive; mv ../bare/o ../bare/objects; ln ../bare/h ../bare/HEAD",
        "git -C ../bare config core.hooksPath @ws/h; mkdir ../h; cp ../evil ../h/pre-receive",
        "printf '[core]\nhooksPath = @ws/h\n' >> ../bare/config; mkdir ../h; cp ../evil ../h/pre-receive",
        "ln ../bare/config c; printf '[core]\nhooksPath = @ws/h\n' >> c; mkdir ../h; cp ../evil ../h/pre-receive",
    ] {
        never_runs_at(
            person_with_bare,
            planted,
            "git push -q ../bare HEAD:refs/heads/x",
        );
    }
    let host = person_with_bare();
    let script = "git -C bare config user.name inside && git -C bare branch other && git -C bare symbolic-ref HEAD refs/heads/other && \
                  git clone -q bare clone && cd clone && git commit -q --allow-empty -m x && git push -q && git -C ../bare gc -q";
    inside(&host, script, &[]).succeeds();
    assert!(listed(&host, "bare").contains("user.name=inside\n"));
}

/// What became settings is a copy: whoever has the original open, by whatever name, has nothing of it.
#[test]
fn a_file_that_is_written_after_it_was_looked_at_does_not_become_settings() {
    if !has_git() {
        return;
    }
    let evil = "printf '[core]\\nfsmonitor = @ws/evil\\n'";
    for hold in [
        "exec 9>> c; mv c .git/config; EVIL >&9",
        "ln c other; mv c .git/config; EVIL >> other",
        // A shell between any two steps of whoever looks.
        "cp c good; cp c evil; EVIL >> evil; (while test ! -e done; do cat evil > c; cat good > c; done) & \
         for i in 0 1 2 3 4 5 6 7 8 9; do for j in 0 1 2 3 4 5 6 7 8 9; do mv c .git/config; grep -q fsmonitor .git/config && break 2; done; done; touch done; wait",
    ] {
        let hold = hold.replace("EVIL", evil);
        never_runs(&format!("cp .git/config c; {hold}"), "git status");
    }
}

/// libgit2 makes an empty file before it puts its settings in the place of that, as in `cargo new`.
#[test]
fn settings_that_are_new_are_empty_and_stay_so() {
    if !has_git() {
        return;
    }
    let host = Host::new();
    let script = "mkdir .git; true > .git/config; echo x >> .git/config && exit 1; true > .git/config && exit 1; \
                  mkdir -p a/.git; set -C; true > a/.git/config";
    inside(&host, script, &[]).succeeds();
    assert_eq!(host.read(".git/config"), "");
    assert_eq!(host.read("a/.git/config"), "");
    let evil = "printf '[core]\\nfsmonitor = @ws/evil\\n'";
    let fresh = "mkdir new; cd new; mkdir -p .git/objects .git/refs; echo 'ref: refs/heads/main' > .git/HEAD";
    for plant in [
        "EVIL > .git/config",
        "exec 9<> .git/config; EVIL >&9; EVIL > /proc/self/fd/9",
        "exec 9> .git/config; ln .git/config c; ln -L /proc/self/fd/9 d; EVIL > c; EVIL > d",
    ] {
        let plant = plant.replace("EVIL", evil);
        never_runs(&format!("{fresh}; {plant}"), "cd new; git status");
    }
}

/// As large as it is read, and not larger.
#[test]
fn settings_of_more_than_a_mebibyte_are_not_replaced() {
    if !has_git() {
        return;
    }
    for (size, is_done) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let host = person();
        let script = format!(
            "cd repo; cp .git/config c; echo '#' >> c; left=$(({size} - $(wc -c < c))); head -c $left /dev/zero | tr '\\0' '\\n' >> c; mv c .git/config"
        );
        let outcome = inside(&host, &script, &[]);
        assert_eq!(outcome.code() == Some(0), is_done, "{}", outcome.show());
        let is_replaced = host.read("repo/.git/config").len() == size;
        assert_eq!(is_replaced, is_done);
    }
}

/// What a rule says of the very settings holds whatever is in them.
#[test]
fn a_rule_about_settings_holds() {
    if !has_git() {
        return;
    }
    let run = |rule: &str| {
        let host = person();
        let command = ["git", "-C", "repo", "config", "user.name", "inside"];
        let outcome = host.sandbox(command).rule(rule).output();
        (outcome.code(), listed(&host, "repo").contains("inside"))
    };
    let (code, is_changed) = run("@ws/repo/.git/config = read");
    assert!(code != Some(0) && !is_changed);
    assert_eq!(run("@ws = write"), (Some(0), true));
    // Also where nothing but their directory's content says that they are settings.
    let in_bare = |rule: &str| {
        let host = person_with_bare();
        let command = ["git", "-C", "bare", "config", "user.name", "inside"];
        host.sandbox(command).rule(rule).output();
        listed(&host, "bare").contains("inside")
    };
    assert!(!in_bare("@ws/bare/config = read"));
    assert!(in_bare("@ws = write"), "the control");
    // And one that opens them opens them for everything.
    let host = person();
    let command = ["git", "-C", "repo", "config", "core.editor", "vi"];
    let command = host.sandbox(command).rule("@ws/repo/.git/config = write");
    command.output().succeeds();
}
