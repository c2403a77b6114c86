//! A workspace that is a linked worktree or a submodule, whose repository lies elsewhere.

use std::fs;

use super::{Host, has_git, person};

/// The same with a bare repository, which a file `.git` beside it names.
fn person_with_bare_elsewhere() -> Host {
    let host = person();
    let script = "git clone -q --bare repo @outside/origin; mkdir @outside/main; cd @outside/main; git clone -q --bare @outside/origin .bare; \
                  echo 'gitdir: ./.bare' > .git; git config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'; git branch old; \
                  git worktree add -q -b w @ws/w; git worktree add -q -b other @outside/other; git worktree add -q -b beside beside; \
                  git pack-refs --all";
    let script = host.expand(script);
    host.bare(["sh", "-ec", &script]).output().succeeds();
    host
}

/// A person who has a repository with a submodule elsewhere, and a linked worktree of it as the workspace.
fn person_elsewhere() -> Host {
    let host = person();
    let script = "git clone -q --bare repo @outside/origin; mv repo @outside/main; cd @outside/main; git branch old; \
                  git -c protocol.file.allow=always submodule --quiet add @outside/origin module; git commit -q -m module; \
                  git worktree add -q @ws/w; git worktree add -q @outside/other; git config extensions.worktreeConfig true; git pack-refs --all";
    let script = host.expand(script);
    host.bare(["sh", "-ec", &script]).output().succeeds();
    host
}

#[test]
fn git_works_in_a_linked_worktree() {
    if !has_git() {
        return;
    }
    let host = person_elsewhere();
    let script = "git status --porcelain && echo y > new && git add new && git commit -q -m inside && git switch -q -c topic && \
                  echo z >> new && git stash -q && git stash pop -q && git commit -q -a -m second && git commit -q --amend -m amended && git rebase -q main && \
                  git tag t && git branch -q -D w && git fetch -q @outside/origin && git merge -q old && git bisect start && git bisect reset && \
                  git revert --no-commit HEAD && git reset -q --hard && git push -q @outside/main topic:pushed && git log --format=%s -1";
    let script = host.expand(script);
    let command = host.sandbox(["sh", "-c", &script]).cwd("w");
    command.output().succeeds().stdout_contains("amended\n");
    // The other working trees of the person's are as they were.
    let script = "cd @outside/main; git status --porcelain; git -C @outside/other status --porcelain; git fsck --strict --no-dangling; git log --format=%s -1 pushed";
    let script = host.expand(script);
    let outcome = host.bare(["sh", "-ec", &script]).output();
    outcome.succeeds().stdout("amended\n");
}

/// What changes settings and what shortens the logs of all, beside what people do all day.
const WORK: &[&str] = &[
    "git config user.name Inside",
    "git remote add r /tmp/remote",
    "git push -q -u r HEAD:refs/heads/main",
    "git fetch -q r",
    "git checkout -q -b mine --track r/main",
    "git commit -q --allow-empty -m mine",
    "git push -q r HEAD:main",
    "git pull -q --rebase",
    "git sparse-checkout set --no-cone /file",
    "git sparse-checkout disable",
    "git tag -am t t1",
    "echo z >> file",
    "git stash -q",
    "git stash pop -q",
    "git commit -q -a --fixup HEAD",
    "git rebase -q -i --autosquash HEAD~2",
    "git bisect start HEAD HEAD~1",
    "git bisect reset",
    "git reflog expire --expire=now --all",
    "git gc -q",
    "git repack -adq",
    "git update-server-info",
    "git config --unset user.name",
    "git remote set-url --push r https://example.org/x.git",
    "git branch -m renamed",
];

/// Each as it is without a sandbox.
#[test]
fn settings_of_a_repository_elsewhere_are_what_git_makes_them() {
    if !has_git() {
        return;
    }
    let made = |make: fn() -> Host, tree: &str, is_confined: bool| {
        let host = make();
        // The same path inside and outside would be another's.
        let remote = if is_confined {
            "/tmp/remote"
        } else {
            "@outside/remote"
        };
        let script = format!(
            "export GIT_SEQUENCE_EDITOR=true; git init -q --bare {remote} 2>&1; {}",
            WORK.join(" && ")
        );
        let script = host.expand(&script.replace("/tmp/remote", remote));
        let command = ["sh", "-c", &script];
        let (command, list) = (
            if is_confined {
                host.sandbox(command)
            } else {
                host.bare(command)
            },
            ["git", "config", "--list", "--show-scope", "--local"],
        );
        let outcome = command.cwd(tree).output();
        outcome.succeeds();
        let list = host.bare(list).cwd(tree).output();
        list.succeeds();
        host.shorten(&list.text())
            .replace(remote, "REMOTE")
            .replace(&host.expand(remote), "REMOTE")
    };
    for (make, tree) in [
        (person_elsewhere as fn() -> Host, "w"),
        (person_elsewhere, "@outside/main/module"),
        (person_with_bare_elsewhere, "w"),
        (person_with_bare_elsewhere, "@outside/main/beside"),
    ] {
        let confined = made(make, tree, true);
        assert!(
            confined.contains("branch.renamed.merge=refs/heads/main"),
            "{confined}"
        );
        assert_eq!(confined, made(make, tree, false), "{tree}");
    }
}

/// All in one writable tree, where no more worktrees are made: they would lead to what has no name that is protected.
#[test]
fn git_works_beside_a_bare_repository() {
    if !has_git() {
        return;
    }
    let host = person_with_bare_elsewhere();
    let script = "git config user.name Inside && cd beside && git commit -q --allow-empty -m inside && git sparse-checkout set --no-cone /file && \
                  git remote add r @outside/origin && git fetch -q r && git branch -q --track mine r/main && git gc -q && git status --porcelain";
    let inside = |script: &str| {
        let command = host.expand(script);
        host.sandbox(["sh", "-c", &command])
            .cwd("@outside/main")
            .output()
    };
    inside(script).succeeds().stdout("");
    let log = ["git", "-C", "beside", "log", "-1", "--format=%an %s"];
    host.bare(log)
        .cwd("@outside/main")
        .output()
        .succeeds()
        .stdout("Inside inside\n");
    let outcome = inside("git worktree add -q new");
    assert!(outcome.code() != Some(0), "{}", outcome.show());
    outcome.stderr_contains("denied create .bare/worktrees/new/commondir (its directory is one of git's by what is in it, or would become one)");
    let add = ["git", "worktree", "add", "-q", "new"];
    host.bare(add).cwd("@outside/main").output().succeeds();
}

/// Its files are in the one tree that can be written; in the repository nothing but what git has for it is made.
#[test]
fn a_further_linked_worktree_is_made() {
    if !has_git() {
        return;
    }
    let host = person_elsewhere();
    let inside = |script: &str| {
        let command = host.expand(script);
        host.sandbox(["sh", "-ec", &command]).cwd("w").output()
    };
    inside(
        "git worktree add -q sub && cd sub && echo y > new && git add new && git commit -q -m inside && git status --porcelain && \
         cd .. && git worktree add -q -b second sub2 && git worktree remove sub2 && git worktree lock sub && git worktree unlock sub",
    )
    .succeeds()
    .stdout("");
    let script = host.expand(
        "cd @ws/w/sub; git status --porcelain; git log --format=%s -1; git worktree list | wc -l; cd @outside/main; git fsck --strict --no-dangling; \
         git status --porcelain; git -C @outside/other status --porcelain",
    );
    let outcome = host.bare(["sh", "-ec", &script]).output();
    outcome.succeeds().stdout("inside\n4\n");
    // Nowhere else, and none of the others is taken away.
    for denied in [
        "git worktree add -q @outside/more",
        "git worktree remove --force @outside/other",
        "rm -r @outside/main/.git/worktrees/other/gitdir",
        "mv @outside/main/.git/worktrees/other @outside/main/.git/worktrees/more",
    ] {
        assert!(inside(denied).code() != Some(0), "{denied}");
    }
    assert!(!host.has("@outside/more"));
    let status = ["git", "status", "--porcelain"];
    let outcome = host.bare(status).cwd("@outside/other").output();
    outcome.succeeds().stdout("");
    let script = host.expand("cd @outside/main; git worktree add -q @outside/more && mv .git/worktrees/other .git/worktrees/moved");
    host.bare(["sh", "-ec", &script]).output().succeeds();
}

#[test]
fn git_works_in_a_submodule() {
    if !has_git() {
        return;
    }
    let host = person_elsewhere();
    let script = "git switch -q -c topic && git config user.name Inside && git commit -q --allow-empty -m inside && git gc -q && git status --porcelain";
    let command = host
        .sandbox(["sh", "-c", script])
        .cwd("@outside/main/module");
    command.output().succeeds().stdout("");
    let script =
        host.expand("cd @outside/main; git status --porcelain; git -C module log --format=%an -1");
    let outcome = host.bare(["sh", "-ec", &script]).output();
    outcome.succeeds().stdout(" M module\nInside\n");
}

/// What the person does in all working trees, until something has run.
const PERSON: &str = "for i in @ws/w @outside/other @outside/main; do cd $i; git status; git commit -q --allow-empty -m x; git fetch -q .; \
                git st; echo y >> file; git add file; test ! -e @ws/ran || exit; done";

/// What the command does in a linked worktree, and what the person does afterwards, in it and in the main one.
#[test]
fn nothing_of_a_repository_elsewhere_runs_on_the_host() {
    if !has_git() {
        return;
    }
    let evil = "printf '[core]\\nrepositoryformatversion = 0\\nfsmonitor = @ws/evil\\n'";
    let filter = "printf '[filter \"x\"]\\nclean = @ws/evil\\n'";
    let planted = [
        "git config core.fsmonitor @ws/evil".to_owned(),
        "git config core.hooksPath @ws/w/h; mkdir h; cp @ws/evil h/pre-commit".to_owned(),
        "git config alias.st '!@ws/evil'".to_owned(),
        "git config filter.x.clean @ws/evil; echo '* filter=x' > .gitattributes".to_owned(),
        "git config core.alternateRefsCommand @ws/evil; mkdir -p $C/objects/info; echo @outside/origin/objects > $C/objects/info/alternates".to_owned(),
        "git config extensions.worktreeConfig true; git config --worktree core.fsmonitor @ws/evil".to_owned(),
        format!("{evil} >> $C/config"),
        format!("{evil} > c; mv c $C/config"),
        format!("{evil} > $C/config.lock; mv $C/config.lock $C/config"),
        format!("exec 9> $C/config.lock; mv $C/config.lock $C/config; {evil} >&9"),
        format!("{evil} > c; ln -f c $C/config; rm $C/config; ln c $C/config"),
        format!("rm $C/config; {evil} > $C/config"),
        format!("git config extensions.worktreeConfig true; {evil} > $P/config.worktree; {evil} > $C/config.worktree"),
        format!("git config extensions.worktreeConfig true; {evil} > $C/worktrees/other/config.worktree"),
        format!("{filter} >> $C/config; mkdir -p $C/info; echo '* filter=x' > $C/info/attributes"),
        "mkdir $C/hooks; cp @ws/evil $C/hooks/pre-commit; cp @ws/evil $C/hooks/x.sample; mv $C/hooks/x.sample $C/hooks/pre-commit".to_owned(),
        "mv $C/hooks h; cp @ws/evil h/pre-commit; mv h $C/hooks".to_owned(),
        "rm -rf $C/hooks; mkdir $C/lfs; cp @ws/evil $C/lfs/pre-commit; mv $C/lfs $C/hooks".to_owned(),
        format!("cp -r $C @ws/w/d; {evil} > @ws/w/d/config; echo @ws/w/d > $C/commondir"),
        format!("cp -r $C @ws/w/d; {evil} > @ws/w/d/config; echo @ws/w/d > $P/commondir; rm $P/commondir; echo @ws/w/d > $P/commondir"),
        format!("cp -r $C/objects $C/refs $P; rm $P/commondir; {evil} > $P/config"),
        format!("O=$C/worktrees/other; cp -r $C/objects $C/refs $O; rm $O/commondir; {evil} > $O/config; {evil} > $O/config.worktree"),
        "rm .git; echo 'gitdir: @ws/w/d' > .git; cp -r $C @ws/w/d; git -C @ws/w/d config core.fsmonitor @ws/evil".to_owned(),
        format!("O=$C/worktrees/other; git config extensions.worktreeConfig true; mv $O $O.x; cp -r $O.x $O; {evil} > $O/config.worktree"),
        format!("git worktree add -q sub; S=$C/worktrees/sub; git config extensions.worktreeConfig true; {evil} > $S/config.worktree; cat $S/gitdir; \
                 mv $C/worktrees/other $C/worktrees/x; mv $S $C/worktrees/other"),
        format!("git worktree add -q sub; S=$C/worktrees/sub; cp -r $C/objects $C/refs $S; rm $S/commondir; {evil} > $S/config; \
                 echo 'gitdir: @outside/main/.git/worktrees/sub' > n; rm .git; mv n .git"),
    ];
    for planted in &planted {
        never_runs(person_elsewhere, ".git", planted);
    }
}

/// What is decided otherwise where it is called so.
#[test]
fn nothing_of_a_bare_repository_elsewhere_runs_on_the_host() {
    if !has_git() {
        return;
    }
    let evil = "printf '[core]\\nrepositoryformatversion = 0\\nfsmonitor = @ws/evil\\n'";
    for planted in [
        "git config core.fsmonitor @ws/evil".to_owned(),
        format!("{evil} >> $C/config"),
        format!("{evil} > $C/config.lock; mv $C/config.lock $C/config"),
        format!("rm $C/config; {evil} > c; ln c $C/config"),
        format!(
            "{evil} > $P/config.worktree; mkdir $C/.git; {evil} > $C/.git/config; git config extensions.worktreeConfig true; git config --unset core.bare"
        ),
        "mkdir $C/hooks; cp @ws/evil $C/hooks/x.sample; mv $C/hooks/x.sample $C/hooks/pre-commit"
            .to_owned(),
        "mv $C/hooks h; cp @ws/evil h/pre-commit; mv h $C/hooks".to_owned(),
        format!("cp -r $C/objects $C/refs $P; rm $P/commondir; {evil} > $P/config"),
        format!(
            "cp -r $C @ws/w/d; {evil} > @ws/w/d/config; rm $P/commondir; echo @ws/w/d > $P/commondir"
        ),
    ] {
        never_runs(person_with_bare_elsewhere, ".bare", &planted);
    }
}

#[track_caller]
fn never_runs(make: fn() -> Host, name: &str, planted: &str) {
    let attack = |is_confined: bool| {
        let host = make();
        let script = format!("C=@outside/main/{name}; P=$C/worktrees/w; {planted}");
        let script = host.expand(&script);
        let command = ["sh", "-c", &script];
        let outcome = if is_confined {
            host.sandbox(command).cwd("w").output()
        } else {
            host.bare(command).cwd("w").output()
        };
        host.bare(["sh", "-c", &host.expand(PERSON)]).output();
        (host.has("ran"), outcome.show())
    };
    let (ran, outcome) = attack(true);
    assert!(!ran, "{name}: {planted}\n{outcome}");
    let (ran, outcome) = attack(false);
    assert!(ran, "the control: {name}: {planted}\n{outcome}");
}

/// Files of the repository, of its working tree and of the others, by whatever call.
#[test]
fn nothing_else_of_a_repository_elsewhere_is_changed() {
    if !has_git() {
        return;
    }
    let files = [
        "main/file",
        "main/.git/HEAD",
        "main/.git/index",
        "main/.git/description",
        "main/.git/info/exclude",
        "main/.git/objects/info/alternates",
        "main/.git/worktrees/other/HEAD",
        "main/.git/worktrees/other/index",
        "main/.git/worktrees/other/gitdir",
        "main/.git/worktrees/other/commondir",
        "main/.git/modules/module/HEAD",
        "main/.git/modules/module/index",
        "other/file",
        "other/.git",
    ];
    for change in [
        "echo changed >> $F",
        "echo changed > n; mv -f n $F",
        "echo changed > $F.lock; mv -f $F.lock $F",
        "rm -f $F; echo changed > $F",
        "mv $F n; echo changed > $F",
        "echo changed > n; ln -f n $F",
        "truncate -s 1 $F",
    ] {
        let changed = |is_confined: bool| -> Vec<&str> {
            let host = person_elsewhere();
            let alternates = host.expand("@outside/main/.git/objects/info/alternates");
            fs::write(alternates, host.expand("@outside/origin/objects\n")).unwrap();
            let read = |file: &&str| fs::read(host.path(format!("@outside/{file}"))).ok();
            let before: Vec<_> = files.iter().map(read).collect();
            let script = format!(
                "for f in {}; do F=@outside/$f; {change}; rm -f n; done",
                files.join(" ")
            );
            let script = host.expand(&script);
            let command = ["sh", "-c", &script];
            if is_confined {
                host.sandbox(command).cwd("w").output();
            } else {
                host.bare(command).cwd("w").output();
            }
            let is_changed = |(file, before): &(&&str, &Option<Vec<u8>>)| read(file) != **before;
            let changed = files.iter().zip(&before).filter(is_changed);
            changed.map(|(file, _)| *file).collect()
        };
        assert_eq!(changed(true), [""; 0], "{change}");
        assert_eq!(changed(false), files, "the control: {change}");
    }
}

/// A tree that names a repository which does not name it gets nothing of it, and neither does one whose repository a rule is about.
#[test]
fn a_repository_is_opened_to_its_own_working_trees() {
    if !has_git() {
        return;
    }
    let command = ["sh", "-c", "echo x > $0/refs/heads/x", "@outside/main/.git"];
    let writes = |host: &Host, tree: &str, rule: Option<&str>| {
        let git = host.expand(command[3]);
        let [shell, flag, script, _] = command;
        let command = host.sandbox([shell, flag, script, &git]).cwd(tree);
        let command = match rule {
            Some(rule) => command.rule(rule),
            None => command,
        };
        command.output();
        host.has("@outside/main/.git/refs/heads/x")
    };
    let host = person_elsewhere();
    assert!(!writes(&host, "w", Some("@outside/main/.git = read")));
    assert!(!writes(&host, "w", Some("@outside/main = hide")));
    // The other one's file, as it may lie in an archive.
    let script = "mkdir fake; cp w/.git fake";
    host.bare(["sh", "-ec", script]).output().succeeds();
    assert!(!writes(&host, "fake", None));
    assert!(writes(&host, "w", None), "the control");
}

/// The person's git writes through them.
#[test]
fn no_link_is_made_in_a_repository_elsewhere() {
    if !has_git() {
        return;
    }
    let names = [
        "logs",
        "reftable",
        "packed-refs",
        "shallow",
        "gc.pid",
        "worktrees/w/logs",
        "worktrees/w/FETCH_HEAD",
        // Without both it is no repository any more, and becomes none.
        "objects",
        "refs",
    ];
    for made in [
        "ln -s @outside/rc $N",
        "ln -s @outside/rc l; mv -T l $N",
        "ln -s @outside/rc l; ln l $N",
    ] {
        let links = |make: fn() -> Host, git: &str, is_confined: bool| -> Vec<&str> {
            let host = make();
            let each = format!("N=@outside/main/{git}/$n; rm -rf $N; {made}; rm -f l");
            let script = format!("for n in {}; do {each}; done", names.join(" "));
            let script = host.expand(&script);
            let command = ["sh", "-c", &script];
            if is_confined {
                host.sandbox(command).cwd("w").output();
            } else {
                host.bare(command).cwd("w").output();
            }
            let is_link = |name: &&str| {
                let path = host.path(format!("@outside/main/{git}/{name}"));
                path.symlink_metadata().is_ok_and(|it| it.is_symlink())
            };
            names.into_iter().filter(is_link).collect()
        };
        for (make, git) in [
            (person_elsewhere as fn() -> Host, ".git"),
            (person_with_bare_elsewhere, ".bare"),
        ] {
            assert_eq!(links(make, git, true), [""; 0], "{git}: {made}");
            assert_eq!(links(make, git, false), names, "the control: {git}: {made}");
        }
    }
}

/// Nothing is said to be allowed by the whole `.git` that is not.
#[test]
fn what_the_whole_of_a_repository_elsewhere_would_not_allow_is_denied_without_a_remedy() {
    if !has_git() {
        return;
    }
    let host = person_elsewhere();
    let git = host.expand("@outside/main/.git");
    let opens = format!("{git} = write");
    let inside = |script: &str, rule: Option<&str>| {
        let command = host.sandbox(["sh", "-c", script]).cwd("w");
        let command = match rule {
            Some(rule) => command.rule(rule),
            None => command,
        };
        command.output()
    };
    for script in [
        format!("ln -s x {git}/worktrees/l"),
        format!("ln -s /etc/passwd {git}/description.new"),
        format!("echo x > {git}/worktrees/l"),
    ] {
        let outcome = inside(&script, None);
        outcome.stderr_contains(&format!("sandbox: denied create {git}/"));
        assert!(!outcome.show().contains("allows it"), "{}", outcome.show());
        // It would be denied all the same.
        let outcome = inside(&script, Some(&opens));
        outcome.stderr_contains(&format!("sandbox: denied create {git}/"));
    }
    // The control.
    let script = format!("echo x > {git}/description.new");
    let outcome = inside(&script, None);
    outcome.stderr_contains(&format!("`--write {git}` allows it"));
    inside(&script, Some(&opens)).succeeds();
}

/// Where the workspace is a directory of a repository, the first denial says what opens that, and settings and hooks stay protected.
#[test]
fn git_works_below_the_top_of_a_repository_that_is_opened() {
    if !has_git() {
        return;
    }
    let person = || {
        let host = person();
        let script = "cd repo; mkdir sub; mv file sub; git add .; git commit -qm sub";
        host.bare(["sh", "-ec", script]).output().succeeds();
        host
    };
    let inside = |host: &Host, script: &str, rule: Option<&str>| {
        let script = host.expand(script);
        let command = host.sandbox(["sh", "-c", &script]).cwd("repo/sub");
        let command = match rule {
            Some(rule) => command.rule(rule),
            None => command,
        };
        command.output()
    };
    let opens = "@ws/repo/.git = write";
    for first in [
        "git commit --allow-empty -m x",
        "git tag x",
        "git fetch .",
        "git config user.name x",
        "echo x | git hash-object -w --stdin",
    ] {
        let host = person();
        let outcome = inside(&host, first, None);
        assert!(outcome.code() != Some(0), "{}", outcome.show());
        outcome.stderr_contains(&host.expand("`--write @ws/repo/.git` allows it"));
        inside(&host, first, Some(opens)).succeeds();
    }
    // Patterns without cones are set from the top.
    let work = WORK.join(" && ");
    let work = work.replace(
        "git sparse-checkout set --no-cone /file",
        "git -C .. sparse-checkout set --no-cone /sub",
    );
    let script =
        format!("export GIT_SEQUENCE_EDITOR=true; git init -q --bare /tmp/remote && {work}");
    let host = person();
    inside(&host, &script, Some(opens)).succeeds();
    assert!(super::listed(&host, "repo").contains("branch.renamed.merge=refs/heads/main"));
    let planted =
        "git config core.fsmonitor @ws/evil; cp @ws/evil ../.git/hooks/pre-commit; echo x > ../new";
    inside(&host, planted, Some(opens));
    let commit = ["git", "commit", "-q", "--allow-empty", "-m", "x"];
    host.bare(commit).cwd("repo").output().succeeds();
    assert!(!host.has("ran") && !host.has("repo/new"));
    host.bare(["sh", "-c", &host.expand(planted)])
        .cwd("repo/sub")
        .output()
        .succeeds();
    host.bare(commit).cwd("repo").output().succeeds();
    assert!(host.has("ran"), "the control");
}

/// There mounts hold what exists.
#[test]
fn settings_and_hooks_elsewhere_are_held_without_a_notifier() {
    if !has_git() {
        return;
    }
    for (make, tree) in [
        (person_elsewhere as fn() -> Host, "w"),
        (person_elsewhere, "@outside/main/module"),
        (person_with_bare_elsewhere, "w"),
    ] {
        let planted = |is_confined: bool| {
            let host = make();
            let script = "C=$(git rev-parse --git-common-dir); git config core.fsmonitor x; echo '#' >> $C/config; mkdir -p $C/hooks; echo x > $C/hooks/pre-commit; \
                          rm -f $C/hooks/*.sample; git commit -q --allow-empty -m x";
            let script = host.expand(script);
            let command = ["sh", "-c", &script];
            let command = if is_confined {
                host.sandbox(command).options(super::WITHOUT)
            } else {
                host.bare(command)
            };
            command.cwd(tree).output();
            let common = [
                "sh",
                "-c",
                "cd $(git rev-parse --git-common-dir); grep -c 'fsmonitor\\|#' config; ls hooks | grep -vc sample; git log -1 --format=%s",
            ];
            host.bare(common).cwd(tree).output().text()
        };
        let held = planted(true);
        assert!(held.starts_with("0\n0\n"), "{tree}: {held}");
        let planted = planted(false);
        assert!(
            planted.starts_with("2\n1\n"),
            "the control: {tree}: {planted}"
        );
    }
}
