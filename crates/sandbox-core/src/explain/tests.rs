use std::path::PathBuf;

use super::*;
use crate::{Access, Context, Policy, Preset};

/// A machine: `w` is the workspace, `h` the home, `link` leads to the workspace.
fn host() -> (tempfile::TempDir, PathBuf, Context) {
    let directory = tempfile::tempdir().unwrap();
    let root = crate::resolve(directory.path()).unwrap().path;
    for path in ["w/src", "h"] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    std::os::unix::fs::symlink("w", root.join("link")).unwrap();
    let mut context = Context::new(root.join("w"));
    context.home = Some(root.join("h"));
    (directory, root, context)
}

/// The rules that lost, as `pattern access: why`.
fn lost(policy: &Policy, context: &Context, attempt: &Attempt) -> Vec<String> {
    let ruleset = Ruleset::resolve(policy, context).unwrap();
    let line = |lost: Lost| {
        let access = lost.rule.access.map_or("", Access::as_str);
        format!("{} {access}: {}", lost.rule.pattern, lost.why.as_str())
    };
    let explanation = ruleset.explain(attempt);
    assert_eq!(explanation.decision, ruleset.decide(attempt));
    explanation.lost.into_iter().map(line).collect()
}

#[test]
fn every_rule_about_the_path_is_named_with_the_reason() {
    let (_directory, root, context) = host();
    let at = |path: &str| root.join(path);
    let agent = Policy::preset(Preset::Agent);
    let base = Policy::new().read(&root).write(".");
    for (policy, path, expected) in [
        (base.clone(), "w/x", &["@ read: less-specific"][..]),
        (base.clone(), "h", &[]),
        (
            base.clone().hide_matching("**/*.pem"),
            "w/src/a.pem",
            &[". write: lowered", "@ read: less-specific"],
        ),
        (
            base.clone().hide_matching("*.pem").read_matching("a*"),
            "w/a.pem",
            &[". write: lowered", "a* read: tie", "@ read: less-specific"],
        ),
        (
            base.clone().read("src").write_matching("**/x"),
            "w/src/x",
            &[
                ". write: less-specific",
                "**/x write: raises",
                "@ read: less-specific",
            ],
        ),
        (
            base.clone().write_matching("*"),
            "w/x",
            &["* write: pattern", "@ read: less-specific"],
        ),
        (
            base.clone().read("./src/").write("src"),
            "w/src",
            &[
                "src write: tie",
                ". write: less-specific",
                "@ read: less-specific",
            ],
        ),
        (
            base.clone()
                .read("./src/")
                .layer(Policy::new().write("src")),
            "w/src",
            &[
                "./src/ read: replaced",
                ". write: less-specific",
                "@ read: less-specific",
            ],
        ),
        (
            base.clone().read(at("link")),
            "w/x",
            &[". write: tie", "@ read: less-specific"],
        ),
        (
            base,
            "w/src/.git/hooks/post-merge",
            &[". write: protected", "@ read: less-specific"],
        ),
        (
            agent.clone().read("."),
            "w/x",
            &[
                "${CWD} write: replaced",
                "/tmp scratch: less-specific",
                "/ read: less-specific",
            ],
        ),
        (
            agent.read("~/.netrc"),
            "h/.netrc",
            &[
                "@/h/.netrc hide: named",
                "/tmp scratch: less-specific",
                "/ read: less-specific",
            ],
        ),
        (Policy::new(), "w", &[]),
        (Policy::new().read("/"), "w/../x", &[]),
    ] {
        let attempt = Attempt::write(at(path));
        let lost: Vec<_> = lost(&policy, &context, &attempt)
            .iter()
            .map(|line| line.replace(root.to_str().unwrap(), "@"))
            .collect();
        assert_eq!(lost, expected, "{policy}{attempt:?}");
    }
}

#[test]
fn every_rule_about_the_variable_is_named_with_the_reason() {
    let agent = Policy::preset(Preset::Agent);
    for (policy, name, expected) in [
        (agent.clone(), "LANG", &[][..]),
        (agent.clone(), "NPM_TOKEN", &["* : less-specific"]),
        (agent.clone(), "GOCACHE", &["* : less-specific"]),
        (
            agent.clone().pass("NPM_TOKEN"),
            "NPM_TOKEN",
            &["*TOKEN : less-specific", "* : less-specific"],
        ),
        (agent.drop_variable("*"), "LANG", &["* : replaced"]),
        (
            Policy::new()
                .pass("LC_?")
                .pass("LC_*")
                .drop_variable("LC_X"),
            "LC_X",
            &["LC_* : less-specific", "LC_? : less-specific"],
        ),
        (
            Policy::new().pass("A?").drop_variable("*A"),
            "AA",
            &["A? : tie"],
        ),
        (Policy::new(), "A", &[]),
    ] {
        let lost = lost(&policy, &Context::new("/usr/lib"), &Attempt::variable(name));
        assert_eq!(lost, expected, "{policy}{name}");
    }
}

#[test]
fn a_value_with_a_password_passes_by_name_only() {
    let address = "https://ana:secret@example.org";
    let agent = Policy::preset(Preset::Agent);
    for (policy, value, expected) in [
        (agent.clone(), "https://example.org", true),
        (agent.clone(), address, false),
        (agent.clone().pass("URL"), address, true),
        (agent.drop_variable("URL"), "x", false),
    ] {
        let ruleset = Ruleset::resolve(&policy, &Context::new("/usr/lib")).unwrap();
        let passes = ruleset.environment().passes("URL".as_ref(), value.as_ref());
        assert_eq!(passes, expected, "{policy}{value}");
    }
}
