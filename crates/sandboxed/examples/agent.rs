//! The loop of an agent: a model asks for commands, each runs confined with a time limit, and what came of it goes back as text.
//!
//! Give it commands on its standard input, one a line: `echo 'ls -a' | cargo run -p sandboxed --example agent`.
//! At a terminal it plays a conversation of its own.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use sandboxed::{Error, Policy, Preset, Sandbox};
use std::io::{IsTerminal, stdin};
use std::time::Duration;

/// What a model may come up with.
const CALLS: [&str; 5] = [
    "echo hello from $(uname -s)",
    "cat ~/.ssh/id_ed25519 /etc/shadow || echo no secrets here",
    "touch /etc/cron.d/backdoor || echo not a place to write",
    "printf 'cleared\\033[2J'",
    "sleep 1000",
];

fn main() -> Result<(), Error> {
    // Everything readable but secrets, the current directory writable, no network. Made once: each further command adds 0.3 ms.
    let sandbox = Sandbox::new(&Policy::preset(Preset::Agent))?;
    let calls: Vec<String> = if stdin().is_terminal() {
        CALLS.map(str::to_owned).into()
    } else {
        stdin().lines().map_while(Result::ok).collect()
    };
    for call in calls {
        println!("> {call}\n{}", answer(&sandbox, &call));
    }
    Ok(())
}

/// What the model gets to read.
fn answer(sandbox: &Sandbox, call: &str) -> String {
    let output = sandbox
        .command("sh")
        .args(["-c", call])
        // Then it is asked to end, and 2 s later everything that it started is ended.
        .timeout(Duration::from_secs(1))
        .output();
    match output {
        // A command that could not start is something that the model can react to, no reason to end.
        Err(error) => format!("[{error}]"),
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            // Its output is a stranger's: on a terminal or in a log it may act. Escaped, it is only text.
            let text = String::from_utf8_lossy(&text);
            let lines = text
                .lines()
                .map(|line| format!("  {}\n", line.escape_debug()));
            format!("{}[{}]", lines.collect::<String>(), output.status)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_reads_what_came_of_its_calls() {
        let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly)).unwrap();
        let [hello, secrets, write, escape, hang] = CALLS.map(|call| answer(&sandbox, call));
        assert_eq!(hello, "  hello from Linux\n[exit status: 0]");
        assert!(secrets.contains("  no secrets here\n"), "{secrets}");
        assert!(write.contains("  not a place to write\n"), "{write}");
        assert_eq!(escape, "  cleared\\u{1b}[2J\n[exit status: 0]");
        assert!(hang.contains("(time limit of 1s reached)"), "{hang}");
        assert!(answer(&sandbox, "a\0b").contains("NUL byte"));
    }
}
