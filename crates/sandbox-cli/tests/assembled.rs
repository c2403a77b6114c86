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
