//! The profiles of the presets, whole, in `presets/`: read them by their comments.

use sandbox_core::{Context, Policy, Preset, Ruleset};

use super::super::files::{Files, Item};
use super::super::{Facts, Profile};

/// As if the machine had nothing but this: what else there is differs from one to the next.
const THERE: [&str; 5] = ["/", "/usr", "/tmp", "/var/tmp", "/usr/share"];

#[test]
fn presets() {
    for (preset, expected) in [
        (Preset::Agent, include_str!("presets/agent.sb")),
        (Preset::ReadOnly, include_str!("presets/read-only.sb")),
        (Preset::Strict, include_str!("presets/strict.sb")),
    ] {
        let mut context = Context::new("/usr/share");
        context.home = Some("/usr/lib".into());
        context.homes = vec!["/usr/lib".into()];
        let policy = Policy::preset(preset).allow("example.com");
        let ruleset = Ruleset::resolve(&policy, &context).unwrap();
        let facts = Facts {
            gateway: vec![3128],
            temporary: Some("/private/tmp/sandbox".into()),
            tag: None,
        };
        let is_there = |item: &Item| {
            let of_home = ["/usr/lib/.", "/usr/lib/snap/", "/usr/lib/Library/"];
            let is_of_home = of_home.iter().any(|start| item.text().starts_with(start));
            THERE.contains(&item.text()) || is_of_home || item.is_own
        };
        let files = Files::new(&ruleset, &facts).unwrap().only(is_there);
        let profile = Profile::of(&ruleset, &facts, &files).unwrap().to_string();
        assert!(
            profile == expected,
            "`presets/{preset}.sb` is another one now:\n{profile}"
        );
    }
}
