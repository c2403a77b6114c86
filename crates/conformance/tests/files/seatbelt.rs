//! The profile for macOS denies what the rules deny: in every case, and of random policies over random trees.

use std::cell::Cell;

use conformance::Tree;
use conformance::case::tables;
use conformance::seatbelt::{Seatbelt, Together};
use conformance::table::Ready;

use crate::THEMES;
use crate::random::{LESS, policies, run};

/// What is another question on a Mac.
const KNOWN: [(&str, &str); 3] = [
    (
        "upper and lower case, and what looks alike: read `secret`: ",
        "the file system takes it for `Secret`",
    ),
    (
        "upper and lower case, and what looks alike: read `e\u{301}`: ",
        "the same, in another form of Unicode",
    ),
    (
        "nothing but what rules say: list `/`: ",
        "every program reads that to start",
    ),
];

#[test]
fn the_profile_for_macos_agrees_in_every_case() {
    let (mut asked, mut wrong) = (0, Vec::new());
    for (_, text) in THEMES {
        for table in &tables(text).unwrap() {
            let (count, disagreements) = Ready::of(table).disagreements_with_profile();
            asked += count;
            wrong.extend(disagreements);
        }
    }
    println!("{asked} attempts");
    for (known, why) in KNOWN {
        let before = wrong.len();
        wrong.retain(|wrong| !wrong.starts_with(known));
        assert!(
            wrong.len() < before,
            "`{known}` is no exception any more: {why}"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 300, "only {asked} attempts");
}

#[test]
fn the_profile_for_macos_agrees_with_random_rules() {
    let tree = Tree::default();
    let answers: [Cell<u32>; 2] = Default::default();
    run(policies(), |random| {
        let Some(case) = random.place(&tree) else {
            return Ok(());
        };
        let Some(profile) = Seatbelt::of(&case.ruleset, &case.listing) else {
            return Ok(());
        };
        for attempt in case.attempts() {
            let count = match profile.compare(&attempt)? {
                Together::Same => &answers[0],
                Together::Stricter => &answers[1],
                Together::NotAsked => continue,
            };
            count.set(count.get() + 1);
        }
        Ok(())
    });
    let [same, stricter] = answers.each_ref().map(Cell::get);
    println!("{same} attempts are answered alike, {stricter} denied by the profile alone");
    assert!(same >= 25 * policies(), "only {same} attempts");
    assert!(stricter * 20 <= same, "{stricter} are denied");
}

#[test]
fn nothing_random_is_gained_by_a_move() {
    let tree = Tree::default();
    let (moves, alike): (Cell<u32>, Cell<u32>) = Default::default();
    let policies = policies() / LESS;
    run(policies, |random| {
        let Some(case) = random.place(&tree) else {
            return Ok(());
        };
        let Some(profile) = Seatbelt::of(&case.ruleset, &case.listing) else {
            return Ok(());
        };
        for attempt in profile.moves() {
            let is_alike = profile.compare(&attempt)? == Together::Same;
            moves.set(moves.get() + 1);
            alike.set(alike.get() + u32::from(is_alike));
        }
        Ok(())
    });
    let (moves, alike) = (moves.get(), alike.get());
    println!("{moves} moves, {alike} are answered alike");
    assert!(moves >= 20 * policies, "only {moves} moves");
    assert!(alike * 4 >= moves * 3, "only {alike} are answered alike");
}
