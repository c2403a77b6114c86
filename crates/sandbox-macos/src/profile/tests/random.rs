//! Random policies: a profile says of each path what the rules decide.

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::select;
use sandbox_core::{Access, Attempt, Policy, Ruleset, Verdict, literal_pattern};

use super::{Facts, Home, Judge, Profile};

const NAMES: [&str; 4] = ["a", "b", ".idea", "node_modules"];
const PATTERNS: [&str; 10] = [
    "*",
    "**",
    "*/a",
    "**/a",
    "**/b/**",
    "[ab]",
    "?",
    "**/a/**/b",
    "**/.idea",
    "[!a]/*",
];
const ACCESS: [Access; 3] = [Access::Hide, Access::Read, Access::Write];

fn path(from: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(select(&NAMES[..]), from..5)
}

fn rule() -> impl Strategy<Value = (Vec<&'static str>, Option<&'static str>, Access)> {
    let pattern = prop::option::of(select(&PATTERNS[..]));
    (path(0), pattern, select(&ACCESS[..]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_profile_says_what_the_rules_decide(
        root in select(&ACCESS[..]),
        rules in prop::collection::vec(rule(), 0..7),
        asked in prop::collection::vec(path(1), 24),
    ) {
        let home = Home::new();
        let of = |names: &[&str]| names.iter().fold(home.path("w"), |path, name| path.join(name));
        // What may be written has to be there.
        for (names, ..) in &rules {
            std::fs::create_dir_all(of(names)).unwrap();
        }
        let mut policy = match root {
            Access::Hide => Policy::default().hide("/"),
            Access::Read => Policy::default().read("/"),
            _ => Policy::default().read("/").write("."),
        };
        for (names, pattern, access) in &rules {
            let literal = of(names);
            let text = literal_pattern(literal.to_str().unwrap());
            policy = match (pattern, access) {
                (None, Access::Hide) => policy.hide(literal),
                (None, Access::Read) => policy.read(literal),
                (None, _) => policy.write(literal),
                (Some(pattern), Access::Hide) => policy.hide_matching(format!("{text}/{pattern}")),
                (Some(pattern), Access::Read) => policy.read_matching(format!("{text}/{pattern}")),
                (Some(pattern), _) => policy.write_matching(format!("{text}/{pattern}")),
            };
        }
        let ruleset = Ruleset::resolve(&policy, &home.context);
        prop_assume!(ruleset.is_ok());
        let ruleset = ruleset.unwrap();
        let profile = Profile::compile(&ruleset, &Facts::default()).unwrap();
        let is_moved = profile.to_string().contains(", moved to ");
        let judge = Judge::new(&profile);
        for names in &asked {
            let path: PathBuf = of(names);
            // Where directories of dependencies are in what is protected, more may be denied.
            let is_nested = names.iter().filter(|name| **name == "node_modules").count() > 0 && names.contains(&".idea");
            for (operation, attempt) in [
                ("file-read-data", Attempt::read(&path)),
                ("file-write-data", Attempt::write(&path)),
            ] {
                let decided = ruleset.decide(&attempt).verdict == Verdict::Allow;
                let said = judge.verdict(operation, &format!("path:{}", path.display()));
                let is_same = said == decided || (is_moved || is_nested) && decided;
                prop_assert!(is_same, "{operation} {}: {said}\n{ruleset}\n{profile}", path.display());
            }
        }
    }
}
