use std::path::PathBuf;

use crate::{Access, Attempt, Context, Imported, Policy, Ruleset, Source, Verdict};

/// A person with settings of git, and a repository `w` in which they work.
struct Person {
    _directory: tempfile::TempDir,
    root: PathBuf,
    context: Context,
}

fn person() -> Person {
    let directory = tempfile::tempdir().unwrap();
    let root = crate::resolve(directory.path()).unwrap().path;
    for path in [
        "w/.git",
        "w/tools/hooks",
        "home/.config/git",
        "template/hooks",
    ] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    let mut context = Context::new(root.join("w"));
    context.home = Some(root.join("home"));
    let person = Person {
        _directory: directory,
        root,
        context,
    };
    for path in ["w/tools/run", "w/shared", "w/other"] {
        person.write(path, "");
    }
    person
}

impl Person {
    fn write(&self, path: &str, content: &str) {
        std::fs::write(self.root.join(path), content).unwrap();
    }

    fn rules(&self, policy: Policy) -> Ruleset {
        Ruleset::resolve(&policy.read("/").write("."), &self.context).unwrap()
    }

    /// What of these can't be written, with the setting that says so.
    fn held(&self, rules: &Ruleset) -> Vec<(&'static str, String)> {
        let names = [
            ".",
            "tools",
            "tools/hooks",
            "tools/hooks/x",
            "tools/run",
            "shared",
            "other",
            "new",
        ];
        let held = names.iter().filter_map(|name| {
            let decision = rules.decide(&Attempt::write(
                self.root
                    .join("w")
                    .join(name)
                    .components()
                    .collect::<PathBuf>(),
            ));
            let source = decision.rule?.source.to_string();
            (decision.verdict == Verdict::Deny).then_some((*name, source))
        });
        held.collect()
    }
}

/// With this file of settings, these names are held by these keys, and no others.
#[track_caller]
fn assert_held(file: &str, content: &str, expected: &[(&str, &str)]) {
    let person = person();
    person.write(file, content);
    let held = person.held(&person.rules(Policy::default()));
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, key)| (*name, format!("git's `{key}`")))
        .collect();
    assert_eq!(held, expected, "{file}: {content}");
}

#[test]
fn what_settings_lead_to_is_held() {
    let hooks: &[(&str, &str)] = &[
        ("tools/hooks", "core.hooksPath"),
        ("tools/hooks/x", "core.hooksPath"),
    ];
    for (file, content, expected) in [
        (
            "w/.git/config",
            "[core]\n\thooksPath = tools/hooks\n",
            hooks,
        ),
        (
            "w/.git/config",
            "[core]\n\thooksPath = ./tools/../tools/hooks/\n",
            hooks,
        ),
        (
            "w/.git/config.worktree",
            "[core]\n\thooksPath = tools/hooks\n",
            hooks,
        ),
        (
            "home/.gitconfig",
            "[core]\n\thooksPath = tools/hooks\n",
            hooks,
        ),
        (
            "home/.config/git/config",
            "[core]\n\thooksPath = ~/../w/tools/hooks\n",
            hooks,
        ),
        (
            "home/.gitconfig",
            "[core]\n\thooksPath = new\n",
            &[("new", "core.hooksPath")],
        ),
        (
            "w/.git/config",
            "[core]\n\tattributesFile = shared\n",
            &[("shared", "core.attributesFile")],
        ),
        ("w/.git/config", "[core]\n\texcludesFile = shared\n", &[]),
        (
            "w/.git/config",
            "[core]\n\tfsmonitor = tools/run --all\n",
            &[("tools/run", "core.fsmonitor")],
        ),
        ("w/.git/config", "[core]\n\tfsmonitor = run\n", &[]),
        ("w/.git/config", "[core]\n\tfsmonitor = true\n", &[]),
        (
            "w/.git/config",
            "[filter \"x\"]\n\tclean = sh -c 'tools/run %f'\n",
            &[("tools/run", "filter.*.clean")],
        ),
        (
            "w/.git/config",
            "[credential]\n\thelper = !./tools/run\n",
            &[("tools/run", "credential.helper")],
        ),
        (
            "w/.git/config",
            "[include]\n\tpath = ../shared\n",
            &[("shared", "include.path")],
        ),
        (
            "home/.gitconfig",
            "[includeIf \"onbranch:x\"]\n\tpath = ~/../w/shared\n",
            &[("shared", "includeIf.*.path")],
        ),
        // What is all of it, or where git writes, can't be taken away.
        ("w/.git/config", "[core]\n\thooksPath = .\n", &[]),
        ("w/.git/config", "[core]\n\thooksPath = ../w\n", &[]),
        ("w/.git/config", "[core]\n\thooksPath = /\n", &[]),
        ("w/.git/config", "[core]\n\thooksPath = .git\n", &[]),
        ("w/.git/config", "[core]\n\thooksPath\n", &[]),
        ("w/.git/config", "[core\n\thooksPath = tools/hooks\n", &[]),
    ] {
        assert_held(file, content, expected);
    }
}

#[test]
fn programs_that_settings_name_by_a_path_are_held() {
    for (file, content, expected) in [
        (
            "w/.git/config",
            "[credential \"https://a.test\"]\n\thelper = !f() { tools/run; }; f\n",
            Some(("tools/run", "credential.*.helper")),
        ),
        (
            "home/.gitconfig",
            "[Alias]\n\tBuild = !tools/run --all\n",
            Some(("tools/run", "alias.*")),
        ),
        // No command: an argument of git's.
        ("home/.gitconfig", "[alias]\n\tl = log -- tools/run\n", None),
        (
            "home/.gitconfig",
            "[pager]\n\tdiff = ./tools/run\n",
            Some(("tools/run", "pager.*")),
        ),
        (
            "w/.git/config",
            "[submodule \"a\"]\n\tupdate = !tools/run\n",
            Some(("tools/run", "submodule.*.update")),
        ),
    ] {
        assert_held(file, content, expected.as_slice());
    }
}

/// Settings of another sandbox say what may be written; what git's lead to is held in that, too, unless they name it.
#[test]
fn what_settings_lead_to_is_held_under_those_of_another_sandbox() {
    let person = person();
    let held = |allowed: &str| {
        let text = format!(
            r#"{{"network": {{"allowedDomains": [], "deniedDomains": []}},
            "filesystem": {{"denyRead": [], "allowWrite": [{allowed}], "denyWrite": []}}}}"#
        );
        let policy = Imported::from_settings(&text, None).unwrap().policy;
        person.held(&Ruleset::resolve(&policy, &person.context).unwrap())
    };
    assert_eq!(held(r#"".""#), [], "control");
    person.write("w/.git/config", "[core]\n\thooksPath = tools/hooks\n");
    let expected = ["tools/hooks", "tools/hooks/x"].map(|name| (name, "git's `core.hooksPath`"));
    let found = held(r#"".""#);
    let found: Vec<_> = found
        .iter()
        .map(|(name, key)| (*name, key.as_str()))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(held(r#"".", "tools/hooks""#), []);
}

#[test]
fn what_is_included_is_read_and_ends() {
    let person = person();
    person.write("w/.git/config", "[include]\n\tpath = ../shared\n");
    person.write(
        "w/shared",
        "[include]\n\tpath = other\n\tpath = shared\n\tpath = .git/config\n",
    );
    person.write(
        "w/other",
        "[include]\n\tpath = shared\n[core]\n\thooksPath = tools/hooks\n",
    );
    let held = person.held(&person.rules(Policy::default()));
    let names: Vec<_> = held.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["tools/hooks", "tools/hooks/x", "shared", "other"]);
    // Each includes the next one, which is protected as far as is looked.
    let many = |number: usize| format!("[include]\n\tpath = many{}\n", number + 1);
    person.write("w/.git/config", "[include]\n\tpath = ../many0\n");
    for number in 0..1000 {
        person.write(&format!("w/many{number}"), &many(number));
    }
    let rules = person.rules(Policy::default());
    let is_held = |number: usize| {
        let path = person.root.join(format!("w/many{number}"));
        rules.decide(&Attempt::write(path)).verdict == Verdict::Deny
    };
    assert!(is_held(0) && is_held(20) && !is_held(999));
}

/// A link on the way leads elsewhere if it is replaced.
/// More repositories than are looked at, and names that come first: such as a command may have left.
#[test]
fn the_repository_that_leads_somewhere_is_among_those_that_are_looked_at() {
    let person = person();
    let around = person.root.join("w");
    std::fs::remove_dir(around.join(".git")).unwrap();
    for number in 0..200 {
        std::fs::create_dir_all(around.join(format!("+{number:03}/.git"))).unwrap();
    }
    std::fs::create_dir_all(around.join("z/.git")).unwrap();
    person.write("w/z/.git/config", "[core]\n\thooksPath = hooks\n");
    let rules = person.rules(Policy::default());
    let denied = |path: &str| {
        let path = around.join(path);
        rules.decide(&Attempt::write(path)).verdict == Verdict::Deny
    };
    assert!(denied("z/hooks/pre-commit"));
    assert!(!denied("z/hook"));
    assert!(!denied("+000/hooks/pre-commit"));
}

#[test]
fn links_on_the_way_are_held() {
    let person = person();
    std::os::unix::fs::symlink("tools/hooks", person.root.join("w/link")).unwrap();
    person.write("w/.git/config", "[core]\n\thooksPath = link\n");
    let rules = person.rules(Policy::default());
    for name in ["link", "tools/hooks"] {
        let decision = rules.decide_file(&person.root.join("w").join(name));
        assert_eq!(decision.verdict, Verdict::Deny, "{name}");
    }
    assert!(!rules.keeps_names(&person.root.join("w/tools"), &person.root.join("w/t")));
}

#[test]
fn a_rule_opens_what_settings_lead_to() {
    let person = person();
    person.write("w/.git/config", "[core]\n\thooksPath = tools/hooks\n");
    let rules = person.rules(Policy::default());
    let hook = person.root.join("w/tools/hooks");
    let decision = rules.decide(&Attempt::write(&hook));
    assert_eq!(
        decision.rule.unwrap().source,
        Source::GitSetting {
            key: "core.hooksPath"
        }
    );
    let remedy = decision.remedy.unwrap();
    let opened = Policy::from_toml(&format!("[files]\n{remedy}\n"), None).unwrap();
    let policy = Policy::default().read("/").write(".").layer(opened);
    let opened = Ruleset::resolve(&policy, &person.context).unwrap();
    assert_eq!(
        opened.decide(&Attempt::write(hook.join("x"))).verdict,
        Verdict::Allow
    );
    // One about something in it opens that.
    std::fs::write(hook.join("x"), "").unwrap();
    let opened = person.rules(Policy::default().write("tools/hooks/x"));
    assert_eq!(
        opened.decide(&Attempt::write(hook.join("x"))).verdict,
        Verdict::Allow
    );
    assert_eq!(
        opened.decide(&Attempt::write(hook.join("y"))).verdict,
        Verdict::Deny
    );
}

#[test]
fn the_repository_of_a_linked_worktree_has_its_settings() {
    let person = person();
    std::fs::create_dir_all(person.root.join("main/.git/worktrees/w")).unwrap();
    std::fs::remove_dir_all(person.root.join("w/.git")).unwrap();
    person.write("w/.git", "gitdir: ../main/.git/worktrees/w\n");
    person.write("main/.git/worktrees/w/commondir", "../..\n");
    person.write("main/.git/config", "[core]\n\thooksPath = tools/hooks\n");
    let held = person.held(&person.rules(Policy::default()));
    assert_eq!(held.len(), 2, "{held:?}");
    // Of those in a directory.
    let mut person = self::person();
    person.write("w/.git/config", "[core]\n\thooksPath = tools/hooks\n");
    person.context.cwd = person.root.clone();
    person.context.home = None;
    let held = person.held(&person.rules(Policy::default()));
    assert_eq!(held.len(), 2, "{held:?}");
    // And of a directory in a repository.
    let mut person = self::person();
    person.write("w/.git/config", "[core]\n\thooksPath = tools/hooks\n");
    person.context.cwd = person.root.join("w/tools");
    let held = person.held(&person.rules(Policy::default()));
    assert!(
        held.contains(&("tools/hooks", "git's `core.hooksPath`".to_owned())),
        "{held:?}"
    );
}

#[test]
fn a_template_is_one_that_the_command_does_not_write() {
    let person = person();
    let template = person.root.join("template");
    let found = |policy: Policy| person.rules(policy).files().template.clone();
    assert_eq!(found(Policy::default()), None);
    person.write("home/.gitconfig", "[init]\n\ttemplateDir = ~/../template\n");
    assert_eq!(
        found(Policy::default()).as_deref(),
        Some(template.as_path())
    );
    assert_eq!(found(Policy::default().hide(&template)), None);
    assert_eq!(found(Policy::default().write(&template)), None);
    // Without the rule of the tree around it that names it, it is held.
    let rules = person.rules(Policy::default().write(&person.root));
    let inner = rules.decide(&Attempt::write(template.join("hooks/x")));
    assert_eq!(inner.verdict, Verdict::Deny);
    assert_eq!(rules.files().access(&template).0, Access::Read);
}
