use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{Context, Policy, Preset, resolve};

/// A machine: `/w` is the workspace, `/h` a home.
struct Host {
    _directory: tempfile::TempDir,
    root: PathBuf,
    context: Context,
}

fn host() -> Host {
    let directory = tempfile::tempdir().unwrap();
    let root = resolve(directory.path()).unwrap().path;
    for path in [
        "w/src",
        "w/.git/hooks",
        "w/.vscode",
        "h/.ssh",
        "h/.cargo",
        "etc",
    ] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    for path in [
        "h/.ssh/id",
        "h/.cargo/credentials.toml",
        "etc/motd",
        "w/a*b",
    ] {
        std::fs::write(root.join(path), "").unwrap();
    }
    std::os::unix::fs::symlink("w", root.join("link")).unwrap();
    let mut context = Context::new(root.join("w"));
    context.home = Some(root.join("h"));
    Host {
        _directory: directory,
        root,
        context,
    }
}

impl Host {
    fn decide(&self, policy: &Policy, attempt: &Attempt) -> Decision {
        Ruleset::resolve(policy, &self.context)
            .unwrap()
            .decide(attempt)
    }
}

#[test]
fn the_agent_preset_reads_everything_but_secrets_and_writes_the_workspace() {
    let host = host();
    let policy = Policy::preset(Preset::Agent);
    let at = |path: &str| host.root.join(path);
    for (attempt, verdict) in [
        (Attempt::read("/usr/bin/env"), Verdict::Allow),
        (Attempt::read(at("h/x")), Verdict::Allow),
        (Attempt::read(at("h/.ssh/id")), Verdict::Deny),
        (Attempt::read(at("h/.aws/credentials")), Verdict::Deny),
        (Attempt::read("/etc/shadow"), Verdict::Deny),
        (Attempt::write("/etc/motd"), Verdict::Deny),
        (Attempt::write("/usr/bin/x"), Verdict::Deny),
        (Attempt::write(at("w/src/main.rs")), Verdict::Allow),
        (Attempt::write(at("w/.git/HEAD")), Verdict::Allow),
        (Attempt::write(at("w/.git/hooks/pre-commit")), Verdict::Deny),
        (Attempt::read(at("w/.git/hooks/pre-commit")), Verdict::Allow),
        (
            Attempt::write(at("w/deep/er/.vscode/tasks.json")),
            Verdict::Deny,
        ),
        (Attempt::write("/run/x"), Verdict::Allow),
        (Attempt::write("/dev/shm/x"), Verdict::Allow),
        (Attempt::variable("LANG"), Verdict::Allow),
        (Attempt::variable("GITHUB_TOKEN"), Verdict::Deny),
        (Attempt::variable("SSH_AUTH_SOCK"), Verdict::Deny),
        (Attempt::variable("GOCACHE"), Verdict::Allow),
    ] {
        assert_eq!(
            host.decide(&policy, &attempt).verdict,
            verdict,
            "{attempt:?}"
        );
    }
}

#[test]
fn a_protected_path_opens_by_a_rule_that_names_it() {
    let host = host();
    let hook = Attempt::write(host.root.join("w/.git/hooks/pre-commit"));
    let workspace = Policy::default().write(".");
    let decision = host.decide(&workspace, &hook);
    assert_eq!(decision.verdict, Verdict::Deny);
    let rule = decision.rule.unwrap();
    assert_eq!(
        (rule.pattern.as_str(), rule.source),
        (".git/hooks", Source::Protected)
    );

    for (opening, verdict) in [
        (workspace.clone().write("./.git/hooks"), Verdict::Allow),
        (workspace.clone().write("./.git"), Verdict::Deny),
        (workspace.clone().write_matching("./**"), Verdict::Deny),
        (workspace.clone().scratch("."), Verdict::Allow),
    ] {
        assert_eq!(host.decide(&opening, &hook).verdict, verdict, "{opening:?}");
    }
}

#[test]
fn a_secret_opens_by_a_rule_that_names_it() {
    let host = host();
    let key = Attempt::read(host.root.join("h/.ssh/id"));
    let agent = Policy::preset(Preset::Agent);
    for (policy, verdict) in [
        (agent.clone(), Verdict::Deny),
        (agent.clone().read("~"), Verdict::Deny),
        (agent.clone().read_matching("~/**"), Verdict::Deny),
        (agent.clone().read("~/.ssh"), Verdict::Allow),
        (agent.clone().read("~/.ssh/id"), Verdict::Allow),
    ] {
        assert_eq!(host.decide(&policy, &key).verdict, verdict, "{policy:?}");
    }
    let ruleset = Ruleset::resolve(&agent, &host.context).unwrap();
    assert_eq!(ruleset.decide(&key).rule.unwrap().source, Source::Secret);
}

#[test]
fn a_path_through_a_link_of_the_rules_is_the_path_it_leads_to() {
    let host = host();
    let policy = Policy::default().write(host.root.join("link"));
    for path in ["link/x", "w/x"] {
        assert_eq!(
            host.decide(&policy, &Attempt::write(host.root.join(path)))
                .verdict,
            Verdict::Allow,
            "{path}"
        );
    }
}

#[test]
fn what_is_no_resolved_path_is_denied() {
    let policy = Policy::default().write("/tmp").read("/");
    for path in ["", "relative", "/tmp/../etc/passwd", "/a\0b", "../x"] {
        let decision = host().decide(&policy, &Attempt::read(path));
        assert_eq!(
            (decision.verdict, decision.remedy),
            (Verdict::Deny, None),
            "{path:?}"
        );
    }
}

#[test]
fn remedies_are_lines_of_a_policy() {
    let host = host();
    let policy = Policy::default().read(".");
    let remedy = |attempt: &Attempt| host.decide(&policy, attempt).remedy;
    assert_eq!(
        remedy(&Attempt::read("/a \"b\"")).as_deref(),
        Some(r#""/a \"b\"" = "read""#)
    );
    assert_eq!(
        remedy(&Attempt::write("/a*[$")).as_deref(),
        Some(r#""/a[*][[][$]" = "write""#)
    );
    assert_eq!(
        remedy(&Attempt::variable("HOME")).as_deref(),
        Some(r#""HOME" = "pass""#)
    );
    assert_eq!(remedy(&Attempt::variable("")), None);
    let bytes = OsStr::from_bytes(b"/\xff");
    assert_eq!(remedy(&Attempt::read(bytes)), None);
}

fn policies(host: &Host) -> Vec<Policy> {
    let agent = Policy::preset(Preset::Agent);
    vec![
        Policy::default(),
        Policy::preset(Preset::ReadOnly),
        Policy::preset(Preset::Strict),
        agent.clone(),
        agent.clone().hide("/").hide_matching("**"),
        agent
            .clone()
            .read("link/src")
            .hide(host.root.join("link"))
            .hide(host.root.join("w")),
        agent.hide("~").read_matching("~/**"),
    ]
}

#[test]
fn a_remedy_applied_allows_its_attempt() {
    let host = host();
    let paths = [
        "",
        "w",
        "w/src",
        "w/a*b",
        "w/.git/hooks",
        "w/.vscode",
        "h",
        "h/.ssh",
        "h/.ssh/id",
        "etc/motd",
        "link",
    ];
    let paths: Vec<PathBuf> = paths
        .iter()
        .map(|path| host.root.join(path))
        .chain(["/".into(), "/usr".into(), "/etc/passwd".into()])
        .collect();
    let attempts = paths
        .iter()
        .flat_map(|path| [Attempt::read(path), Attempt::write(path)]);
    let attempts: Vec<Attempt> = attempts
        .chain([Attempt::variable("NPM_TOKEN"), Attempt::variable("X")])
        .collect();
    let mut applied = 0;
    for policy in policies(&host) {
        for attempt in &attempts {
            let Some(remedy) = host.decide(&policy, attempt).remedy else {
                continue;
            };
            let table = if matches!(attempt, Attempt::Variable { .. }) {
                "environment"
            } else {
                "files"
            };
            let lines = Policy::from_toml(&format!("[{table}]\n{remedy}\n"), None).unwrap();
            let remedied = policy.clone().layer(lines);
            assert_eq!(
                host.decide(&remedied, attempt).verdict,
                Verdict::Allow,
                "{attempt:?} {remedy} {policy:?}"
            );
            applied += 1;
        }
    }
    assert!(applied > 50, "{applied}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_attempt_has_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..40), slash in any::<bool>()) {
        let bytes = if slash { [b"/", &bytes[..]].concat() } else { bytes };
        let text = OsStr::from_bytes(&bytes);
        let policy = Policy::default().read("/").hide_matching("/nonexistent/**/x").write("/tmp");
        let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
        for attempt in [Attempt::read(text), Attempt::write(text), Attempt::variable(text)] {
            let decision = ruleset.decide(&attempt);
            let is_allowed = decision.verdict == Verdict::Allow;
            prop_assert!(!is_allowed || (decision.rule.is_some() && decision.remedy.is_none()));
            let is_variable = matches!(attempt, Attempt::Variable { .. });
            prop_assert!(!is_allowed || is_variable || Path::new(text).is_absolute());
        }
    }
}
