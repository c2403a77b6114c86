//! What changes around git directories while a command runs: moved and exchanged directories, descriptors from before, a second sandbox.

use std::fs;
use std::thread;
use std::time::Duration;

use super::{Host, WITHOUT, has_git, inside, never_runs_at, person};

/// A repository whose settings run something, as an ordinary directory beside the person's.
fn person_with_copy() -> Host {
    let host = person();
    let script = "git clone -q repo copied; git -C copied config core.fsmonitor @ws/evil; cp @ws/evil copied/.git/hooks/pre-commit; mv copied/.git g; rm -r copied; \
                  git clone -q repo other; mkdir repo/x";
    host.bare(["sh", "-ec", &host.expand(script)])
        .output()
        .succeeds();
    host
}

#[test]
fn no_directory_takes_the_place_of_a_git_directory() {
    if !has_git() {
        return;
    }
    let then = "git status; git commit -q --allow-empty -m x";
    for planted in [
        "exchange ../g .git",
        "exchange .git ../g",
        "mv .git old; mv ../g .git",
        "mv .git old; cp -rl ../g .git",
        "mv .git old; ln -s ../g .git",
        "rm -rf .git; mkdir -p .git; mv ../g/* .git",
        "exchange ../g/hooks .git/hooks",
        "mv .git/hooks old; mv ../g/hooks .git/hooks",
        "mv ../g n; exchange n/config .git/config",
        "mv ../g n; mv ../repo ../r; mkdir ../repo; cd ..; mv r/n repo/.git; cp r/file repo",
    ] {
        never_runs_at(person_with_copy, planted, then);
    }
    // Where there was none.
    for planted in [
        "mv ../g x/.git",
        "mv ../g y; mkdir z; exchange y z; mv z x/.git",
        "cp -r ../g x/.git",
    ] {
        never_runs_at(
            person_with_copy,
            planted,
            "cd x; git status; git commit -q --allow-empty -m x",
        );
    }
}

/// Attributes choose among the filters that the person has set.
#[test]
fn no_attributes_of_the_command_are_git_s_own() {
    if !has_git() {
        return;
    }
    let person_with_filter = || {
        let host = person();
        let script = "cd repo; git config filter.x.clean @outside/evil; cp ../evil @outside/evil";
        host.bare(["sh", "-ec", &host.expand(script)])
            .output()
            .succeeds();
        host
    };
    for planted in [
        "echo '* filter=x' > .git/info/attributes",
        "echo '* filter=x' > a; mv a .git/info/attributes",
        "echo '* filter=x' > a; ln a .git/info/attributes",
        "ln -s ../../a .git/info/attributes; echo '* filter=x' > a",
        "mkdir i; echo '* filter=x' > i/attributes; rm -r .git/info; mv i .git/info",
        "mkdir i; echo '* filter=x' > i/attributes; exchange i .git/info",
    ] {
        never_runs_at(person_with_filter, planted, "echo y > file; git add file");
    }
}

/// The setting that has git ask other repositories, with one.
#[test]
fn no_other_repository_s_references_are_asked_for_by_the_command() {
    if !has_git() {
        return;
    }
    let alternates =
        "mkdir -p .git/objects/info; echo @ws/other/.git/objects > .git/objects/info/alternates";
    for planted in [
        "git config core.alternateRefsCommand @ws/evil",
        "printf '[core]\\nalternateRefsCommand = @ws/evil\\n' > c; mv c .git/config",
        "git config includeIf.onbranch:main.path @ws/i; printf '[core]\\nalternateRefsCommand = @ws/evil\\n' > ../i",
    ] {
        never_runs_at(
            person_with_copy,
            &format!("{alternates}; {planted}"),
            "git fetch -q ../other",
        );
    }
    // As they are git goes on with them.
    let host = person_with_copy();
    inside(
        &host,
        &host.expand(&format!("cd repo; {alternates}; git log -1 && git fsck")),
        &[],
    )
    .succeeds();
    host.bare(["git", "-C", "repo", "fsck"]).output().succeeds();
}

/// The person makes a git directory of an ordinary one in which the command has its working directory and a file open.
#[test]
fn a_directory_that_was_an_ordinary_one_is_judged_by_what_it_is() {
    if !has_git() {
        return;
    }
    let planted = |options: &[&str]| {
        let host = person();
        host.bare(["sh", "-ec", "mv repo/.git repo/g; rm repo/g/hooks/*"])
            .output()
            .succeeds();
        let script = "cd repo/g; exec 9< hooks; touch ../ready; until test -e ../moved; do sleep 0.01; done; \
                      cp @ws/evil hooks/pre-commit; cp @ws/evil /proc/self/fd/9/pre-push; echo x >> config; true";
        let script = host.expand(script);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !host.has("repo/ready") {
                    thread::sleep(Duration::from_millis(5));
                }
                fs::rename(host.path("repo/g"), host.path("repo/.git")).unwrap();
                host.write("repo/moved", "");
            });
            inside(&host, &script, options).succeeds();
        });
        let has = |name: &str| host.has(format!("repo/.git/{name}"));
        (
            has("hooks/pre-commit"),
            has("hooks/pre-push"),
            host.read("repo/.git/config").ends_with("x\n"),
        )
    };
    assert_eq!(planted(&[]), (false, false, false));
    let (by_directory, _, changed) = planted(&WITHOUT);
    assert!(by_directory && changed, "the control");
}

/// Each moves what the other one makes, and both change the same settings.
#[test]
fn two_sandboxes_in_one_tree_make_no_git_directory_together() {
    if !has_git() {
        return;
    }
    let planted = |options: &[&str]| {
        let host = person();
        let one = "until test -e stop; do mkdir -p x/hooks; cp evil x/hooks/pre-commit; echo x > x/config; done 2> /dev/null; \
                   for i in $(seq 10); do git -C repo config user.name one$i || sleep 0.1; done";
        let other = "n=0; for i in $(seq 20); do until test -e x/config || test $((n += 1)) -gt 1000; do sleep 0.01; done; mkdir y; mv -T x y/.git && break; \
                     mkdir y/.git; mv x/hooks y/.git/hooks; mv x/config y/.git/config; done 2> /dev/null; touch stop; \
                     for i in $(seq 10); do git -C repo config user.email other$i || sleep 0.1; done";
        thread::scope(|scope| {
            scope.spawn(|| inside(&host, one, options));
            inside(&host, other, options);
        });
        let settings = host
            .bare(["git", "-C", "repo", "config", "user.name"])
            .output();
        settings.succeeds();
        host.has("y/.git/hooks/pre-commit")
            || fs::read_to_string(host.path("y/.git/config")).is_ok_and(|it| !it.is_empty())
    };
    assert!(!planted(&[]));
    assert!(planted(&WITHOUT), "the control");
}
