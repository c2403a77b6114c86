//! Random settings against their meaning, written down a second time: two questions, and no rule of ours.

use proptest::prelude::*;

use super::*;

const PATHS: [&str; 7] = [".", "a", "a/b", "a/b/c", "a/d", "e", "e/l"];

#[derive(Clone, Debug)]
struct Lists {
    deny_read: Vec<&'static str>,
    allow_read: Vec<&'static str>,
    allow_write: Vec<&'static str>,
    deny_write: Vec<&'static str>,
}

/// Where an entry leads: `e/l` is a link to `a/b`.
fn place(entry: &str) -> &str {
    match entry {
        "." => "",
        "e/l" => "a/b",
        entry => entry,
    }
}

fn length_above(list: &[&'static str], path: &str) -> Option<usize> {
    let is_above =
        |entry: &&str| entry.is_empty() || path == *entry || path.starts_with(&format!("{entry}/"));
    let places = list.iter().map(|entry| place(entry)).filter(is_above);
    places.map(str::len).max()
}

impl Lists {
    fn access(&self, path: &str) -> Access {
        let [denied, shown, written] = [&self.deny_read, &self.allow_read, &self.allow_write]
            .map(|list| length_above(list, path));
        let is_hidden = denied.is_some() && denied > shown && denied >= written;
        if is_hidden {
            Hide
        } else if written.is_some() && length_above(&self.deny_write, path).is_none() {
            Write
        } else {
            Read
        }
    }
}

fn lists() -> impl Strategy<Value = Lists> {
    let list = || prop::collection::vec(prop::sample::select(&PATHS[..]), 0..4);
    // A link that the command could have made is refused: what is allowed names none, and not where one is.
    let allowed = || prop::collection::vec(prop::sample::select(&PATHS[1..5]), 0..4);
    (list(), list(), allowed(), list()).prop_map(
        |(deny_read, allow_read, allow_write, deny_write)| Lists {
            deny_read,
            allow_read,
            allow_write,
            deny_write,
        },
    )
}

#[test]
fn settings_mean_what_both_questions_say() {
    let host = machine(&["w/a/b/c/", "w/a/d/", "w/e/", "w/e/l -> ../a/b"]);
    proptest!(ProptestConfig::with_cases(512), |(lists in lists())| {
        let filesystem = format!(
            "\"denyRead\": {:?}, \"allowRead\": {:?}, \"allowWrite\": {:?}, \"denyWrite\": {:?}",
            lists.deny_read, lists.allow_read, lists.allow_write, lists.deny_write
        );
        let ruleset = host.resolve(&host.settings(&filesystem, ""));
        for path in ["a", "a/b", "a/b/c", "a/d", "e", "x", "a/x", "a/b/x", "a/b/c/x", "a/d/x", "e/x"] {
            let found = ruleset.files().access(&host.root.join("w").join(path)).0;
            prop_assert_eq!(found, lists.access(path), "{}", path);
        }
    });
}

#[test]
fn whatever_is_accepted_as_a_path_is_one() {
    use crate::pattern::{PatternProblem, expand};

    let context = machine(&[]).context.clone();
    proptest!(ProptestConfig::with_cases(4096), |(path in "[ab.*?\\[\\]!^/~${}é-]{0,12}", is_literal: bool)| {
        let entry = if is_literal { format!("{{\"path\": {path:?}, \"literal\": true}}") } else { format!("{path:?}") };
        let text = format!(
            "{{\"network\": {{\"allowedDomains\": [], \"deniedDomains\": []}}, \"filesystem\": {{\"denyRead\": [{entry}], \"allowWrite\": [], \"denyWrite\": []}}}}"
        );
        if let Ok(imported) = Imported::from_settings(&text, None) {
            let settings = imported.policy.settings.unwrap();
            prop_assert!(!settings.rules.is_empty());
            for (_, rule) in &settings.rules {
                let expanded = expand(&rule.text, rule.pattern, &context.cwd, &context);
                // Only the file system knows what is above a link: so is it said of an absolute path.
                prop_assert!(matches!(expanded, Ok(_) | Err(PatternProblem::Parent)), "{:?}: {:?}", rule.text, expanded);
            }
        }
    });
}

proptest! {
    #[test]
    fn no_text_is_too_odd_to_be_refused(text in "[\\{\\}\\[\\]:,\"a-z 0-9\\\\]{0,60}") {
        let _ = Imported::from_settings(&text, None);
        let _ = Imported::from_settings(&format!("{{\"filesystem\": {text}}}"), None);
    }
}
