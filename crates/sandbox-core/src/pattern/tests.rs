use std::ffi::OsStr;
use std::path::Path;

use super::*;
use crate::os::OsStrExt;

fn context() -> Context {
    let mut context = Context::new("/home/ana/shop");
    context.home = Some("/home/ana".into());
    for (name, value) in [("EMPTY", ""), ("STAR", "/a*b"), ("PART", "x/y")] {
        context.variables.insert(name.into(), value.into());
    }
    context
}

fn expanded(text: &str) -> Result<Expanded, PatternProblem> {
    let context = context();
    expand(text.as_ref(), true, "/base".as_ref(), &context)
}

#[test]
fn texts_expand_to_absolute_paths() {
    for (text, path, tail) in [
        ("/", "/", None),
        ("/a//b/./c/", "/a/b/c", None),
        (".", "/base", None),
        ("./a", "/base/a", None),
        ("../a", "/base/../a", None),
        ("~", "/home/ana", None),
        ("~/.ssh", "/home/ana/.ssh", None),
        ("./~ana", "/base/~ana", None),
        ("a~", "/base/a~", None),
        ("${CWD}/x", "/home/ana/shop/x", None),
        ("${HOME}", "/home/ana", None),
        ("${TMPDIR}/x", "/tmp/x", None),
        ("${STAR}", "/a*b", None),
        ("${STAR}/*.c", "/a*b", Some("*.c")),
        ("p${PART}q", "/base/px/yq", None),
        ("$x$", "/base/$x$", None),
        ("/a[*]b[?]c[[]d[$]{e}", "/a*b?c[d${e}", None),
        ("**/.env", "/base", Some("**/.env")),
        ("/a/*/b{c}", "/a", Some("*/b[{]c[}]")),
        ("/a/[a-z]x/[*]", "/a", Some("[a-z]x/[*]")),
        ("/a/[!a]", "/a", Some("[!a]")),
        ("/a/[]]", "/a/]", None),
        ("/dev/nvidia*", "/dev", Some("nvidia*")),
    ] {
        let expected = Expanded {
            path: path.into(),
            tail: tail.map(str::to_owned),
        };
        let got = expanded(text).unwrap();
        assert_eq!(
            (got.path.as_os_str(), &got.tail),
            (expected.path.as_os_str(), &expected.tail),
            "{text}"
        );
    }
}

#[test]
fn impossible_texts_are_errors() {
    for (text, problem) in [
        ("", PatternProblem::Empty),
        ("/a\0b", PatternProblem::Nul),
        ("~bob/.ssh", PatternProblem::OtherHome),
        (
            "${EMPTY}/x",
            PatternProblem::UnknownVariable("EMPTY".to_owned()),
        ),
        (
            "${NONE}",
            PatternProblem::UnknownVariable("NONE".to_owned()),
        ),
        ("${NONE", PatternProblem::OpenVariable),
        ("/a/[b", PatternProblem::OpenClass),
        ("/a/[]", PatternProblem::OpenClass),
        ("/a/[b/c]", PatternProblem::Class),
        ("/a/[[:alpha:]]", PatternProblem::Class),
        ("/a/*/../b", PatternProblem::Parent),
    ] {
        assert_eq!(expanded(text), Err(problem), "{text}");
    }
}

#[test]
fn a_literal_text_means_itself() {
    let context = context();
    for (text, path) in [
        ("/a*b/[c]/${CWD}", "/a*b/[c]/${CWD}"),
        ("~/x*", "/home/ana/x*"),
        ("~backup", "/base/~backup"),
        ("a?", "/base/a?"),
        (".", "/base"),
    ] {
        let got = expand(text.as_ref(), false, "/base".as_ref(), &context).unwrap();
        assert_eq!(
            got,
            Expanded {
                path: path.into(),
                tail: None
            },
            "{text}"
        );
    }
}

#[test]
fn paths_need_not_be_text() {
    let context = context();
    let base = Path::new(OsStr::from_bytes(b"/b\xff"));
    let got = expand("x/*.c".as_ref(), true, base, &context).unwrap();
    assert_eq!(got.path.as_os_str().as_bytes(), b"/b\xff/x");
    let literal = expand(OsStr::from_bytes(b"/\xfe/y"), true, base, &context).unwrap();
    assert_eq!(literal.path.as_os_str().as_bytes(), b"/\xfe/y");
    let mixed = expand(OsStr::from_bytes(b"/*/\xfe"), true, base, &context);
    assert_eq!(mixed, Err(PatternProblem::NotText));
}

#[test]
fn globs_match_below_their_prefix() {
    for (tail, path, matches) in [
        ("*.c", "/p/a.c", true),
        ("*.c", "/p/.c", true),
        ("*.c", "/p/d/a.c", false),
        ("*.c", "/q/a.c", false),
        ("**/*.c", "/p/a.c", true),
        ("**/*.c", "/p/d/e/a.c", true),
        ("**", "/p", false),
        ("**", "/p/a/b", true),
        ("a/**", "/p/a", false),
        ("a/**/b", "/p/a/b", true),
        ("a/**/b", "/p/a/x/y/b", true),
        ("?", "/p/a", true),
        ("?", "/p/ab", false),
        ("[a-c]", "/p/b", true),
        ("[!a-c]", "/p/b", false),
        ("x[{]y[}]", "/p/x{y}", true),
        ("a\\*", "/p/a\\b", true),
        ("**/.env", "/p/new\nline/.env", true),
        ("*.key", "/p/new\nline.key", true),
    ] {
        let glob = Glob::new("/p".into(), tail).unwrap();
        assert_eq!(glob.matches(path.as_ref()), matches, "{tail} {path:?}");
        let found = together(&[&glob], path.as_ref());
        assert_eq!(!found.is_empty(), matches, "{tail} {path:?}");
    }
}

/// Which of these match the path, ascending.
fn together(globs: &[&Glob], path: &Path) -> Vec<usize> {
    let all = Together::new(globs);
    let mut found = Vec::new();
    for group in place::upwards(path).flat_map(|place| all.below(place)) {
        group.matches(path, &mut found);
    }
    found.sort_unstable();
    found
}

#[test]
fn globs_match_bytes() {
    let glob = Glob::new("/p".into(), "**/*.key").unwrap();
    assert!(glob.matches(Path::new(OsStr::from_bytes(b"/p/\xff/\xfe.key"))));
}

#[test]
fn patterns_of_any_size_are_matched_or_refused() {
    let most = [
        ("*", 4096),
        ("?", 4096),
        ("[!a]", 1024),
        ("[a-z]", 819),
        ("*/", 2048),
        ("**/x/", 819),
        ("\u{20ac}", 1365),
    ];
    for (part, count) in most {
        let glob = Glob::new("/p".into(), &part.repeat(count)).unwrap();
        let path = Path::new("/p/a");
        let found = together(&[&glob], path);
        assert_eq!(!found.is_empty(), glob.matches(path), "{part}");
        let more = Glob::new("/p".into(), &part.repeat(count + 1));
        assert_eq!(more.err(), Some(PatternProblem::Refused), "{part}");
    }
    // Together they are too large for one matcher.
    let globs: Vec<Glob> = (0..300)
        .map(|number| Glob::new("/p".into(), &format!("?{}{number}", "[!a]".repeat(900))).unwrap())
        .collect();
    let globs: Vec<&Glob> = globs.iter().collect();
    let all = Together::new(&globs);
    let members: usize = all.groups().iter().map(|some| some.members().len()).sum();
    assert_eq!(members, 300);
    let path = format!("/p/x{}217", "b".repeat(900));
    assert_eq!(together(&globs, path.as_ref()), [217]);
}

#[test]
fn the_same_pattern_below_other_directories_is_another_one() {
    let glob = |prefix: &str, tail| Glob::new(prefix.into(), tail).unwrap();
    let globs = [
        glob("/p", "*.c"),
        glob("/q", "*.c"),
        glob("/", "**/*.c"),
        glob("/q", "*.h"),
        glob("/p/p", "*.c"),
    ];
    let globs: Vec<&Glob> = globs.iter().collect();
    for (path, expected) in [
        ("/p/a.c", &[0, 2][..]),
        ("/q/a.c", &[1, 2]),
        ("/q/a.h", &[3]),
        ("/p/p/a.c", &[2, 4]),
        ("/pp/a.c", &[2]),
        ("/a.c", &[2]),
    ] {
        assert_eq!(together(&globs, path.as_ref()), expected, "{path}");
    }
}

#[test]
fn the_longest_matching_ancestor_is_found() {
    let glob = Glob::new("/p".into(), "**/x").unwrap();
    assert_eq!(
        glob.longest_match("/p/x/a/x/b".as_ref()),
        Some(Path::new("/p/x/a/x"))
    );
    assert_eq!(glob.longest_match("/p/a/b".as_ref()), None);
    assert_eq!(glob.longest_match("/x".as_ref()), None);
}

#[test]
fn an_escaped_path_means_itself() {
    for path in ["/a*b", "/[x]", "/${HOME}", "/a?{b}", "/plain"] {
        assert_eq!(
            expanded(&escape(path)).unwrap(),
            Expanded {
                path: path.into(),
                tail: None
            }
        );
    }
}

#[test]
fn relative_spellings_follow_the_current_directory() {
    for (text, relative) in [
        (".", true),
        ("./x", true),
        ("src", true),
        ("${CWD}", true),
        ("/", false),
        ("~", false),
        ("${HOME}", false),
    ] {
        assert_eq!(is_relative_spelling(text.as_ref()), relative, "{text}");
    }
}

#[test]
fn a_pattern_reaches_what_it_could_match_there_or_below() {
    for (prefix, tail, directory, expected) in [
        ("/a", "*", "/a", true),
        ("/a", "*/key", "/a", true),
        ("/a", "*/key", "/a/b", true),
        ("/a", "*/key", "/a/b/c", false),
        ("/a", "**/key", "/a/b/c", true),
        ("/", "**/key", "/a", true),
        // The way to it is a name of the directory.
        ("/a/b", "*", "/a", false),
        ("/ab", "**", "/a", false),
    ] {
        let glob = Glob::new(prefix.into(), tail).unwrap();
        let found = glob.reaches(directory.as_ref());
        assert_eq!(found, expected, "{prefix} {tail} {directory}");
    }
}
