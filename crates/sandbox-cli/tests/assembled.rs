//! `[system] hide = "assemble"`: directories that are put together from what is visible in them.

use sandbox_testing::{Host, until};
use std::fs;

fn host() -> Host {
    Host::new()
        .file("@outside/private/key", "SECRET key\n")
        .file("@outside/private/deep/er/key", "ordinary\n")
        .symlink("@outside/private/link", "deep")
}

/// What lies in an assembled directory was put into it: the host may do with the hidden name what it likes.
#[test]
fn an_assembled_directory_never_shows_what_is_hidden() {
    let script = "echo ready > @ws/ready; until [ -e @ws/go ]; do :; done; cat @outside/private/key; ls @outside/private; cat @outside/private/deep/er/key";
    // A cover would be there again a moment later: as a control it must not be there at all.
    for (access, leaks) in [("hide", false), ("read", true)] {
        let host = host();
        let policy = format!(
            "extends = [\"agent\"]\n[files]\n\"{}\" = \"{access}\"\n[system]\nhide = \"assemble\"\n",
            host.path("@outside/private/key").display()
        );
        let running = host.sandbox(["sh", "-c", script]).policy(&policy).start();
        until("the command runs", || host.has("ready"));
        host.write("@outside/private/new", "REPLACED\n");
        fs::rename(
            host.path("@outside/private/new"),
            host.path("@outside/private/key"),
        )
        .unwrap();
        host.write("go", "");
        let outcome = running.wait();
        assert_eq!(
            outcome.text().contains("REPLACED"),
            leaks,
            "{access}: {}",
            outcome.show()
        );
        assert!(
            outcome.text().contains("deep"),
            "the rest is there: {}",
            outcome.show()
        );
    }
}

const ASSEMBLE: &str = "extends = [\"PRESET\"]\n[files]\n\"@outside/SHOWN\" = \"read\"\n\"@outside/private/key\" = \"hide\"\nMORE[system]\nhide = \"assemble\"\n";

/// What `explain` says of a name that the host has not made yet, and what the kernel says once it has.
#[test]
fn what_is_said_of_a_name_that_the_host_makes_later_is_so() {
    // Followed, twice; a pattern that a new name might match; put into a root that is put together.
    for (preset, shown, more, is_added) in [
        ("agent", ".", "", true),
        ("strict", ".", "", true),
        (
            "agent",
            ".",
            "\"@outside/private/*.pem\" = \"hide\"\n",
            false,
        ),
        ("strict", "private", "", false),
    ] {
        let host = host();
        let text = ASSEMBLE
            .replace("PRESET", preset)
            .replace("SHOWN", shown)
            .replace("MORE", more);
        let policy = host.policy(&text);
        let options = ["--policy", policy.to_str().unwrap()];
        let words = ["explain", "@outside/private/new", "@outside/private"];
        let said = host.tool(words.into_iter().chain(options)).output();
        let said = host.shorten(&said.succeeds().text());
        match (preset, is_added) {
            ("agent", true) => insta::assert_snapshot!(said, @r#"
            allow read  @outside/private/new (not there)
                  by `@outside/.` = read (@policies/0.toml:3)
                  it is the host's, read-only
                  not by `/` = read (preset `agent`): less specific
            deny  write @outside/private/new (not there)
                  by `@outside/.` = read (@policies/0.toml:3)
                  held by mount namespace: read-only + Landlock
                  not by `/` = read (preset `agent`): less specific
                  help: "@outside/private" = "write"
            allow read  @outside/private
                  by `@outside/.` = read (@policies/0.toml:3)
                  it is put together from what is visible of the host's, read-only
                  not by `/` = read (preset `agent`): less specific
            deny  write @outside/private
                  by `@outside/.` = read (@policies/0.toml:3)
                  held by mount namespace: read-only + Landlock
                  not by `/` = read (preset `agent`): less specific
                  help: "@outside/private" = "write"
            "#),
            (_, true) => insta::assert_snapshot!(said, @r#"
            allow read  @outside/private/new (not there)
                  by `@outside/.` = read (@policies/0.toml:3)
                  it is the host's, read-only
                  not by `/` = hide (preset `strict`): less specific
            deny  write @outside/private/new (not there)
                  by `@outside/.` = read (@policies/0.toml:3)
                  held by mount namespace: read-only + Landlock
                  not by `/` = hide (preset `strict`): less specific
                  help: "@outside/private" = "write"
            allow read  @outside/private
                  by `@outside/.` = read (@policies/0.toml:3)
                  it is put together from what is visible of the host's, read-only
                  not by `/` = hide (preset `strict`): less specific
            deny  write @outside/private
                  by `@outside/.` = read (@policies/0.toml:3)
                  held by mount namespace: read-only + Landlock
                  not by `/` = hide (preset `strict`): less specific
                  help: "@outside/private" = "write"
            "#),
            ("agent", false) => insta::assert_snapshot!(said, @r#"
            allow read  @outside/private/new (not there)
                  by `@outside/.` = read (@policies/0.toml:3)
                  it is hidden until the next start: a directory with something hidden in it is put together at the start, from what is visible then
                  not by `/` = read (preset `agent`): less specific
            deny  write @outside/private/new (not there)
                  by `@outside/.` = read (@policies/0.toml:3)
                  held by mount namespace: not put in
                  not by `/` = read (preset `agent`): less specific
                  help: "@outside/private" = "write"
            allow read  @outside/private
                  by `@outside/.` = read (@policies/0.toml:3)
                  it is put together from what is visible of the host's, read-only
                  not by `/` = read (preset `agent`): less specific
            deny  write @outside/private
                  by `@outside/.` = read (@policies/0.toml:3)
                  held by mount namespace: read-only + Landlock
                  not by `/` = read (preset `agent`): less specific
                  help: "@outside/private" = "write"
            "#),
            (_, false) => insta::assert_snapshot!(said, @r#"
            allow read  @outside/private/new (not there)
                  by `@outside/private` = read (@policies/0.toml:3)
                  it is hidden until the next start: a directory with something hidden in it is put together at the start, from what is visible then
                  not by `/` = hide (preset `strict`): less specific
            deny  write @outside/private/new (not there)
                  by `@outside/private` = read (@policies/0.toml:3)
                  held by mount namespace: not put in + Landlock
                  not by `/` = hide (preset `strict`): less specific
                  help: "@outside/private" = "write"
            allow read  @outside/private
                  by `@outside/private` = read (@policies/0.toml:3)
                  it is put together from what is visible of the host's, read-only
                  not by `/` = hide (preset `strict`): less specific
            deny  write @outside/private
                  by `@outside/private` = read (@policies/0.toml:3)
                  held by mount namespace: read-only + Landlock
                  not by `/` = hide (preset `strict`): less specific
                  help: "@outside/private" = "write"
            "#),
        }

        // What is to appear is waited for.
        let tries = if is_added { u32::MAX } else { 50 };
        let script = format!(
            "echo > @ws/ready; until [ -e @ws/made ]; do :; done; i=0; until [ -e @outside/private/new ] || [ $i = {tries} ]; do i=$((i+1)); sleep 0.01; done; cat @outside/private/new"
        );
        let running = host.sandbox(["sh", "-c", &script]).options(options).start();
        until("the command runs", || host.has("ready"));
        host.write("@outside/private/new", "NEW\n");
        host.write("made", "");
        let outcome = running.wait();
        assert_eq!(
            outcome.text() == "NEW\n",
            is_added,
            "{text}: {}",
            outcome.show()
        );
        let list = host.sandbox(["ls", "@outside/private"]).options(options);
        list.output().succeeds().stdout_contains("deep");
        // At the next start it is there either way.
        let next = host
            .sandbox(["cat", "@outside/private/new"])
            .options(options)
            .output();
        next.succeeds().stdout("NEW");
    }
}

#[test]
fn what_is_visible_is_as_it_is_on_the_host() {
    let host = host();
    let policy = format!(
        "extends = [\"agent\"]\n[files]\n\"{}\" = \"hide\"\n[system]\nhide = \"assemble\"\n",
        host.path("@outside/private/key").display()
    );
    let script = "readlink @outside/private/link; cat @outside/private/link/er/key; echo x > @outside/private/deep/er/key";
    let before = host.snapshot_outside();
    host.sandbox(["sh", "-c", script])
        .policy(&policy)
        .output()
        .fails()
        .stdout("deep\nordinary\n");
    before.is_unchanged();
}

/// A directory of which nothing is visible is a hidden one, whatever the rule about it says.
#[test]
fn a_directory_with_nothing_visible_is_hidden() {
    let host = Host::new().file("@outside/closed/key", "SECRET\n");
    let hides = "extends = [\"agent\"]\n[files]\n\"@outside/closed/key\" = \"hide\"\n";
    for (text, is_shown) in [
        (format!("{hides}[system]\nhide = \"assemble\"\n"), false),
        (hides.to_owned(), true),
    ] {
        let policy = host.policy(&text);
        let options = ["--policy", policy.to_str().unwrap()];
        let words = ["explain", "@outside/closed"].into_iter().chain(options);
        let said = host.tool(words).output().succeeds().text();
        assert_eq!(said.starts_with("allow read"), is_shown, "{said}");
        let listed = host.sandbox(["ls", "@outside/closed"]).options(options);
        assert_eq!(listed.output().code() == Some(0), is_shown, "{text}");
    }
}
