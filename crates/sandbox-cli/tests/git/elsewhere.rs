//! A workspace that is a linked worktree or a submodule, whose repository lies elsewhere.

use super::{Host, has_git, person};

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

/// What the command does in a linked worktree, and what the person does afterwards, in it and in the main one.
#[test]
fn nothing_of_a_repository_elsewhere_runs_on_the_host() {
    if !has_git() {
        return;
    }
    let evil = "printf '[core]\\nrepositoryformatversion = 0\\nfsmonitor = @ws/evil\\n'";
    let then = "for i in @ws/w @outside/main @outside/other; do cd $i; git status; git commit -q --allow-empty -m x; git fetch -q .; done";
    for planted in [
        "git config core.fsmonitor @ws/evil".to_owned(),
        format!("{evil} >> $C/config"),
        format!("{evil} > c; mv c $C/config"),
        format!("rm $C/config; {evil} > $C/config"),
        format!("{evil} > $P/config.worktree; {evil} > $C/config.worktree"),
        "mkdir $C/hooks; cp @ws/evil $C/hooks/pre-commit; cp @ws/evil $C/hooks/x.sample; mv $C/hooks/x.sample $C/hooks/pre-commit".to_owned(),
        "mv $C/hooks h; cp @ws/evil h/pre-commit; mv h $C/hooks".to_owned(),
        format!("cp -r $C @ws/w/d; {evil} > @ws/w/d/config; echo @ws/w/d > $C/commondir"),
        format!("cp -r $C @ws/w/d; {evil} > @ws/w/d/config; echo @ws/w/d > $P/commondir; rm $P/commondir; echo @ws/w/d > $P/commondir"),
        format!("cp -r $C/objects $C/refs $P; rm $P/commondir; {evil} > $P/config"),
        format!("O=$C/worktrees/other; cp -r $C/objects $C/refs $O; rm $O/commondir; {evil} > $O/config; {evil} > $O/config.worktree"),
        "rm .git; echo 'gitdir: @ws/w/d' > .git; cp -r $C @ws/w/d; git -C @ws/w/d config core.fsmonitor @ws/evil".to_owned(),
    ] {
        let attack = |is_confined: bool| {
            let host = person_elsewhere();
            let script = format!("C=@outside/main/.git; P=$C/worktrees/w; {planted}");
            let script = host.expand(&script);
            let command = ["sh", "-c", &script];
            let outcome = if is_confined {
                host.sandbox(command).cwd("w").output()
            } else {
                host.bare(command).cwd("w").output()
            };
            host.bare(["sh", "-c", &host.expand(then)]).output();
            (host.has("ran"), outcome.show())
        };
        let (ran, outcome) = attack(true);
        assert!(!ran, "{planted}\n{outcome}");
        let (ran, outcome) = attack(false);
        assert!(ran, "the control: {planted}\n{outcome}");
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
        "objects",
        "refs",
        "logs",
        "reftable",
        "packed-refs",
        "shallow",
        "gc.pid",
        "worktrees/w/logs",
    ];
    for made in [
        "ln -s @outside/rc $N",
        "ln -s @outside/rc l; mv -T l $N",
        "ln -s @outside/rc l; ln l $N",
    ] {
        let links = |is_confined: bool| -> Vec<&str> {
            let host = person_elsewhere();
            let each = format!("N=@outside/main/.git/$n; rm -rf $N; {made}; rm -f l");
            let script = format!("for n in {}; do {each}; done", names.join(" "));
            let script = host.expand(&script);
            let command = ["sh", "-c", &script];
            if is_confined {
                host.sandbox(command).cwd("w").output();
            } else {
                host.bare(command).cwd("w").output();
            }
            let is_link = |name: &&str| {
                let path = host.path(format!("@outside/main/.git/{name}"));
                path.symlink_metadata().is_ok_and(|it| it.is_symlink())
            };
            names.into_iter().filter(is_link).collect()
        };
        assert_eq!(links(true), [""; 0], "{made}");
        assert_eq!(links(false), names, "the control: {made}");
    }
}
