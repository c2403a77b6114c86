//! The evaluator itself: profiles that no generator of ours has made, each with questions to which the answers are known from what is
//! documented of Seatbelt. A question is a comment: `;? OPERATION [TARGET [VNODE-TYPE]] ANSWER`; so is a parameter: `;= NAME VALUE`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's way to fail is to panic"
)]

use std::fs;
use std::path::Path;

use seatbelt::{Answer, Profile, Query, Side, VnodeType};

fn query(operation: &str, target: &[&str]) -> Query {
    match (operation, target) {
        (_, []) => Query::default(),
        ("signal" | "process-info-pidinfo", [target]) => Query::target(target),
        ("network-outbound", [path]) if path.starts_with('/') => Query::socket(Side::Remote, path),
        ("network-bind", [path]) if path.starts_with('/') => Query::socket(Side::Local, path),
        ("network-outbound", [address]) => Query::address(Side::Remote, address),
        ("network-bind" | "network-inbound", [address]) => Query::address(Side::Local, address),
        (_, [path]) if path.starts_with('/') => Query::path(path),
        (_, [name]) => Query::name(name),
        (_, [path, kind]) => Query::path(path).of(match *kind {
            "DIRECTORY" => VnodeType::Directory,
            "REGULAR-FILE" => VnodeType::RegularFile,
            "SYMLINK" => VnodeType::Symlink,
            "CHARACTER-DEVICE" => VnodeType::CharacterDevice,
            "FIFO" => VnodeType::Fifo,
            "SOCKET" => VnodeType::Socket,
            "TTY" => VnodeType::Tty,
            other => panic!("no type of vnode: {other}"),
        }),
        _ => panic!("not a question: {operation} {target:?}"),
    }
}

fn check(file: &Path) -> usize {
    let text = fs::read_to_string(file).unwrap();
    let parameters = text.lines().filter_map(|line| line.strip_prefix(";= "));
    let parameters: Vec<_> = parameters.filter_map(|line| line.split_once(' ')).collect();
    let profile = Profile::with_parameters(&text, &parameters)
        .unwrap_or_else(|error| panic!("{}:{error}", file.display()));
    let questions: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix(";? "))
        .collect();
    for question in &questions {
        let words: Vec<_> = question.split(' ').collect();
        let [operation, target @ .., wanted] = &words[..] else {
            panic!("not a question: {question}");
        };
        let wanted = match *wanted {
            "allow" => Answer::Allow,
            "deny" => Answer::Deny,
            "unclear" => Answer::Unclear,
            other => panic!("no answer: {other}"),
        };
        let query = query(operation, target);
        let applying: Vec<_> = profile
            .applying(operation, &query)
            .map(|at| at.to_string())
            .collect();
        assert_eq!(
            profile.decide(operation, &query),
            wanted,
            "{}: {question}; rules at {applying:?}",
            file.display()
        );
    }
    questions.len()
}

#[test]
fn profiles_answer_as_is_known_of_them() {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/profiles");
    let asked: usize = fs::read_dir(profiles)
        .unwrap()
        .map(|entry| check(&entry.unwrap().path()))
        .sum();
    assert!(asked >= 150, "only {asked} questions were found");
}

#[test]
fn what_a_mac_would_refuse_is_an_error() {
    for (rule, why) in [
        ("(allow file-raed*)", "unknown operation"),
        ("(allow)", "names an operation"),
        ("(permit default)", "a rule is"),
        ("(allow file-read* (subpath \"relative\"))", "absolute"),
        ("(allow file-read* (subpath \"/a/\"))", "absolute"),
        ("(allow file-read* (literal \"/a/../b\"))", "absolute"),
        ("(allow file-read* (subtree \"/a\"))", "unknown filter"),
        ("(allow file-read* (regex #\"(\"))", "regex parse error"),
        (
            "(allow network-outbound (remote ip \"10.0.0.1:80\"))",
            "an address is",
        ),
        (
            "(allow network-outbound (remote ip \"localhost:65536\"))",
            "an address is",
        ),
        ("(allow file-read* (vnode-type FILE))", "type of vnode"),
        ("(allow signal (target everybody))", "unknown target"),
        ("(allow default (with grace))", "unknown modifier"),
        (
            "(allow file-read* (subpath (param \"HOME\")))",
            "nobody gives",
        ),
        ("(define)", "a name and a value"),
        ("(define (\"a\") (allow default))", "has a name"),
        ("(define (f x) (f x)) (f 1)", "stands for too much"),
        ("(define (f) (f) (f)) (f)", "stands for too much"),
        (
            "(define (f x) (literal x)) (allow file-read* (f))",
            "takes 1 arguments",
        ),
        (
            "(define (f) (literal \"/a\") (literal \"/b\")) (allow file-read* (require-not (f)))",
            "single value",
        ),
        (
            "(allow file-read* (subpath (string-append \"/a\" b)))",
            "a string is expected",
        ),
    ] {
        let error = Profile::parse(&format!("(version 1)\n{rule}")).unwrap_err();
        assert!(error.what.contains(why), "{rule}: {error}");
        assert_eq!(error.at.line, 2);
    }
    // Each name is the one before, twice.
    let names = (1..40).map(|at| format!("(define n{at} (require-any n{} n{}))", at - 1, at - 1));
    let names: Vec<String> = names.collect();
    let text = format!(
        "(version 1)\n(define n0 (literal \"/a\"))\n{}",
        names.join("\n")
    );
    assert!(Profile::parse(&text).unwrap_err().what.contains("too much"));
    for text in ["", "(deny default)", "(version 2)"] {
        assert!(Profile::parse(text).is_err(), "{text}");
    }
}

proptest::proptest! {
    /// Whatever it is: a profile, or an error with its place.
    #[test]
    fn any_text_is_read_or_refused(text in r#"(\(version 1\))?([()#"\\; \n]|allow|deny|file-read\*|default|literal|regex|"/a"|#"[\^a-z\[\]*\\$]{0,9}"|[a-z]){0,40}"#) {
        if let Err(error) = Profile::parse(&text) {
            proptest::prop_assert!(error.at.line >= 1 && !error.what.is_empty());
        }
    }
}
