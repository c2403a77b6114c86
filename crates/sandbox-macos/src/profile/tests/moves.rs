//! The swap attack: nothing is had by another name that is not to be had by its own, and nothing is put in the place of what is protected.

use sandbox_core::Policy;

use super::{Home, MOVES, workspace};

#[test]
fn a_protected_directory_is_not_moved_away_and_back() {
    let home = Home::new();
    let judge = home.judge(&workspace());
    for hooks in [
        "w/sub/.git/hooks",
        "w/.git/hooks",
        "w/sub/.vscode",
        "w/a/b/.git/modules/x/hooks",
    ] {
        for operation in MOVES {
            judge.denies(operation, &home.path(hooks));
            judge.denies(operation, &home.path(hooks).join("pre-commit"));
        }
    }
    // Nor what leads to it, to be filled elsewhere.
    for way in [
        "w/sub/.git",
        "w/.git",
        "w/sub/.cargo",
        "w/.git/modules/x",
        "w/.git/modules",
    ] {
        judge.denies("file-write-unlink", &home.path(&format!("{way}/")));
    }
    for way in ["w/.git", "w/.cargo", "w/.git/modules"] {
        judge.denies("file-write-create", &home.path(way));
    }
    // The controls.
    for ordinary in [
        "w/sub/x",
        "w/sub/.github2",
        "w/hooks",
        "w/.git/objects/ab",
        "w/a.vscode",
    ] {
        for operation in MOVES.into_iter().chain(["file-write-data"]) {
            judge.allows(operation, &home.path(ordinary));
        }
    }
}

#[test]
fn what_leads_to_something_hidden_or_only_read_stays_where_it_is() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("w/d/e")).unwrap();
    for policy in [workspace().hide("d/e/key"), workspace().read("d/e/key")] {
        let judge = home.judge(&policy);
        for way in ["w", "w/d", "w/d/e", "w/d/e/key"] {
            judge.denies("file-write-unlink", &home.path(way));
        }
        for ordinary in ["w/d/f", "w/d/e/f", "w/e"] {
            judge.allows("file-write-unlink", &home.path(ordinary));
        }
    }
    let judge = home.judge(
        &workspace()
            .hide_matching("**/.aws/credentials")
            .hide_matching("*/x/key"),
    );
    judge.denies("file-write-unlink", &home.path("w/a/.aws"));
    judge.denies("file-write-unlink", &home.path("w/a/x/"));
    judge.denies("file-write-unlink", &home.path("w/a/"));
    judge.allows("file-write-unlink", &home.path("w/a"));
    judge.allows("file-write-unlink", &home.path("w/a/.awsx"));
}

#[test]
fn a_pattern_holds_where_a_directory_can_be_moved_to() {
    let home = Home::new();
    let policy = workspace().write("../other").hide_matching("**/.env");
    let judge = home.judge(&policy);
    for path in ["w/a/.env", "other/a/.env", "w/.ENV"] {
        judge.denies("file-read-data", &home.path(path));
    }
    judge.allows("file-read-data", &home.path("other/a/env"));
    judge.allows("file-read-data", &home.path(".env"));
}

#[test]
fn a_pattern_of_all_that_is_below_holds_nowhere_else() {
    let home = Home::new();
    for pattern in ["**", "**/*", "**/?*", "**/*/key", "*/**", "*/**/key"] {
        let judge = home.judge(&workspace().write("../other").hide_matching(pattern));
        for path in ["other/a/b/key", "other/a/key"] {
            judge.allows("file-read-data", &home.path(path));
        }
        judge.denies("file-read-data", &home.path("w/a/b/key"));
        // Nothing that is not hidden leaves with what is: directories stay.
        judge.denies("file-write-unlink", &home.path("w/a/b/"));
    }
    // A name of one letter is not any: the control.
    let judge = home.judge(&workspace().write("../other").hide_matching("**/?"));
    judge.denies("file-read-data", &home.path("other/a/b"));
    judge.allows("file-write-unlink", &home.path("w/ab/cd/"));
}

#[test]
fn directories_stay_below_a_pattern_that_lies_in_a_writable_tree() {
    let home = Home::new();
    let policy = workspace().write("sub").hide_matching("d/**/key");
    let judge = home.judge(&policy);
    judge.denies("file-read-data", &home.path("w/d/a/key"));
    judge.denies("file-write-unlink", &home.path("w/d/a/"));
    judge.denies("file-write-unlink", &home.path("w/d/a/b/"));
    for path in ["w/d/a/b", "w/d/a/c", "w/sub/a/"] {
        judge.allows("file-write-unlink", &home.path(path));
    }
    // What the rules allow elsewhere is allowed.
    for path in ["w/sub/a/key", "w/key", "w/a/key"] {
        judge.allows("file-read-data", &home.path(path));
    }
}

#[test]
fn what_is_allowed_again_in_spite_of_a_pattern_stays_where_it_is() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("w/d/b/c")).unwrap();
    // What the pattern hides below would be read elsewhere; and what it hides elsewhere, here.
    for (policy, stays) in [
        (workspace().hide_matching("d/**").write("d/b"), "w/d/b/"),
        (
            workspace().hide_matching("**/key").write("d/b/key"),
            "w/d/b/",
        ),
        (
            workspace()
                .hide_matching("**/key")
                .write_matching("d/*/key"),
            "w/x/y/",
        ),
        (
            Policy::default()
                .read("/")
                .write_matching("*")
                .hide_matching("d/**/key"),
            "w/d/b/",
        ),
    ] {
        let judge = home.judge(&policy);
        judge.denies("file-write-unlink", &home.path(stays));
        judge.denies("file-read-data", &home.path("w/d/x/key"));
    }
    // Above a directory that cannot be written itself.
    let policy = workspace().hide("d/b/c").read_matching("**/b");
    home.judge(&policy)
        .denies("file-write-unlink", &home.path("w/d/"));
    // The control.
    let judge = home.judge(&workspace().hide_matching("**/key").write("d/b"));
    for path in ["w/d/b/", "w/d/", "w/x/y/"] {
        judge.allows("file-write-unlink", &home.path(path));
    }
}
