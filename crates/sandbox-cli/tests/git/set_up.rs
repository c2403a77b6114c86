//! What a person has set up beforehand: hooks' managers, large files, templates, and settings that lead into the workspace.

use std::collections::BTreeSet;

use super::{Host, exchange, has_git, inside, listed, person};

/// Hooks of husky and pre-commit, and filters of LFS: each says that it has run.
fn person_with_hooks() -> Host {
    let host = person()
        .script(
            "@outside/bin/git-lfs",
            "#!/bin/sh\necho lfs $1 >> @ws/marks\ntest $1 != clean || cat\n",
        )
        .script(
            "repo/.husky/_/h",
            "#!/bin/sh\nsh -e .husky/$(basename $0)\n",
        )
        .script(
            "repo/.husky/_/pre-commit",
            "#!/bin/sh\n. \"$(dirname \"$0\")/h\"\n",
        )
        .script("repo/.husky/pre-commit", "echo husky >> @ws/marks\n")
        .script(
            "precommitted/hook",
            "#!/bin/sh\necho pre-commit >> @ws/marks\n",
        );
    let script = "git clone -q repo other; cp precommitted/hook other/.git/hooks/pre-commit; cd repo; git add .; \
                  git config core.hooksPath .husky/_; git config filter.lfs.clean '@outside/bin/git-lfs clean'; \
                  git config filter.lfs.required true; echo '*.bin filter=lfs' > .gitattributes; git add .gitattributes; git commit -q -m husky; \
                  printf '#!/bin/sh\\n@outside/bin/git-lfs post-commit\\n' > .husky/_/post-commit; chmod +x .husky/_/post-commit; rm @ws/marks";
    host.bare(["sh", "-ec", &host.expand(script)])
        .output()
        .succeeds();
    host
}

#[test]
fn hooks_and_filters_of_the_person_run_inside() {
    if !has_git() {
        return;
    }
    let host = person_with_hooks();
    let script = "cd repo && echo x > a.bin && git add a.bin && git commit -q -m inside && git config core.hooksPath .husky/_ && \
                  cd ../other && git commit -q --allow-empty -m inside";
    inside(&host, script, &[]).succeeds();
    // git may look at a file twice.
    let marks = host.read("marks");
    let marks: BTreeSet<_> = marks.lines().collect();
    let expected = ["husky", "lfs clean", "lfs post-commit", "pre-commit"];
    assert!(marks.iter().eq(&expected), "{marks:?}");
    // An installation that would turn them on is the person's to do.
    let outcome = inside(&host, "cd other && git config core.hooksPath .husky/_", &[]);
    assert!(outcome.code() != Some(0), "{}", outcome.show());
    outcome.stderr_contains("denied rename other/.git/config (`core.hookspath` would change)");
    assert!(!listed(&host, "other").contains("hookspath"));
}

/// Each with what the person has set, what the command does about it, and what the person does then.
#[test]
fn nothing_that_settings_lead_to_is_of_the_command() {
    const COMMIT: &str = "git commit -q --allow-empty -m x";
    const HOOKS: &str = "git config core.hooksPath tools/hooks; mkdir -p tools/hooks";
    const ATTRIBUTES: &str = "git config core.attributesFile tools/attributes; git config filter.x.clean @ws/evil; mkdir tools; echo > tools/attributes";
    const FSMONITOR: &str = "git config core.fsmonitor 'tools/run 2'; mkdir tools; printf '#!/bin/sh\\n' > tools/run; chmod +x tools/run";
    const INCLUDE: &str = "git config include.path ../../shared; echo > ../shared";
    const INCLUDE_IF: &str =
        "git config --global includeIf.gitdir:@ws/.path @ws/shared; echo > ../shared";
    if !has_git() {
        return;
    }
    for (set, planted, then) in [
        (HOOKS, "cp ../evil tools/hooks/pre-commit", COMMIT),
        (
            "git config --global core.hooksPath tools/hooks",
            "mkdir -p tools/hooks; cp ../evil tools/hooks/pre-commit",
            COMMIT,
        ),
        (
            HOOKS,
            "mv tools t; mkdir -p tools/hooks; cp ../evil tools/hooks/pre-commit",
            COMMIT,
        ),
        (
            HOOKS,
            "mkdir -p t/hooks; cp ../evil t/hooks/pre-commit; exchange t tools",
            COMMIT,
        ),
        (
            HOOKS,
            "rm -rf tools; mkdir t; cp ../evil t/pre-commit; mkdir tools; ln -s ../t tools/hooks",
            COMMIT,
        ),
        (
            "mkdir -p real; ln -s real tools; git config core.hooksPath tools",
            "mkdir t; cp ../evil t/pre-commit; rm tools; ln -s t tools; cp ../evil real/pre-commit",
            COMMIT,
        ),
        (
            ATTRIBUTES,
            "echo '* filter=x' > tools/attributes; echo '* filter=x' > a; mv a tools/attributes",
            "echo y > file; git add file",
        ),
        (
            FSMONITOR,
            "cp ../evil tools/run; cp ../evil e; mv -f e tools/run",
            "git status",
        ),
        (
            FSMONITOR,
            "exec 9>> tools/run; cat ../evil >&9; ln -f ../evil tools/run",
            "git status",
        ),
        (
            INCLUDE,
            "printf '[core]\\nfsmonitor = @ws/evil\\n' > ../shared; printf '[core]\\nfsmonitor = @ws/evil\\n' > c; mv c ../shared",
            "git status",
        ),
        (
            INCLUDE_IF,
            "printf '[core]\\nfsmonitor = @ws/evil\\n' > ../shared",
            "git status",
        ),
        (
            "git config include.path ../../shared; echo '[core]\nhooksPath = tools/hooks' > ../shared; mkdir -p tools/hooks",
            "cp ../evil tools/hooks/pre-commit",
            COMMIT,
        ),
    ] {
        let attack = |tree: Option<&str>| {
            let host = person();
            // The workspace has the repository in it, or is it.
            let run = |script: &str, tree: Option<&str>| {
                let script = host.expand(&format!("{}; cd @ws/repo; {script}", exchange()));
                let command = ["sh", "-c", &script];
                match tree {
                    Some(tree) => host.sandbox(command).cwd(tree).output(),
                    None => host.bare(command).output(),
                }
            };
            run(set, None).succeeds();
            let outcome = run(planted, tree);
            run(then, None);
            (host.has("ran"), outcome.show())
        };
        for tree in ["@ws", "repo"] {
            let (ran, outcome) = attack(Some(tree));
            assert!(!ran, "{tree}: {set}: {planted}\n{outcome}");
        }
        let (ran, outcome) = attack(None);
        assert!(ran, "the control: {set}: {planted}\n{outcome}");
    }
}

/// What says so is the setting, and the rule about it opens it.
#[test]
fn what_settings_lead_to_is_explained() {
    if !has_git() {
        return;
    }
    let host = person();
    let script = "cd repo; git config core.hooksPath tools/hooks; mkdir -p tools/hooks";
    host.bare(["sh", "-ec", script]).output().succeeds();
    let explained = host
        .tool(["explain", "--write", "tools/hooks/pre-commit"])
        .cwd("repo")
        .output();
    explained
        .stdout_contains("(git's `core.hooksPath`)")
        .stdout_contains("since: git runs what is in it");
    let inner = host
        .sandbox(["cp", "../evil", "tools/hooks/pre-commit"])
        .cwd("repo");
    inner.output().stderr_contains("denied create tools/hooks/pre-commit (git runs what is in it); `--write tools/hooks` allows it");
    assert!(!host.has("repo/tools/hooks/pre-commit"));
    let opened = host.sandbox([
        "cp",
        host.expand("@ws/evil").as_str(),
        "tools/hooks/pre-commit",
    ]);
    opened
        .cwd("repo")
        .options(["--write", "tools/hooks"])
        .output()
        .succeeds();
}

/// A template is copied as it is, whatever is written.
#[test]
fn hooks_of_a_template_are_what_the_person_has_there() {
    if !has_git() {
        return;
    }
    let host = person()
        .script(
            "~/template/hooks/pre-commit",
            "#!/bin/sh\ntouch @ws/template-ran\n",
        )
        .file("~/template/hooks/README", "about hooks\n")
        .file("~/template/info/attributes", "*.bin binary\n");
    let set = [
        "git",
        "config",
        "--global",
        "init.templateDir",
        "~/template",
    ];
    host.bare(set).output().succeeds();
    let script = "git init -q fresh && git clone -q repo clone && cd clone && git commit -q --allow-empty -m x";
    inside(&host, script, &[]).succeeds();
    assert!(host.has("template-ran"));
    for name in ["hooks/pre-commit", "hooks/README", "info/attributes"] {
        let expected = host.read(format!("~/template/{name}"));
        for repository in ["fresh", "clone"] {
            assert_eq!(host.read(format!("{repository}/.git/{name}")), expected);
        }
    }
    let mode = ["test", "-x", "clone/.git/hooks/pre-commit"];
    host.bare(mode).output().succeeds();
    // Nothing else gets there by it.
    let commit = [
        "git",
        "-C",
        "repo",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
    ];
    for planted in [
        "cp ../evil .git/hooks/pre-commit",
        "cp ../evil .git/hooks/pre-push; mv .git/hooks/pre-push .git/hooks/pre-commit",
        "cp ../evil h; mv h .git/hooks/pre-commit",
        "cp ../evil h; ln h .git/hooks/pre-commit",
        "cp ../evil h; ln -s ../../h .git/hooks/pre-commit",
        ": > .git/hooks/pre-commit; cat ../evil >> .git/hooks/pre-commit; cat ../evil > .git/hooks/pre-commit",
        "exec 9> .git/hooks/pre-commit; cat ../evil >&9; chmod +x .git/hooks/pre-commit",
        "cp ../evil .git/hooks/README; mv .git/hooks/README .git/hooks/pre-commit",
    ] {
        let ran = |is_confined: bool| {
            let script = host.expand(&format!(
                "cd repo; rm -f ../ran .git/hooks/*; {planted}; chmod +x .git/hooks/*"
            ));
            let command = ["sh", "-c", &script];
            let command = if is_confined {
                host.sandbox(command)
            } else {
                host.bare(command)
            };
            let outcome = command.cwd("@ws").output();
            host.bare(commit).output();
            (host.has("ran"), outcome.show())
        };
        let (has_run, outcome) = ran(true);
        assert!(!has_run, "{planted}\n{outcome}");
        let (has_run, outcome) = ran(false);
        assert!(has_run, "the control: {planted}\n{outcome}");
    }
}
