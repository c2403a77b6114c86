use std::os::unix::fs::{self as unix, PermissionsExt};

use super::*;

fn host() -> (tempfile::TempDir, PathBuf) {
    let host = tempfile::tempdir().unwrap();
    let root = resolve(host.path()).unwrap().path;
    (host, root)
}

#[test]
fn links_missing_tails_and_parents_have_defined_results() {
    let (_host, root) = host();
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::create_dir_all(root.join("c")).unwrap();
    fs::write(root.join("a/file"), "").unwrap();
    unix::symlink("b", root.join("a/relative")).unwrap();
    unix::symlink(root.join("c"), root.join("a/absolute")).unwrap();
    unix::symlink("../nowhere/x", root.join("a/dangling")).unwrap();
    for (path, expected, kind, links) in [
        ("a/b", "a/b", PathKind::Directory, 0),
        ("a/file", "a/file", PathKind::File, 0),
        ("a/relative", "a/b", PathKind::Directory, 1),
        ("a/relative/..", "a", PathKind::Directory, 1),
        ("a/absolute/..", "", PathKind::Directory, 1),
        ("a/absolute/x/y", "c/x/y", PathKind::Missing, 1),
        ("a/dangling", "nowhere/x", PathKind::Missing, 1),
        ("a/file/x", "a/file/x", PathKind::Missing, 0),
        ("missing/x", "missing/x", PathKind::Missing, 0),
    ] {
        let resolved = resolve(&root.join(path)).unwrap();
        let expected = if expected.is_empty() {
            root.clone()
        } else {
            root.join(expected)
        };
        assert_eq!(
            (resolved.path, resolved.kind, resolved.links.len()),
            (expected, kind, links),
            "{path}"
        );
    }
}

#[test]
fn what_is_known_of_a_directory_changes_nothing_of_what_is_below() {
    let (_host, root) = host();
    fs::create_dir_all(root.join("a/b")).unwrap();
    let resolver = Resolver::default();
    let below = ["a/b/../b", "a/b/..", "a/..", "a/b/x/y", "a/b"].map(|path| root.join(path));
    let again = below.clone().into_iter().chain(below.clone());
    for path in again.chain(["/etc".into(), "/".into()]) {
        for known in place::upwards(&path).filter(|known| !known.ends_with("..")) {
            resolver.kind(known).unwrap();
        }
        assert_eq!(resolver.resolve(&path), resolve(&path), "{path:?}");
    }
}

#[test]
fn what_cannot_be_resolved_is_an_error() {
    let (_host, root) = host();
    unix::symlink("loop", root.join("loop")).unwrap();
    fs::write(root.join("file"), "").unwrap();
    let error = |path: &str| resolve(&root.join(path)).unwrap_err();
    assert_eq!(
        error("loop/x"),
        RuleProblem::Loop {
            at: root.join("loop")
        }
    );
    assert_eq!(
        error("missing/../x"),
        RuleProblem::ParentOfMissing {
            at: root.join("missing")
        }
    );
    assert_eq!(
        error("file/../x"),
        RuleProblem::ParentOfMissing {
            at: root.join("file")
        }
    );
    assert!(matches!(
        error(&"n".repeat(300)),
        RuleProblem::Unreachable { .. }
    ));
}

#[test]
fn a_directory_that_cannot_be_searched_is_an_error() {
    let (_host, root) = host();
    let closed = root.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let result = resolve(&closed.join("x"));
    // Root searches every directory.
    let is_root = fs::read_dir(&closed).is_ok();
    assert_eq!(result.is_ok(), is_root);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn where_a_link_leads_in_the_end_is_known() {
    let (_host, root) = host();
    fs::create_dir(root.join("end")).unwrap();
    unix::symlink("second", root.join("first")).unwrap();
    unix::symlink("end", root.join("second")).unwrap();
    let resolver = Resolver::default();
    let links = resolver.links(&resolver.resolve(&root.join("first/x")).unwrap().links);
    let ends: Vec<_> = links
        .iter()
        .map(|link| (link.path().to_owned(), link.resolved().to_owned()))
        .collect();
    assert_eq!(
        ends,
        [
            (root.join("first"), root.join("end")),
            (root.join("second"), root.join("end"))
        ]
    );
}

#[test]
fn a_directory_that_is_asked_about_often_is_listed_with_the_same_result() {
    let (_host, root) = host();
    for number in 0..20 {
        fs::create_dir_all(root.join(format!("dir{number}/x"))).unwrap();
        fs::write(root.join(format!("file{number}")), "").unwrap();
        unix::symlink(format!("dir{number}"), root.join(format!("link{number}"))).unwrap();
    }
    let resolver = Resolver::default();
    for number in 0..30 {
        for path in ["dir", "file", "link"].map(|name| root.join(format!("{name}{number}"))) {
            for path in [path.join("x"), path.join("x/y"), path.join("../z"), path] {
                assert_eq!(resolver.resolve(&path), resolve(&path), "{path:?}");
            }
        }
    }
}
