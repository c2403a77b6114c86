//! Answers for a person.

use std::fmt::Write as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use sandbox_core::{DestinationPattern, RuleRef, Verdict, escaped};
use sandbox_macos::Said;
use sandboxed::Ruleset;

use super::answer::{Answer, Subject};

const ALLOW: Style = AnsiColor::Green.on_default();
const DENY: Style = AnsiColor::Red.on_default();
/// So long a text of the profile is shown as it is.
const LONG: usize = 80;
const ASK: Style = AnsiColor::Yellow.on_default();

/// Every rule, with its origin, and what there is besides.
pub(super) fn rules(ruleset: &Ruleset) -> String {
    let mut text = String::new();
    for rule in ruleset.files().iter() {
        let _ = writeln!(
            text,
            "{:7}  {}  ({})",
            rule.access().as_str(),
            escaped(rule.text()),
            rule.source()
        );
    }
    for (group, source) in ruleset.files().protected_groups() {
        let _ = writeln!(text, "protect  {group}  ({source})");
    }
    let _ = writeln!(text, "\nvariables:");
    for (rule, word) in ruleset.environment().iter() {
        let _ = writeln!(
            text,
            "{word:7}  {}  ({})",
            escaped(&rule.pattern),
            rule.source
        );
    }
    let _ = writeln!(text, "\nnetwork: {}", ruleset.network());
    let network = ruleset.network_rules();
    for rule in network.iter() {
        let udp = if rule.allows_udp() { ", with UDP" } else { "" };
        let (verdict, destination) = (rule.verdict().to_string(), escaped(rule.text()));
        let _ = writeln!(text, "{verdict:7}  {destination}{udp}  ({})", rule.source());
    }
    for (port, source) in network.published() {
        let _ = writeln!(text, "publish  {port}  ({source})");
    }
    if let Some(upstream) = network.upstream() {
        let _ = writeln!(text, "upstream {upstream}");
    }
    for (option, source) in &ruleset.macos().allowed {
        let _ = writeln!(text, "macos    {option}  ({source})");
    }
    for (name, source) in &ruleset.macos().mach_lookup {
        let _ = writeln!(text, "macos    mach-lookup {}  ({source})", escaped(name));
    }
    if let Some(limit) = ruleset.limits().time {
        let _ = writeln!(text, "time: {}", humantime::format_duration(limit));
    }
    text
}

/// One answer.
pub(super) fn answer(text: &mut String, answer: &Answer) {
    let style = match answer.verdict {
        Verdict::Allow => ALLOW,
        Verdict::Deny => DENY,
        Verdict::Ask => ASK,
    };
    let _ = write!(text, "{style}{:5}{style:#} ", answer.verdict.to_string());
    let _ = match &answer.subject {
        Subject::Path {
            operation,
            resolved,
            exists,
            ..
        } => {
            let missing = if *exists { "" } else { " (not there)" };
            writeln!(text, "{operation:5} {}{missing}", escaped(resolved))
        }
        Subject::Variable { name } => writeln!(text, "env   {}", escaped(name)),
        Subject::Connection { destination, port } => {
            let place = DestinationPattern::exactly(destination, *port);
            writeln!(text, "connect {place}")
        }
    };
    if let Some(instead) = &answer.instead {
        let _ = writeln!(text, "      since {instead}");
    }
    let rule = answer.explanation.decision.rule.as_ref();
    match (rule, &answer.instead) {
        (Some(rule), None) => {
            let _ = writeln!(text, "      by {}", described(rule));
            if let Some(reason) = rule.reason {
                let _ = writeln!(text, "      since: {reason}");
            }
            if let Some(message) = &rule.message {
                let _ = writeln!(text, "      since: {}", escaped(message));
            }
        }
        (None, None) => text.push_str("      since no rule is about it\n"),
        (_, Some(_)) => {}
    }
    if let Some(value) = &answer.set {
        let _ = writeln!(text, "      set to {}", escaped(value));
    }
    if answer.instead.is_none()
        && answer.verdict == Verdict::Allow
        && let Some((_, inside)) = &answer.inside
    {
        let _ = writeln!(text, "      it is {inside}");
    }
    match answer.mechanisms.as_deref() {
        None => {}
        Some([]) => text.push_str("      not held: nothing keeps the command from it\n"),
        Some(mechanisms) => {
            let _ = writeln!(text, "      held by {}", mechanisms.join(" + "));
        }
    }
    let path = match &answer.subject {
        Subject::Path { resolved, .. } => Some(resolved.as_path()),
        Subject::Variable { .. } | Subject::Connection { .. } => None,
    };
    for said in &answer.profile {
        let _ = writeln!(text, "      {}", of_profile(said, path));
    }
    if let (Some(rule), Some(_), [_, ..]) = (rule, &answer.instead, answer.profile.as_slice()) {
        let _ = writeln!(
            text,
            "      not by {}: the profile says otherwise",
            described(rule)
        );
    }
    for lost in &answer.explanation.lost {
        let _ = writeln!(text, "      not by {}: {}", described(&lost.rule), lost.why);
    }
    for line in answer.remedy().iter().flat_map(|remedy| remedy.lines()) {
        let _ = writeln!(text, "      help: {}", escaped(line));
    }
}

/// What a line of the profile says. Long filters are many rules in one, which nobody reads here.
fn of_profile(said: &Said, path: Option<&Path>) -> String {
    let says = if said.allows { "allows" } else { "denies" };
    let filter = match said.filter.as_str() {
        filter if (1..=LONG).contains(&filter.len()) => format!(" {}", escaped(filter)),
        _ => String::new(),
    };
    let why = of_many(&said.why, path);
    let (line, operation) = (said.line, said.operation);
    format!(
        "profile line {line} {says} {operation}{filter}: {}",
        escaped(&why)
    )
}

/// Where a line comes from; of many names in one, those that the path has.
fn of_many(why: &str, path: Option<&Path>) -> String {
    if why.len() <= 2 * LONG {
        return why.to_owned();
    }
    let path = path.map(|path| path.to_string_lossy().to_lowercase() + "/");
    let path = path.unwrap_or_default();
    let (what, names) = why.split_once(": ").unwrap_or(("", why));
    let names = without_braces(names);
    let named = names.iter().filter(|name| {
        let name = name.split(" (").next().unwrap_or_default().to_lowercase();
        let slash = if name.starts_with('/') { "" } else { "/" };
        path.contains(&format!("{slash}{name}/"))
    });
    match named.max_by_key(|name| name.len()) {
        Some(name) if what.is_empty() => name.clone(),
        Some(name) => format!("{what}: {name}"),
        None => why.chars().take(2 * LONG).chain(['…']).collect(),
    }
}

/// What is listed as shells do (`a, b/{c,d}/e`), one by one.
fn without_braces(list: &str) -> Vec<String> {
    let (mut all, mut name) = (Vec::<String>::new(), String::new());
    // What stands before a brace, and where what it is about begins.
    let mut opened: Vec<(String, usize)> = Vec::new();
    // Where what a name behind a brace is about begins.
    let mut closed: Option<usize> = None;
    let mut rest = list;
    while let Some(letter) = rest.chars().next() {
        let is_next = letter == ',' && (rest.starts_with(", ") || !opened.is_empty());
        let before = opened.last().map_or("", |(before, _)| before);
        if letter == '{' {
            opened.push((format!("{before}{name}"), all.len()));
            name.clear();
        } else if letter != '}' && !is_next {
            name.push(letter);
        } else {
            match closed.take() {
                Some(since) => all.iter_mut().skip(since).for_each(|it| it.push_str(&name)),
                None if name.is_empty() => {}
                None => all.push(format!("{before}{name}")),
            }
            name.clear();
            if letter == '}' {
                closed = opened.pop().map(|(_, since)| since);
            }
        }
        let read = letter.len_utf8() + usize::from(rest.starts_with(", "));
        rest = rest.get(read..).unwrap_or_default();
    }
    match closed {
        Some(since) => all.iter_mut().skip(since).for_each(|it| it.push_str(&name)),
        None if name.is_empty() => {}
        None => all.push(name),
    }
    all
}

fn described(rule: &RuleRef) -> String {
    let access = rule.grants().unwrap_or_default();
    let equals = if access.is_empty() { "" } else { " = " };
    format!(
        "`{}`{equals}{access} ({})",
        escaped(&rule.pattern),
        rule.source
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_names_those_of_the_path_are_said() {
        let many = "x, ".repeat(LONG);
        let list = format!(
            "protected: {many}.git/{{hooks,modules/**/{{config,hooks}}}}, d1{{1,2}}/key, d3/x, .vscode"
        );
        for (path, expected) in [
            ("/w/.git/hooks/a", "protected: .git/hooks"),
            ("/w/.VSCODE", "protected: .vscode"),
            ("/w/d12/key", "protected: d12/key"),
            ("/w/d3/x", "protected: d3/x"),
        ] {
            assert_eq!(of_many(&list, Some(Path::new(path))), expected);
        }
        // The control: of others none is.
        assert!(of_many(&list, Some(Path::new("/w/hooks"))).ends_with('…'));
    }
}
