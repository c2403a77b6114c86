//! What is told in the end of changes on which programs of the person's act: in protected files that a rule opens, in git's. Each is looked
//! at from the host, where git or `diff` says the same.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod told;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use sandbox_testing::{Host, Outcome, needs, needs_ordinary_user, tool};
use serde_json::Value;

use told::{EVENTS, events_of, is_denial};

const WITHOUT: [&str; 2] = ["--lower", "notifier=0"];

fn has_git() -> bool {
    needs("git", tool("git").is_some())
}

/// The lines about changes, without those about what was denied.
fn told(host: &Host, outcome: &Outcome) -> Vec<String> {
    let lines = told::told(outcome).into_iter().map(|line| {
        let line = host.shorten(&line);
        line.strip_prefix("sandbox: ").unwrap().to_owned()
    });
    let is_denial =
        |line: &String| line.starts_with("denied") || line.starts_with("more was denied");
    lines.filter(|line| !is_denial(line)).collect()
}

/// The events that are not about what was denied; they are taken away.
fn events(host: &Host) -> Vec<Value> {
    events_of(host, |event| !is_denial(event))
}

/// Those of a kind, which is not that more was made: word, path, lines added and removed.
fn changes(host: &Host) -> Vec<(String, String, [Option<u64>; 2])> {
    let text = |event: &Value, key: &str| host.shorten(event[key].as_str().unwrap());
    let all = events(host).into_iter();
    let all = all.filter(|event| event.get("change").is_some());
    let all = all.map(|event| {
        let lines = ["added", "removed"].map(|key| event.get(key).map(|it| it.as_u64().unwrap()));
        (text(&event, "change"), text(&event, "path"), lines)
    });
    all.collect()
}

fn settings() -> Host {
    Host::new()
        .file(".vscode/settings.json", "{\n  \"a\": 1,\n  \"b\": 2\n}\n")
        .file(".vscode/tasks.json", "{\n}\n")
        .file(".envrc", "PATH_add bin\n")
        .file("ordinary", "")
}

#[test]
fn protected_files_that_are_opened_are_told_with_what_differs() {
    let host = settings();
    let opened = [
        "--write",
        ".vscode",
        "--write",
        ".envrc",
        "--protect",
        "ci",
        "--write",
        ".github/workflows",
    ];
    let script = "printf '{\\n  \"a\": 1,\\n  \"c\": 3,\\n  \"d\": 4\\n}\\n' > .vscode/settings.json; echo x > ordinary
        rm .vscode/tasks.json; mkdir -p .github/workflows; seq 20 > .github/workflows/ci.yml; chmod 755 .envrc";
    let command = host.sandbox(["sh", "-ec", script]).options(opened);
    let outcome = command.options(["--events", EVENTS]).output();
    outcome.succeeds();
    assert_eq!(
        told(&host, &outcome),
        [
            "changed protected files: .envrc +0 -0, .github/workflows/ci.yml (new, +20), .vscode/settings.json +2 -1, .vscode/tasks.json (removed, -2)"
        ]
    );
    let some = |added, removed| [added, removed];
    let expected = [
        ("edited", "@ws/.envrc", some(Some(0), Some(0))),
        ("made", "@ws/.github/workflows/ci.yml", some(Some(20), None)),
        (
            "edited",
            "@ws/.vscode/settings.json",
            some(Some(2), Some(1)),
        ),
        ("removed", "@ws/.vscode/tasks.json", some(None, Some(2))),
    ];
    let expected = expected.map(|(word, path, lines)| (word.to_owned(), path.to_owned(), lines));
    assert_eq!(changes(&host), expected);
    // What did not change is not told, and what no rule opens did not.
    let outcome = host
        .sandbox(["sh", "-c", "echo x >> ordinary"])
        .options(opened)
        .output();
    outcome.succeeds();
    assert_eq!(told(&host, &outcome), [""; 0]);
    let outcome = host.sandbox(["sh", "-c", "echo x >> .envrc"]).output();
    outcome.fails();
    assert_eq!(told(&host, &outcome), [""; 0]);
}

/// What is in the place of files: links, a FIFO, very much, names that would be lines of ours.
#[test]
fn what_is_left_in_an_opened_directory_neither_forges_nor_holds_up() {
    let host = settings().file("@outside/there", "SECRET\n");
    let large = vec![b'\n'; 3 << 20];
    host.write(".vscode/large", &large);
    host.write(".vscode/same", &large);
    let script = "cd .vscode; rm settings.json tasks.json; mkfifo settings.json; ln -s @outside/there tasks.json
        echo x >> large; printf 'a\\0\\nb\\n' > binary
        echo > \"$(printf 'x\\033[2J\\nsandbox: y')\"";
    let script = host.expand(script);
    let command = host
        .sandbox(["sh", "-ec", &script])
        .options(["--write", ".vscode"]);
    let outcome = command.options(["--events", EVENTS]).output();
    outcome.succeeds();
    assert_eq!(
        told(&host, &outcome),
        [
            "changed protected files: .vscode/binary (new), .vscode/large (changed), .vscode/settings.json (replaced by what is no file), \
          .vscode/tasks.json (replaced by what is no file), \".vscode/x\\u{1b}[2J\\nsandbox: y\" (new, +1)"
        ]
    );
    let lines: Vec<_> = changes(&host)
        .into_iter()
        .map(|(_, path, _)| path)
        .collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[4], "@ws/.vscode/x\u{1b}[2J\nsandbox: y");
}

/// A program waits at the FIFO that an earlier command has left, and nobody else does.
#[test]
fn a_fifo_of_an_earlier_command_holds_up_no_start() {
    let host = settings();
    fs::remove_file(host.path(".envrc")).unwrap();
    mkfifo(&host.path(".envrc"), Mode::S_IRWXU).unwrap();
    symlink("/dev/zero", host.path(".vscode/zero")).unwrap();
    let command = host.sandbox(["sh", "-c", "echo x > .vscode/new"]);
    let outcome = command
        .options(["--write", ".envrc", "--write", ".vscode"])
        .output();
    outcome.succeeds();
    assert_eq!(
        told(&host, &outcome),
        ["changed protected files: .vscode/new (new, +1)"]
    );
}

#[test]
fn ten_thousand_files_are_compared_in_part_and_that_is_said() {
    let host = settings();
    let script =
        "cd .vscode; echo >> tasks.json; n=0; while [ $n -lt 10000 ]; do : > a$n; n=$((n+1)); done";
    let command = host
        .sandbox(["sh", "-ec", script])
        .options(["--write", ".vscode"]);
    let outcome = command.options(["--events", EVENTS]).output();
    outcome.succeeds();
    let lines = told(&host, &outcome);
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("changed protected files: .vscode/a"),
        "{}",
        lines[0]
    );
    assert!(lines[0].ends_with(" more"), "{}", lines[0]);
    let all = changes(&host);
    assert!(all.len() <= 258, "{}", all.len());
    assert!(all.contains(&("crowded".to_owned(), "@ws/.vscode".to_owned(), [None, None])));
    // Whatever is made, what was there is compared.
    let tasks = (
        "edited".to_owned(),
        "@ws/.vscode/tasks.json".to_owned(),
        [Some(1), Some(0)],
    );
    assert!(all.contains(&tasks));
    // What is there from an earlier command is not taken for new.
    let command = host.sandbox(["sh", "-ec", "echo x > .vscode/a9999"]);
    let outcome = command.options(["--write", ".vscode"]).output();
    assert_eq!(
        told(&host, &outcome),
        ["changed protected files: .vscode (not all of it was compared)"]
    );
}

/// The search of a deep tree would take long, and a stack: what is below is not looked at, and that is said.
#[test]
fn a_deep_directory_is_compared_in_part_and_that_is_said() {
    let host = settings();
    let run = |levels: usize| {
        let script = format!(
            "cd .vscode; d=$(printf 'd/%.0s' $(seq {levels})); mkdir -p $d; echo x > ${{d}}new"
        );
        let command = host.sandbox(["sh", "-ec", &script]);
        let outcome = command.options(["--write", ".vscode"]).output();
        outcome.succeeds();
        told(&host, &outcome)
    };
    assert_eq!(
        run(63),
        [format!(
            "changed protected files: .vscode/{}new (new, +1)",
            "d/".repeat(63)
        )],
        "the control"
    );
    assert_eq!(
        run(500),
        ["changed protected files: .vscode (not all of it was compared)"]
    );
}

#[test]
fn an_opened_directory_that_cannot_be_listed_is_told() {
    if !needs_ordinary_user() {
        return;
    }
    let host = Host::new().dir(".vscode");
    let run = |script: &str| {
        let command = host.sandbox(["sh", "-ec", script]);
        let outcome = command.options(["--write", ".vscode"]).output();
        outcome.succeeds();
        told(&host, &outcome)
    };
    let control = run("echo x > .vscode/first");
    assert_eq!(
        control,
        ["changed protected files: .vscode/first (new, +1)"]
    );
    let hidden = run("echo x > .vscode/tasks.json; chmod 0311 .vscode");
    // Else it can't be removed.
    fs::set_permissions(host.path(".vscode"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(
        hidden,
        ["changed protected files: .vscode (not all of it was compared)"]
    );
}

/// A person who uses git, with a repository at the top and one below.
fn person() -> Host {
    let config = "[user]\n\tname = A\n\temail = a@example.com\n[init]\n\tdefaultBranch = main\n";
    let host = Host::new().file("~/.gitconfig", config);
    let script = "for i in . sub; do git init -q $i; for n in 1 2 3; do echo $n > $i/file; git -C $i add file; git -C $i commit -q -m $n; done; done";
    host.bare(["sh", "-ec", script]).output().succeeds();
    host
}

fn inside(host: &Host, script: &str) -> Outcome {
    let outcome = host
        .sandbox(["sh", "-ec", script])
        .options(["--events", EVENTS])
        .output();
    outcome.succeeds();
    outcome
}

#[test]
fn repositories_that_were_made_are_told() {
    if !has_git() {
        return;
    }
    let host = person();
    let script = "git init -q new; git clone -q sub tree/clone; git init -q /tmp/private; mkdir -p gone/.git; rm -r gone
        mkdir -p a/b; git init -q a/b/c; mv a z; e=$(printf 'e\\033'); mkdir \"$e\"; mkdir \"$e/.git\"
        git -C sub status; git -C sub commit -q --allow-empty -m x; mkdir sub/.git || ln -s sub/.git link || ln -s sub/.git x/.git || true";
    let outcome = inside(&host, script);
    assert_eq!(
        told(&host, &outcome),
        [
            "made git repositories, with what is in them: e\\u{1b}/.git, new/.git, tree/clone/.git, z/b/c/.git"
        ]
    );
    let repositories = changes(&host);
    assert_eq!(repositories.len(), 4);
    assert_eq!(
        repositories[3],
        (
            "repository".to_owned(),
            "@ws/z/b/c/.git".to_owned(),
            [None, None]
        )
    );
    // They are no news for the next one.
    let outcome = inside(
        &host,
        "git -C new commit -q --allow-empty -m x; git clone -q new /tmp/x",
    );
    assert_eq!(told(&host, &outcome), [""; 0]);
}

/// Also where nobody sees what is made, at the top of what may be written.
#[test]
fn a_repository_at_the_top_is_told_without_a_notifier() {
    let host = Host::new();
    let command = host.sandbox(["mkdir", ".git"]).options(WITHOUT);
    let outcome = command.output();
    outcome.succeeds();
    assert_eq!(
        told(&host, &outcome),
        ["made git repositories, with what is in them: .git"]
    );
}

/// Trees that nobody has looked at are counted.
#[test]
fn trees_beyond_those_that_are_looked_at_are_counted_without_a_notifier() {
    let omitted = |count: usize, options: &[&str]| {
        let names: Vec<String> = (0..count).map(|number| format!("d{number}")).collect();
        let host = names.iter().fold(Host::new(), Host::dir);
        let writes = names.iter().flat_map(|name| ["--write", name.as_str()]);
        let command = host.sandbox(["true"]).options(options.iter().copied());
        let outcome = command
            .options(writes)
            .options(["--events", EVENTS])
            .output();
        outcome.succeeds();
        let all = events(&host);
        all.last()
            .map_or(0, |event| event["omitted"].as_u64().unwrap())
    };
    let many = omitted(70, &WITHOUT);
    assert!(many >= 6, "{many}");
    assert_eq!(omitted(80, &WITHOUT), many + 10);
    for (count, options) in [(20, &WITHOUT[..]), (70, &[])] {
        assert_eq!(omitted(count, options), 0, "control");
    }
}

#[test]
fn more_repositories_than_are_told_hide_nothing_at_the_top() {
    let host = Host::new().file(".git/HEAD", "").dir("d");
    let script = "n=0; while [ $n -lt 1200 ]; do echo d/$n d/$n/.git d/$n/.git/rebase-merge; n=$((n+1)); done | xargs mkdir -p
        mkdir -p .git/rebase-merge; echo 'x evil' > .git/rebase-merge/git-rebase-todo";
    let outcome = inside(&host, script);
    let lines = told(&host, &outcome);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].ends_with("and 980 more"), "{}", lines[0]);
    assert_eq!(
        lines[1],
        "what `git rebase --continue` or `git cherry-pick --continue` reads: .git/rebase-merge/git-rebase-todo runs `x evil`"
    );
    let all = events(&host);
    let last = all.last().unwrap();
    // 200 repositories, in as many something is unfinished, and at the top twice.
    assert_eq!(last["omitted"], 402);
}

/// Directories that are none of git's are not told of, and those that are do not stand before the person's own.
#[test]
fn what_is_unfinished_elsewhere_hides_nothing_at_the_top() {
    let host = Host::new().file(".git/HEAD", "");
    let script = "for n in $(seq 10 34); do
          mkdir -p +$n/sequencer -$n/.git/sequencer; echo > -$n/.git/HEAD
          printf '[options]\nstrategy = a\n' | tee +$n/sequencer/opts > -$n/.git/sequencer/opts
        done
        mkdir .git/rebase-merge; echo 'x evil' > .git/rebase-merge/git-rebase-todo";
    let script = script.replace(" -$n", " ./-$n");
    let lines = told(&host, &inside(&host, &script));
    assert_eq!(lines.len(), 2, "{lines:?}");
    let of_git = "what `git rebase --continue` or `git cherry-pick --continue` reads: .git/rebase-merge/git-rebase-todo runs `x evil`, \
        -10/.git/sequencer/opts runs `a`, -11/";
    assert!(lines[1].starts_with(of_git), "{}", lines[1]);
    assert!(lines[1].ends_with("and 6 more"), "{}", lines[1]);
}

/// One file under many names takes the time of many.
#[test]
fn what_is_unfinished_is_read_up_to_a_bound_and_that_is_said() {
    let host = Host::new().file(".git/HEAD", "");
    let settings = format!("[options]\nstrategy = a\n{}", "\n".repeat(1 << 20));
    host.write("settings", &settings[..1 << 20]);
    let script = "for n in $(seq 40); do mkdir -p $n/.git/sequencer; echo > $n/.git/HEAD; ln settings $n/.git/sequencer/opts; done
        mkdir .git/rebase-merge; echo 'x evil' > .git/rebase-merge/git-rebase-todo";
    inside(&host, script);
    let all = events(&host);
    let pending: Vec<_> = all
        .iter()
        .filter(|event| event["change"] == "pending")
        .collect();
    // The person's own, and then 16 MiB are no longer left for 16.
    assert_eq!(pending.len(), 16);
    let first = host.shorten(pending[0]["path"].as_str().unwrap());
    assert_eq!(first, "@ws/.git/rebase-merge/git-rebase-todo");
    assert_eq!(all.last().unwrap()["omitted"], 25);
}

/// Where names are longer than anybody could open them there is nothing that is "too large".
#[test]
fn what_is_unfinished_too_deep_to_be_opened_is_counted() {
    let host = Host::new().dir("d");
    let long = "d=$(printf 'd%.0s' $(seq 200)); while [ $(pwd | wc -c) -lt 3700 ]; do mkdir -p $d; cd $d; done
        n=$((4085 - $(pwd | wc -c))); d=$(printf 'e%.0s' $(seq $((n / 2 - 1)))); mkdir -p $d; cd $d
        d=$(printf 'f%.0s' $(seq $((4085 - $(pwd | wc -c))))); mkdir -p $d; cd $d";
    let script = format!("{long}; echo > HEAD");
    host.bare(["sh", "-ec", &script]).output().succeeds();
    let outcome = inside(
        &host,
        &format!("{long}; mkdir sequencer; echo x > sequencer/opts"),
    );
    assert_eq!(
        told(&host, &outcome),
        ["more was made in git directories than is told: 3 times; look for `.git` yourself"]
    );
}

/// renameat2(2) gives each the other's name.
#[test]
fn what_was_made_is_told_when_directories_were_exchanged() {
    let host = Host::new();
    let script = format!(
        "mkdir -p evil/.git/sequencer y; echo > evil/.git/HEAD; printf '[options]\nstrategy = a\n' > evil/.git/sequencer/opts
        @payload call {} -100 s:y -100 s:evil 2; test -d y/.git",
        libc::SYS_renameat2
    );
    let outcome = inside(&host, &host.expand(&script));
    assert_eq!(
        told(&host, &outcome),
        [
            "made git repositories, with what is in them: y/.git",
            "what `git rebase --continue` or `git cherry-pick --continue` reads: y/.git/sequencer/opts runs `a`"
        ]
    );
}

/// Each is what git runs on the host, which is the control, and what it does not run is not told.
#[test]
fn what_git_would_run_when_it_goes_on_is_told() {
    if !has_git() {
        return;
    }
    let edit = "GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git rebase -q -i HEAD~1 2>&1";
    let evil = "mkdir -p git-merge-..; printf '#!/bin/sh\\ntouch ran\\n' > git-merge-../x; chmod +x git-merge-../x";
    let pick = "git rev-parse HEAD~1 > .git/sequencer/head; printf 'pick %s\\npick %s\\n' $(git rev-parse HEAD HEAD) > .git/sequencer/todo";
    for (place, planted, then, told_of) in [
        (
            ".",
            &format!("{edit}; echo 'x touch ran' >> .git/rebase-merge/git-rebase-todo"),
            "git rebase --continue",
            ".git/rebase-merge/git-rebase-todo runs `x touch ran`",
        ),
        (
            "sub",
            &format!(
                "{edit}; printf 'exec touch ran\\nbreak\\n' > t; mv t .git/rebase-merge/git-rebase-todo"
            ),
            "git rebase --continue",
            "sub/.git/rebase-merge/git-rebase-todo runs `exec touch ran`",
        ),
        (
            "sub",
            &format!(
                "{edit}; mv .git/rebase-merge .git/x; echo 'x touch ran' >> .git/x/git-rebase-todo; mv .git/x .git/rebase-merge"
            ),
            "git rebase --continue",
            "sub/.git/rebase-merge/git-rebase-todo runs `x touch ran`",
        ),
        (
            "sub",
            &format!(
                "{evil}; mkdir .git/sequencer; {pick}; git reset -q --hard HEAD~2; printf '[options]\\nstrategy = ../x\\n' > .git/sequencer/opts"
            ),
            "git cherry-pick --continue",
            "sub/.git/sequencer/opts runs `../x`",
        ),
        (
            "linked",
            &format!(
                "{edit}; echo 'x touch ran' >> $(git rev-parse --git-path rebase-merge/git-rebase-todo)"
            ),
            "git rebase --continue",
            ".git/worktrees/linked/rebase-merge/git-rebase-todo runs `x touch ran`",
        ),
    ] {
        let host = person();
        let link = "git worktree add -q linked";
        host.bare(["sh", "-ec", link]).output().succeeds();
        let outcome = inside(&host, &format!("cd {place}; {planted}"));
        let expected = format!(
            "what `git rebase --continue` or `git cherry-pick --continue` reads: {told_of}"
        );
        assert_eq!(told(&host, &outcome), [expected], "{planted}");
        let outcome = host.bare(["sh", "-c", then]).cwd(place).output();
        assert!(
            host.has(format!("{place}/ran")),
            "{planted}: {}",
            outcome.show()
        );
    }
}

#[test]
fn what_is_finished_or_was_there_before_is_not_told() {
    if !has_git() {
        return;
    }
    let host = person();
    let edit = "GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git rebase -q -i HEAD~1 2>&1";
    let armed = format!("{edit}; echo 'x true' >> .git/rebase-merge/git-rebase-todo");
    host.bare(["sh", "-ec", &armed]).output().succeeds();
    let script = format!("{edit}; git rebase --continue; {edit}");
    let outcome = inside(&host, &format!("git status; cd sub; {script}"));
    assert_eq!(told(&host, &outcome), [""; 0]);
    // Whoever can't know says what is there.
    let outcome = host.sandbox(["true"]).options(WITHOUT).output();
    assert_eq!(
        told(&host, &outcome),
        [
            "what `git rebase --continue` or `git cherry-pick --continue` reads: .git/rebase-merge/git-rebase-todo runs `x true`"
        ]
    );
}

/// Where git would read something else than a file of some size, that is said, and nobody waits for it.
#[test]
fn a_to_do_list_that_cannot_be_read_is_told() {
    let todo = "rebase-merge/git-rebase-todo";
    for planted in [
        "mkfifo $todo",
        "head -c 100000000 /dev/zero > $todo",
        "ln -s @outside/list $todo",
        "mkdir $todo",
    ] {
        let host = Host::new()
            .file("@outside/list", "x true\n")
            .file("bare/HEAD", "")
            .dir("bare/rebase-merge");
        let script = host.expand(&format!("cd bare; todo={todo}; {planted}"));
        let outcome = inside(&host, &script);
        assert_eq!(
            told(&host, &outcome),
            [
                "what `git rebase --continue` or `git cherry-pick --continue` reads: bare/rebase-merge/git-rebase-todo (too large, or no file)"
            ],
            "{planted}"
        );
    }
}

/// A link may lead to what the command could not read.
#[test]
fn a_git_directory_behind_a_link_is_not_looked_into() {
    let list = "rebase-merge/git-rebase-todo";
    let linked = Host::new()
        .file(format!("@outside/git/{list}"), "x SECRET\n")
        .symlink(".git", "@outside/git");
    let own = Host::new().file(format!(".git/{list}"), "x true\n");
    let run = |host: &Host| {
        let outcome = host.sandbox(["true"]).options(WITHOUT).output();
        outcome.succeeds().never_says("SECRET");
        told(host, &outcome)
    };
    assert_eq!(run(&linked), [""; 0]);
    assert_eq!(run(&own).len(), 1, "the control");
}
