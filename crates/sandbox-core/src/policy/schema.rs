//! The JSON Schema of a policy, by which editors complete and check `sandbox.toml`.
//!
//! Made from the tables of keys and words that the decoder reads by; the tests hold the one against the other. A schema
//! cannot say all that the decoder does: what it accepts may still be refused, what it refuses is always refused.

use std::fmt::Write as _;

use super::decode::{
    DESTINATION_RULE, DESTINATION_WORDS, ENVIRONMENT_WORDS, FILE_RULE, FIXED, MACH_LOOKUP, MACOS,
    NETWORK, POLICY, PRESETS, RULES, SYSTEM, VARIABLE_RULE, limits::LIMITS,
};
use super::{HideBy, MacOption, Network, ProtectedGroup, Tier};
use crate::Access;

/// The schema's name: what changes its meaning changes the number.
const ID: &str = "urn:sandbox:policy:1";

/// The JSON Schema (draft 2020-12) of a policy. `features` are the names that `[system]` may allow on this system, each with
/// what it opens.
///
/// ```
/// let schema = sandbox_core::policy_schema(&[("perf", "perf_event_open")]);
/// assert!(schema.contains("\"$schema\"") && schema.contains("perf_event_open"));
/// ```
#[must_use]
pub fn policy_schema(features: &[(&str, &str)]) -> String {
    let keys = POLICY
        .iter()
        .map(|key| (*key, described(key, &of_key(key, features))));
    let root = Object::new()
        .text("$schema", "https://json-schema.org/draft/2020-12/schema")
        .text("$id", ID)
        .text("title", "A policy of `sandbox`")
        .text("type", "object")
        .json("additionalProperties", "false")
        .json("properties", &properties(keys));
    format!("{}\n", indented(&root.0))
}

/// What an editor shows of a key.
const DESCRIPTIONS: &[(&str, &str)] = &[
    (
        "extends",
        "Presets and files that this policy starts from; files end in .toml or .json. Without one it has only its own rules.",
    ),
    (
        "protect",
        "Groups of names that are not written in any writable directory, beside those that never are, unless a rule names one. ci: what a CI runs by itself.",
    ),
    (
        "files",
        "Path or pattern = access. Paths take ~, ${HOME}, ${CWD}, ${TMPDIR}; relative ones start at this file's directory. The most specific rule wins, of equals the lower access.",
    ),
    ("network", "What the command reaches."),
    ("environment", "Variable or pattern = what happens to it."),
    ("limits", "Upper bounds on what the command uses."),
    (
        "fixed",
        "Rules of this policy that no later layer can widen.",
    ),
    (
        "system",
        "Kernel features that are refused otherwise, and how the policy is enforced.",
    ),
    (
        "default",
        "What holds where no rule does. deny: nothing is reached. ask: a person is asked. allow: everything but closed addresses. host: the host's network, not isolated.",
    ),
    (
        "rules",
        "Destination = access: a name, *.name for the names below it, an address, a range as 10.0.0.0/8, localhost; of each, with :443 or :8000-8999 behind it, only these ports.",
    ),
    (
        "publish",
        "Ports of the sandbox on the host's loopback: 3000, or 8080:3000 with the host's port first, 0 for a free one.",
    ),
    (
        "upstream",
        "The HTTP proxy through which the host reaches other machines, as http://proxy.example:3128.",
    ),
    ("reason", "What whoever is denied is told."),
    (
        "udp",
        "Datagrams of UDP are allowed as well, each port and address for itself; without it none are.",
    ),
    ("access", "What the rule grants."),
    ("optional", "A path that does not exist is no error."),
    (
        "set",
        "The value of the variable, whatever the caller's is.",
    ),
    ("memory", "Bytes, or a size such as 4GiB."),
    ("processes", "Processes and threads at once."),
    ("open_files", "Open files of one process."),
    (
        "time",
        "Time until the command and all it started is ended, such as 90s, 10m, 1h 30m; at most 30 days.",
    ),
    (
        "fallback",
        "A weaker tier that is accepted where a stronger one is not available.",
    ),
    (
        "macos",
        "What is denied on macOS otherwise. Elsewhere it says nothing.",
    ),
    (
        "mach-lookup",
        "Services of macOS that can be asked, by the names that launchd knows; * at the end of one stands for the rest of it. They are not confined.",
    ),
    (
        "hide",
        "cover: fast. assemble: no moment in which the host's own change shows a hidden file.",
    ),
];

fn described(key: &str, schema: &str) -> String {
    let description = DESCRIPTIONS.iter().find(|(of, _)| *of == key);
    let text = description.map_or("", |(_, text)| text);
    let head = Object::new().text("description", text).0;
    joined(&head, schema)
}

fn of_key(key: &str, features: &[(&str, &str)]) -> String {
    match key {
        "extends" => format!(
            "{{\"type\":\"array\",\"items\":{},\"maxItems\":{RULES}}}",
            either(
                &words(&PRESETS),
                "{\"type\":\"string\",\"pattern\":\"\\\\.(toml|json)$\"}"
            )
        ),
        "protect" => format!(
            "{{\"type\":\"array\",\"items\":{},\"maxItems\":{RULES}}}",
            words(ProtectedGroup::WORDS)
        ),
        "fixed" => closed(FIXED, |key| of_key(key, features)),
        "files" => table(&either(&words(Access::WORDS), &file_rule())),
        "network" => closed(NETWORK, network),
        "environment" => table(&either(&words(ENVIRONMENT_WORDS), &variable_rule())),
        "limits" => closed(LIMITS, limit),
        _ => system(features),
    }
}

fn file_rule() -> String {
    let inner = |key: &str| match key {
        "access" => words(Access::WORDS),
        _ => "{\"type\":\"boolean\"}".to_owned(),
    };
    joined(&closed(FILE_RULE, inner), "{\"required\":[\"access\"]}")
}

fn variable_rule() -> String {
    let inner = |_: &str| "{\"type\":\"string\"}".to_owned();
    joined(&closed(VARIABLE_RULE, inner), "{\"required\":[\"set\"]}")
}

fn network(key: &str) -> String {
    match key {
        "default" => words(Network::WORDS),
        "rules" => table(&either(&words(DESTINATION_WORDS), &destination_rule())),
        "publish" => format!(
            "{{\"type\":\"array\",\"items\":{{\"type\":\"string\",\"pattern\":\"^([0-9]+:)?[0-9]+$\"}},\"maxItems\":{RULES}}}"
        ),
        _ => "{\"type\":\"string\",\"pattern\":\"^http://\"}".to_owned(),
    }
}

fn destination_rule() -> String {
    let inner = |key: &str| match key {
        "access" => words(DESTINATION_WORDS),
        "reason" => "{\"type\":\"string\",\"minLength\":1,\"maxLength\":200}".to_owned(),
        _ => "{\"type\":\"boolean\"}".to_owned(),
    };
    joined(
        &closed(DESTINATION_RULE, inner),
        "{\"required\":[\"access\"]}",
    )
}

fn limit(key: &str) -> String {
    let count = "{\"type\":\"integer\",\"minimum\":1}";
    match key {
        "memory" => either(count, "{\"type\":\"string\"}"),
        "time" => "{\"type\":\"string\"}".to_owned(),
        _ => count.to_owned(),
    }
}

fn system(features: &[(&str, &str)]) -> String {
    let own = SYSTEM.iter().map(|key| {
        let schema = match *key {
            "fallback" => words(Tier::WORDS),
            "macos" => macos(),
            _ => words(HideBy::WORDS),
        };
        (*key, described(key, &schema))
    });
    let features = features.iter().map(|(name, opens)| {
        let head = Object::new().text("description", opens).0;
        (*name, joined(&head, &words(&["allow"])))
    });
    Object::new()
        .text("type", "object")
        .json("additionalProperties", &words(&["allow"]))
        .json("properties", &properties(own.chain(features)))
        .0
}

/// Each key with what is lost by it.
fn macos() -> String {
    let keys = MACOS.iter().map(|key| {
        if *key == MACH_LOOKUP {
            let names = format!(
                "{{\"type\":\"array\",\"items\":{{\"type\":\"string\",\"minLength\":1}},\"maxItems\":{RULES}}}"
            );
            return (*key, described(key, &names));
        }
        let option = MacOption::ALL.iter().find(|option| option.as_str() == *key);
        let gives = option.map_or("", |option| option.gives());
        let head = Object::new().text("description", &format!("Opens {gives}.")).0;
        (*key, joined(&head, &words(&["allow"])))
    });
    Object::new()
        .text("type", "object")
        .json("additionalProperties", "false")
        .json("properties", &properties(keys))
        .0
}

/// A table of these keys and no others.
fn closed(keys: &[&str], schema: impl Fn(&str) -> String) -> String {
    let keys = keys.iter().map(|key| (*key, described(key, &schema(key))));
    Object::new()
        .text("type", "object")
        .json("additionalProperties", "false")
        .json("properties", &properties(keys))
        .0
}

/// A table of names that a person chooses.
fn table(value: &str) -> String {
    Object::new()
        .text("type", "object")
        .json("maxProperties", &RULES.to_string())
        .json("propertyNames", "{\"minLength\":1}")
        .json("additionalProperties", value)
        .0
}

fn properties<'a>(keys: impl Iterator<Item = (&'a str, String)>) -> String {
    keys.fold(Object::new(), |object, (key, schema)| {
        object.json(key, &schema)
    })
    .0
}

fn words(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    format!("{{\"enum\":[{}]}}", words.join(","))
}

fn either(one: &str, other: &str) -> String {
    format!("{{\"anyOf\":[{one},{other}]}}")
}

/// Two objects as one.
fn joined(one: &str, other: &str) -> String {
    let one = one.strip_suffix('}').unwrap_or(one);
    let other = other.strip_prefix('{').unwrap_or(other);
    format!("{one},{other}")
}

/// An object of JSON, as text.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{}".to_owned())
    }

    fn text(self, key: &str, value: &str) -> Self {
        self.json(key, &quoted(value))
    }

    fn json(mut self, key: &str, value: &str) -> Self {
        self.0.pop();
        let comma = if self.0.len() > 1 { "," } else { "" };
        let _ = write!(self.0, "{comma}{}:{value}}}", quoted(key));
        self
    }
}

/// A string of JSON. All of them are of our tables: there is no control character in them.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Compact JSON with a line a value.
fn indented(json: &str) -> String {
    let (mut text, mut depth, mut in_string, mut escaped) = (String::new(), 0_usize, false, false);
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
    };
    for character in json.chars() {
        if in_string {
            text.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '{' | '[' => {
                depth += 1;
                text.push(character);
                line(&mut text, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(character);
                line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            '"' => {
                in_string = true;
                text.push(character);
            }
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests;
