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
