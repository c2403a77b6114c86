use sandbox_core::{Context, Policy, Preset, Ruleset};

use super::*;
use crate::HostFacts;

fn plan(policy: &Policy) -> Plan {
    let mut context = Context::new("/usr/lib");
    context.home = Some("/usr/share".into());
    let ruleset = Ruleset::resolve(policy, &context).unwrap();
    Plan::compile(&ruleset, &HostFacts::complete()).unwrap()
}

/// What a path is inside, then what holds that it is not read, and not written.
fn answer(plan: &Plan, path: &str) -> String {
    let path = Path::new(path);
    format!(
        "{} | {} | {}",
        plan.inside(path).as_str(),
        plan.holds_reading(path).join(" + "),
        plan.holds_writing(path).join(" + ")
    )
}

#[test]
fn a_path_is_what_the_view_makes_of_it() {
    let agent = Policy::preset(Preset::Agent);
    let opened = agent
        .clone()
        .read("/usr/lib/os-release")
        .hide("/etc/passwd");
    let unmade = agent.clone().hide("/usr/missing");
    let strict = Policy::preset(Preset::Strict);
    for (policy, path, expected) in [
        (
            &agent,
            "/usr/bin/env",
            "read-only |  | mount namespace: read-only + Landlock",
        ),
        (&agent, "/usr/lib/x", "writable |  | "),
        (&agent, "/tmp/x", "scratch |  | "),
        (
            &agent,
            "/dev",
            "devices |  | mount namespace: read-only + Landlock",
        ),
        (
            &agent,
            "/dev/null",
            "device |  | mount namespace: read-only + Landlock",
        ),
        (
            &agent,
            "/dev/fd",
            "device |  | mount namespace: read-only + Landlock",
        ),
        (
            &agent,
            "/dev/pts/0",
            "device |  | mount namespace: read-only + Landlock",
        ),
        (
            &agent,
            "/dev/sda",
            "no-device | private /dev + Landlock | mount namespace: read-only + Landlock",
        ),
        (
            &agent,
            "/dev/null/x",
            "no-device | private /dev + Landlock | mount namespace: read-only + Landlock",
        ),
        (&agent, "/dev/shm/x", "scratch |  | "),
        (
            &agent,
            "/proc/1/environ",
            "processes |  | mount namespace: read-only + Landlock",
        ),
        (
            &opened,
            "/usr/lib/os-release",
            "read-only |  | mount namespace: read-only",
        ),
        (
            &opened,
            "/etc/passwd",
            "hidden | mount namespace: a cover | mount namespace: a cover",
        ),
        (
            &unmade,
            "/usr/missing/x",
            "read-only | the watch, once the host makes it | mount namespace: read-only + Landlock",
        ),
        (
            &strict,
            "/srv/x",
            "hidden | mount namespace: not put in + Landlock | mount namespace: not put in + Landlock",
        ),
        (
            &strict,
            "/usr/bin/env",
            "read-only |  | mount namespace: read-only + Landlock",
        ),
    ] {
        assert_eq!(answer(&plan(policy), path), expected, "{path}");
    }
}

/// A name that the host makes in a directory that is put together: in it where the directory is followed and no rule is about
/// the name, else at the next start.
#[test]
fn a_new_name_is_where_the_watch_puts_it() {
    let host = tempfile::tempdir_in("/var")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let root = sandbox_core::resolve(host.path()).unwrap().path;
    for file in ["key", "plain"] {
        std::fs::write(root.join(file), "").unwrap();
    }
    let hides = |policy: Policy| {
        policy
            .read(&root)
            .hide(root.join("key"))
            .hide(root.join("later"))
            .hide_by(sandbox_core::HideBy::Assemble)
    };
    let all = || hides(Policy::new().read("/"));
    let added = "read-only |  | mount namespace: read-only + Landlock";
    let not =
        "hidden | mount namespace: not put in + Landlock | mount namespace: not put in + Landlock";
    let hidden = "hidden | mount namespace: not put in | mount namespace: not put in";
    for (policy, name, expected) in [
        (all(), "new", added),
        (all(), "new/below", added),
        (all(), "later", hidden),
        (all(), "LATER", hidden),
        (all().hide_matching(root.join("*.pem")), "new", hidden),
        (hides(Policy::new()), "new", not),
    ] {
        let plan = plan(&policy);
        assert_eq!(
            answer(&plan, root.join(name).to_str().unwrap()),
            expected,
            "{name}"
        );
        assert_eq!(plan.inside(&root), Inside::Assembled);
    }
}

#[test]
fn without_landlock_one_mechanism_is_named() {
    let ruleset = Ruleset::resolve(&Policy::preset(Preset::Agent), &Context::new("/usr/lib"));
    let facts = HostFacts::complete().lowered(&"landlock=1".parse().unwrap());
    let plan = Plan::compile(&ruleset.unwrap(), &facts).unwrap();
    assert_eq!(
        plan.holds_writing("/usr/bin".as_ref()),
        ["mount namespace: read-only"]
    );
}
