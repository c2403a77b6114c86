//! A directory that is hidden as a whole since patterns match very much in it: everything that speaks of it says so.

use sandbox_testing::{Host, Outcome};

/// More matches than are hidden one by one.
const CROWD: usize = 1001;

fn host(matches: usize) -> Host {
    let host = Host::new().file("many/plain", "plain\n");
    (0..matches).fold(host, |host, number| {
        host.file(format!("many/{number}.key"), "")
    })
}

#[track_caller]
fn asked<const N: usize>(host: &Host, words: [&str; N]) -> String {
    let words = words.map(|word| host.expand(word));
    let outcome = host.tool(words).output();
    host.shorten(&Outcome::text(outcome.succeeds()))
}

const POLICY: &str = "\
extends = [\"agent\"]

[files]
\"**/*.key\" = \"hide\"
";

#[test]
fn a_crowded_directory_is_told_by_all_who_speak_of_it() {
    let host = host(CROWD);
    host.write("sandbox.toml", POLICY);
    let said = "more than 1000 paths in `@ws/many` match `**/*.key`";
    let run = host.sandbox(["cat", "many/plain"]).output();
    run.fails().stdout("");
    assert!(
        host.shorten(&run.errors()).contains(said),
        "{}",
        run.errors()
    );
    let checked = asked(&host, ["check", "sandbox.toml"]);
    assert!(checked.contains(said), "{checked}");
    let explained = asked(&host, ["explain", "many/plain"]);
    for line in [
        "deny  read  @ws/many/plain\n",
        "by `**/*.key` = hide",
        "since: more than 1000 paths in this directory match a pattern",
    ] {
        assert!(explained.contains(line), "{line}\n{explained}");
    }
    let held = asked(&host, ["explain", "--enforcement"]);
    assert!(
        held.contains("beyond the rules: all of `@ws/many`"),
        "{held}"
    );
}

/// Control: one match less.
#[test]
fn a_directory_with_as_many_matches_as_are_hidden_one_by_one_is_told_by_nobody() {
    let host = host(CROWD - 1);
    host.write("sandbox.toml", POLICY);
    let run = host.sandbox(["cat", "many/plain"]).output();
    run.succeeds().stdout("plain\n").never_says("more than");
    for words in [
        &["check", "sandbox.toml"][..],
        &["explain", "--enforcement"],
    ] {
        let outcome = host.tool(words).output();
        outcome.succeeds().never_says("more than 1000");
    }
}
