//! A week: an agent works in a repository with hooks, worktrees and a submodule, the person in the same one each evening. The work trips over
//! nothing, what the agent leaves runs nothing on the host, and the person's `git status` is clean all the time.

use super::{Host, has_git, person};

/// What the person has: a hook, a filter, a submodule, and the place that all is pushed to.
const SET_UP: &str = "
    git clone -q --bare repo @outside/library; mv repo library; git clone -q --bare library @outside/origin; rm -rf library
    git clone -q @outside/origin repo; cd repo
    printf 'tmp/\\n.worktrees/\\n' > .gitignore; mkdir tmp
    printf '#!/bin/sh\\nmkdir -p tmp; echo hook >> tmp/marks\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit
    printf '#!/bin/sh\\nmkdir -p tmp; echo filter >> tmp/marks; cat\\n' > @outside/filter; chmod +x @outside/filter
    git config filter.marks.clean @outside/filter; echo '*.bin filter=marks' > .gitattributes
    git -c protocol.file.allow=always submodule --quiet add @outside/library module
    git add .; git commit -q -m 'set up'; git push -q";

/// What the agent does, a day each.
const DAYS: [&str; 5] = [
    "git switch -q -c monday && echo a > a.bin && echo a > a && git add . && git commit -q -m monday && echo b >> a && git commit -q -a --amend -m monday && \
     git config user.email agent@example.com && git config --unset user.email && git switch -q main && git merge -q monday && git branch -q -d monday",
    "git worktree add -q .worktrees/t && cd .worktrees/t && echo t > t && git add t && git commit -q -m tuesday && git log -1 --format=%s && \
     cd ../.. && git merge -q t && git worktree remove .worktrees/t && git branch -q -d t && git worktree prune",
    "cd module && git switch -q -c wednesday && echo m > m && git add m && git commit -q -m module && git log -1 --format=%s && \
     cd .. && git add module && git commit -q -m wednesday && git submodule --quiet update && git -C module status --porcelain",
    "git switch -q -c thursday && echo 1 > c && git add c && git commit -q -m one && echo 2 >> c && git commit -q -a --fixup HEAD && \
     GIT_SEQUENCE_EDITOR=true git rebase -q -i --autosquash main && echo 3 >> c && git stash -q && git stash pop -q && git commit -q -a -m three && \
     git bisect start HEAD main && git bisect reset && git tag done && \
     git switch -q -c picked main && git cherry-pick thursday~1 && git switch -q main && git branch -q -D picked && git merge -q thursday && \
     git branch -q -d thursday && git tag -d done && git repack -q -a -d && git gc -q",
    "git fetch -q && git pull -q --rebase && git switch -q -c friday --track origin/main && echo f > f && git add f && git commit -q -m friday && \
     git sparse-checkout set --no-cone '/*' && git sparse-checkout disable && git switch -q main && git merge -q friday && git branch -q -D friday",
];

/// What it leaves besides, each evening.
const PLANTED: &str = "
    git config core.fsmonitor @ws/evil; git config alias.st '!@ws/evil'; git config filter.marks.clean @ws/evil; git -C module config core.fsmonitor @ws/evil
    cp @ws/evil .git/hooks/pre-commit; cp @ws/evil .git/hooks/pre-push; ln @ws/evil .git/hooks/post-merge; git config core.hooksPath tmp
    mkdir tmp/t; cp @ws/evil tmp/t/pre-commit; mv .git/hooks tmp/h; mv tmp/t .git/hooks; rm -rf tmp/t tmp/h
    printf '[core]\\n\\tfsmonitor = @ws/evil\\n' > tmp/c; cp tmp/c .git/config.worktree; mv tmp/c .git/config
    cp @ws/evil .git/modules/module/hooks/post-checkout; printf 'gitdir: ../tmp/g\\n' > module/.git
    echo '* filter=marks' > .git/info/attributes
    true";

/// What the person does each evening.
const EVENING: &str = "
    git status --porcelain; git diff; git log -p -1 >/dev/null; git submodule --quiet update; git -C module status --porcelain
    echo e >> evening; git add evening; git commit -q -m evening; git pull -q --rebase; git push -q; git gc -q; git worktree list >/dev/null
    git switch -q -c e; git switch -q main; git branch -q -d e; git status --porcelain";

fn worker() -> Host {
    let host = person();
    let script = host.expand(SET_UP);
    host.bare(["sh", "-ec", &script]).output().succeeds();
    host
}

#[test]
fn an_agent_works_all_week_and_the_person_beside_it() {
    if !has_git() {
        return;
    }
    let host = worker();
    for day in DAYS {
        let outcome = host.sandbox(["sh", "-c", day]).cwd("repo").output();
        outcome.succeeds();
        assert!(!outcome.show().contains("denied"), "{}", outcome.show());
        is_clean(&host);
        let planted = host.expand(PLANTED);
        host.sandbox(["sh", "-c", &planted]).cwd("repo").output();
        is_clean(&host);
        evening(&host).succeeds().stdout("");
        assert!(!host.has("ran"), "{day}");
    }
    // The hook of the person ran inside, the filter as well.
    let marks = host.read("repo/tmp/marks");
    for mark in ["hook", "filter"] {
        assert!(marks.lines().any(|it| it == mark), "{marks}");
    }
    // The control: what it left runs where nothing held it.
    let host = worker();
    let planted = host.expand(PLANTED);
    host.bare(["sh", "-c", &planted]).cwd("repo").output();
    evening(&host);
    assert!(host.has("ran"));
}

/// While a command runs that has made what git ignores, the person sees no more than before.
#[test]
fn the_persons_status_is_clean_meanwhile() {
    if !has_git() {
        return;
    }
    let host = worker();
    let script = "git commit -q --allow-empty -m meanwhile; : > tmp/started; until test -e tmp/over; do sleep 0.02; done";
    let running = host.sandbox(["sh", "-c", script]).cwd("repo").start();
    while !host.has("repo/tmp/started") {
        std::thread::yield_now();
    }
    is_clean(&host);
    std::fs::write(host.path("repo/tmp/over"), "").unwrap();
    running.wait().succeeds();
    is_clean(&host);
}

fn evening(host: &Host) -> super::Outcome {
    host.bare(["sh", "-c", EVENING]).cwd("repo").output()
}

#[track_caller]
fn is_clean(host: &Host) {
    let status = ["git", "status", "--porcelain", "--untracked-files=all"];
    host.bare(status).cwd("repo").output().succeeds().stdout("");
}
