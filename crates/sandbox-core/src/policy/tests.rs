//! What is read, what is refused and in which words, and that what is printed reads back.

mod laws;
mod messages;

use std::cmp::Reverse;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::Access::{Hide, Overlay, Read, Scratch, Write};

/// A policy without what only errors need: where each rule was written.
type Meaning = (
    (Vec<Preset>, Vec<DestinationPreset>, Vec<ProtectedGroup>),
    Vec<(OsString, Access, bool)>,
    Option<Network>,
    Vec<(OsString, VariableRule)>,
    Limits,
    (Option<Tier>, HideBy, Vec<String>),
);

fn meaning(policy: &Policy) -> Meaning {
    // Of one key that of the last layer which grants least, and must exist if one of these must.
    let weight = |entry: &FileEntry| {
        let least = Reverse(entry.access.precedence());
        (entry.layer, least, !entry.optional)
    };
    let decides = |entry: &&FileEntry| {
        let mut same = policy
            .files
            .iter()
            .filter(|other| other.key() == entry.key());
        same.all(|other| weight(other) <= weight(entry))
    };
    let files = policy.files.iter().filter(decides).collect();
    let files = entry::last_of_each_key(files, |entry: &&FileEntry| entry.key());
    let variables = entry::last_of_each_key(
        policy.environment.iter().collect(),
        |entry: &&VariableEntry| entry.key(),
    );
    (
        (
            policy.presets.iter().map(|(preset, _)| *preset).collect(),
            policy
                .destination_presets
                .iter()
                .map(|(preset, _)| *preset)
                .collect(),
            policy.protected.keys().copied().collect(),
        ),
        files
            .into_iter()
            .map(|entry| (entry.key(), entry.access, entry.optional))
            .collect(),
        policy.network.as_ref().map(|(network, _)| *network),
        variables
            .into_iter()
            .map(|entry| (entry.pattern.clone(), entry.rule.clone()))
            .collect(),
        policy.limits.clone(),
        (
            policy.system.fallback,
            policy.system.hide,
            system_words(policy),
        ),
    )
}

/// What is allowed beside all else.
fn system_words(policy: &Policy) -> Vec<String> {
    let features = policy.system.features.keys().cloned();
    let macos = &policy.system.macos;
    let allowed = macos.allowed.keys().map(|option| format!("macos {option}"));
    let services = macos
        .mach_lookup
        .iter()
        .map(|(name, _)| format!("mach {name}"));
    features.chain(allowed).chain(services).collect()
}

const EVERYTHING: &str = r#"
extends = ["agent", "strict"]
protect = ["ci"]

[files]
"/"              = "read"
"."              = "write"
"~/.ssh"         = "hide"
"**/.env"        = "hide"
"./node_modules" = "overlay"
"./target"       = "scratch"
"./dist"         = { access = "write", optional = true }
"./maybe"        = { access = "read", optional = false }

[network]
default = "host"
publish = []
[network.rules]

[environment]
PATH = "pass"
"*_TOKEN" = "drop"
CI = { set = "1" }

[limits]
memory = "4GiB"
processes = 512
open_files = 0x400
time = "1h 30m"

[system]
perf = "allow"
fallback = "landlock"
hide = "assemble"

[system.macos]
pty = "allow"
apple-events = "allow"
mach-lookup = ["com.example.a", "org.example.*", "com.example.a"]
"#;

const EVERYTHING_JSON: &str = r#"{
  "extends": ["agent", "strict"],
  "protect": ["ci", "ci"],
  "files": {
    "/": "read", ".": "write", "~/.ssh": "hide", "**/.env": "hide", "./node_modules": "overlay",
    "./target": "scratch", "./dist": { "optional": true, "access": "write" }, "./maybe": { "access": "read" }
  },
  "network": { "default": "host", "publish": [], "rules": {} },
  "environment": { "PATH": "pass", "*_TOKEN": "drop", "CI": { "set": "1" } },
  "limits": { "memory": 4294967296, "processes": 512, "open_files": 1024, "time": "90m" },
  "system": { "perf": "allow", "fallback": "landlock", "hide": "assemble",
    "macos": { "apple-events": "allow", "pty": "allow", "mach-lookup": ["org.example.*", "com.example.a"] } }
}"#;

fn everything() -> Policy {
    Policy::preset(Preset::Agent)
        .extends(Preset::Strict)
        .protect(ProtectedGroup::Ci)
        .read("/")
        .write(".")
        .hide("~/.ssh")
        .hide_matching("**/.env")
        .overlay("./node_modules")
        .scratch("./target")
        .write_if_exists("./dist")
        .read("./maybe")
        .network(Network::Host)
        .pass("PATH")
        .drop_variable("*_TOKEN")
        .set("CI", "1")
        .memory(4 << 30)
        .processes(512)
        .open_files(1024)
        .time(Duration::from_mins(90))
        .feature("perf")
        .fallback(Tier::Landlock)
        .hide_by(HideBy::Assemble)
        .macos(MacOption::Pty)
        .macos(MacOption::AppleEvents)
        .mach_lookup("org.example.*")
        .mach_lookup("com.example.a")
}

#[test]
fn toml_json_and_setters_say_the_same() {
    let expected = meaning(&everything());
    assert_eq!(
        meaning(&Policy::from_toml(EVERYTHING, None).unwrap()),
        expected
    );
    assert_eq!(
        meaning(&Policy::from_json(EVERYTHING_JSON, None).unwrap()),
        expected
    );
}

#[test]
fn printed_policy_has_every_part() {
    insta::assert_snapshot!(everything().hide("./target").write("a*[b]?").set("Q", "\"\\\n\u{1b}é"), @r#"
    extends = ["agent", "strict"]
    protect = ["ci"]

    [files]
    "/" = "read"
    "." = "write"
    "~/.ssh" = "hide"
    "**/.env" = "hide"
    "./node_modules" = "overlay"
    "./dist" = { access = "write", optional = true }
    "./maybe" = "read"
    "./target" = "hide"
    "a[*][[]b][?]" = "write"

    [network]
    default = "host"

    [environment]
    "PATH" = "pass"
    "*_TOKEN" = "drop"
    "CI" = { set = "1" }
    "Q" = { set = "\"\\\u000A\u001Bé" }

    [limits]
    memory = "4GiB"
    processes = 512
    open_files = 1024
    time = "1h 30m"

    [system]
    fallback = "landlock"
    hide = "assemble"
    "perf" = "allow"

    [system.macos]
    pty = "allow"
    apple-events = "allow"
    mach-lookup = ["org.example.*", "com.example.a"]
    "#);
}

#[test]
fn an_empty_text_is_an_empty_policy() {
    assert_eq!(
        meaning(&Policy::from_toml("", None).unwrap()),
        meaning(&Policy::new())
    );
    assert_eq!(
        meaning(&Policy::from_json("{}", None).unwrap()),
        meaning(&Policy::new())
    );
    assert_eq!(Policy::new().to_string(), "");
}

#[test]
fn a_file_is_where_its_relative_paths_start() {
    let text = "[files]\n'.' = 'write'\n'~/x' = 'read'\n'${HOME}/y' = 'read'\n'/z' = 'read'\n'**/.env' = 'hide'\n";
    let policy = Policy::from_toml(text, Some(Path::new("/pro[1]/$x/sandbox.toml"))).unwrap();
    assert_eq!(
        policy.files[0].base.as_deref(),
        Some(Path::new("/pro[1]/$x"))
    );
    insta::assert_snapshot!(policy, @r#"
    [files]
    "/pro[[]1]/[$]x/." = "write"
    "~/x" = "read"
    "${HOME}/y" = "read"
    "/z" = "read"
    "/pro[[]1]/[$]x/**/.env" = "hide"
    "#);

    let policy = Policy::from_toml(text, Some(Path::new("sandbox.toml"))).unwrap();
    assert_eq!(
        policy.files[0].base.as_deref(),
        std::env::current_dir().ok().as_deref(),
        "a bare name is in the current directory"
    );
}

#[test]
fn later_layers_replace_key_by_key() {
    let user = Policy::preset(Preset::Agent)
        .hide("~/.ssh")
        .read("~/docs")
        .pass("LANG")
        .memory(1 << 30)
        .processes(9);
    let project = Policy::new()
        .read("~/.ssh")
        .drop_variable("LANG")
        .memory(2 << 30)
        .feature("perf");
    let line = Policy::preset(Preset::Strict)
        .source(Source::CommandLine)
        .write_matching("~/docs")
        .network(Network::Host);

    let policy = user.layer(project).layer(line);
    assert_eq!(
        meaning(&policy),
        meaning(
            &Policy::preset(Preset::Strict)
                .read("~/.ssh")
                .write("~/docs")
                .drop_variable("LANG")
                .network(Network::Host)
                .memory(2 << 30)
                .processes(9)
                .feature("perf")
        )
    );
    assert_eq!(policy.files.len(), 2);
    assert_eq!(policy.files[1].source, Source::CommandLine);
    assert_eq!(policy.files[0].source, Source::Library);
}

#[test]
fn the_same_path_is_the_same_key_whichever_file_names_it() {
    let user = "[files]\n'~/.ssh' = 'hide'\n'/p/x' = 'read'\ny = 'read'\n";
    let user = Policy::from_toml(user, Some(Path::new("/home/a/policy.toml"))).unwrap();
    let project = "[files]\n'~/.ssh' = 'read'\nx = 'write'\ny = 'write'\n";
    let project = Policy::from_toml(project, Some(Path::new("/p/sandbox.toml"))).unwrap();
    insta::assert_snapshot!(user.layer(project), @r#"
    [files]
    "/home/a/y" = "read"
    "~/.ssh" = "read"
    "/p/x" = "write"
    "/p/y" = "write"
    "#);
}

#[test]
fn a_layer_without_presets_keeps_them_and_what_is_stricter_stays() {
    let stricter = Policy::preset(Preset::Agent)
        .hide_by(HideBy::Assemble)
        .protect(ProtectedGroup::Ci);
    let none = Policy::from_toml("protect = []", None).unwrap();
    let policy = stricter.clone().layer(Policy::new()).layer(none);
    assert_eq!(meaning(&policy), meaning(&stricter));
}

#[test]
fn setters_keep_what_cannot_be_meant_for_later() {
    let policy = Policy::new()
        .source(Source::CommandLine)
        .write("")
        .hide_matching("a\0b")
        .pass("A=B")
        .set("A*", "1")
        .set("A", "\0")
        .set("", "")
        .memory(0)
        .processes(u64::MAX)
        .time(Duration::from_hours(31 * 24))
        .feature("Perf")
        .feature("hide")
        .mach_lookup("*")
        .mach_lookup("a*b")
        .mach_lookup("");
    assert!(
        policy.files.is_empty()
            && policy.environment.is_empty()
            && system_words(&policy).is_empty()
    );
    assert_eq!(policy.limits, Limits::default());
    insta::assert_snapshot!(PolicyErrors(policy.problems), @r"
    the command line: the path `` is empty
    the command line: the path `a\0b` contains a NUL byte
    the command line: the variable `A=B` contains `=`
    the command line: the variable `A*` is a pattern, and only one name can be set
    the command line: the variable `A` is set to a value with a NUL byte
    the command line: the variable `` is empty
    the command line: `memory` cannot be `0`: nothing can run with none at all
    the command line: `processes` cannot be `18446744073709551615`: it is too large
    the command line: `time` cannot be `2678400s`: it is more than 30 days
    the command line: the feature `Perf` is not a word in lower case
    the command line: the feature `hide` is a key of its own
    the command line: the service `*` is all services at once
    the command line: the service `a*b` has a character that no service has, or `*` before its end
    the command line: the service `` is empty
    ");
}

#[test]
fn literal_paths_become_patterns() {
    let table = [
        ("a*b?[c]", "a[*]b[?][[]c]"),
        ("${X}", "[$]{X}"),
        ("~", "~"),
        ("~/x", "~/x"),
        ("~x", "./~x"),
        ("/~x", "/~x"),
    ];
    for (literal, pattern) in table {
        assert_eq!(
            entry::literal_pattern(literal.as_bytes()),
            pattern.as_bytes()
        );
    }
}

#[test]
fn what_toml_cannot_spell_is_refused_when_it_is_read() {
    let bytes = OsStr::from_bytes(b"a\xff");
    let policy = Policy::new().hide(bytes).set("A", bytes).pass(bytes);
    insta::assert_snapshot!(policy, @r#"
    [files]
    "a�" = "not-utf8"

    [environment]
    "A" = "not-utf8"
    "a�" = "not-utf8"
    "#);
    let errors = Policy::from_toml(&policy.to_string(), None).unwrap_err();
    assert_eq!(errors.iter().count(), 3, "{errors}");
}

#[test]
fn accesses_are_all_written() {
    for access in [Hide, Read, Overlay, Write, Scratch] {
        let policy = Policy::from_toml(&format!("[files]\na = '{access}'\n"), None).unwrap();
        assert_eq!(policy.files[0].access, access);
    }
}

#[test]
fn values_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Policy>();
    crosses::<PolicyError>();
    crosses::<PolicyErrors>();
}
