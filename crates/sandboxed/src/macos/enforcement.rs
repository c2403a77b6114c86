//! The report: which part of the policy is held, by which mechanisms, and what is not held.

use sandbox_core::{Enforcement, Held, Network, Ruleset};

/// Of what macOS holds.
pub(super) fn of(ruleset: &Ruleset) -> Enforcement {
    const SEATBELT: [&str; 1] = ["Seatbelt"];
    let mut parts = vec![
            Held::new("writes", SEATBELT),
            Held::new("hidden paths", SEATBELT).but("second names of files (hard links)"),
            Held::new("protected paths", SEATBELT)
                .but("settings that come with dependencies, and repositories put together elsewhere"),
            Held::new("sockets", SEATBELT),
            match ruleset.network() {
                Network::Host => Held::new("network", []).but("anything: it is the host's"),
                _ if ruleset.network_rules().needs_gateway().is_some() => {
                    Held::new("network", ["Seatbelt", "gateway"])
                        .but("what outlives the sandbox reaches whoever listens at the gateway's port then")
                        .and("programs that ask no proxy reach no destination")
                }
                _ => Held::new("network", SEATBELT),
            },
            Held::new("processes", SEATBELT),
            Held::new("lifetime", ["process group"])
                .but("what leaves the command's session outlives it, confined; the command outlives a caller that is killed"),
            Held::new("terminal", ["session"]),
            Held::new("descriptors", ["close-on-exec"]),
            Held::new("system calls", []).but("macOS has no filter for them"),
            Held::new("IPC, names", SEATBELT)
                .but("shared memory and semaphores of other programs (`ipc-posix`)"),
            Held::new("environment", ["the caller"]),
        ];
    let limits = ruleset.limits();
    let mut held = Held::new("limits", []);
    if limits.open_files.is_some() {
        held.mechanisms.push("rlimit");
    }
    if limits.time.is_some() {
        held.mechanisms.push("the caller's clock");
    }
    if !held.mechanisms.is_empty() {
        parts.push(held);
    }
    Enforcement::new(parts)
}
