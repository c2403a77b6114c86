//! A thousand rules in each shape that policies have are little text.

use std::path::PathBuf;

use sandbox_core::{Access, Policy, Preset};

use super::{Facts, Home, Judge, Profile};

/// What a name of a rule is about, of a thousand.
type Shape = fn(&Home, Policy, usize) -> Policy;

fn made(home: &Home, path: &str) -> PathBuf {
    let path = home.path(path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

const SHAPES: [(&str, Shape); 7] = [
    ("hidden and read in one directory", |_, policy, at| {
        match at % 2 {
            0 => policy.hide(format!("d/secret{at}")),
            _ => policy.read(format!("d/kept{at}")),
        }
    }),
    ("writable directories", |home, policy, at| {
        policy.write(made(home, &format!("other/part{at}")))
    }),
    ("hidden in a hundred directories", |_, policy, at| {
        policy.hide(format!("d/part{}/key{}", at % 100, at / 100))
    }),
    ("read, ten deep", |_, policy, at| {
        let below = "/level".repeat(at % 10);
        policy.read(format!("d/part{}{below}", at / 10))
    }),
    ("patterns", |_, policy, at| {
        policy.hide_matching(format!("d/**/*.kind{at}"))
    }),
    (
        "writable, with something hidden below each",
        |home, policy, at| match at % 2 {
            0 => policy.write(made(home, &format!("other/part{}", at / 2))),
            _ => policy.hide(home.path(&format!("other/part{}/key", at / 2))),
        },
    ),
    ("mixed", |home, policy, at| match at % 10 {
        0..=3 => policy.read(format!("part{at}")),
        4..=5 => policy.write(made(home, &format!("other/part{at}"))),
        6..=7 => policy.hide(format!("part{at}/.env")),
        8 => policy.hide_matching(format!("part{at}/*.pem")),
        _ => policy.hide(home.path(&format!("part{at}"))),
    }),
];

#[test]
fn a_thousand_rules_are_little_text() {
    for (name, shape) in SHAPES {
        let home = Home::new();
        let agent = Policy::preset(Preset::Agent);
        let policy = (0..1000).fold(agent, |policy, at| shape(&home, policy, at));
        let ruleset = home.ruleset(&policy);
        let profile = Profile::compile(&ruleset, &Facts::default()).unwrap();
        let text = profile.to_string();
        assert!(text.len() < 64 << 10, "{name}: {} bytes", text.len());
        let strings = text.split('"').skip(1).step_by(2);
        let longest = strings.map(str::len).max();
        assert!(
            longest.is_some_and(|longest| longest < 1025),
            "{name}: {longest:?}"
        );
        // None is lost.
        let judge = Judge::new(&profile);
        for rule in ruleset.files().iter().filter(|rule| rule.is_literal()) {
            let path = rule.path();
            let (access, _) = ruleset.files().access(path);
            // That is hidden, or the private directory is in its place.
            if access == Access::Scratch {
                continue;
            }
            let target = format!("path:{}", path.display());
            judge.is("file-read-data", &target, access != Access::Hide);
            judge.is("file-write-data", &target, access == Access::Write);
        }
    }
}
