use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::files::Looks;
use crate::secrets::{HOSTS, RESOLVERS};
use crate::{Anchor, Attempt, Verdict, resolve};

mod held;
mod many;
mod settings;

struct Host {
    _directory: tempfile::TempDir,
    root: PathBuf,
    context: Context,
}

/// A machine with these entries: `d/` is a directory, `l -> t` a link, everything else a file. `w` is the current
/// directory, `h` the home.
fn host(entries: &[&str]) -> Host {
    host_below(&std::env::temp_dir(), entries)
}

fn host_below(directory: &Path, entries: &[&str]) -> Host {
    let directory = tempfile::tempdir_in(directory).unwrap();
    let root = resolve(directory.path()).unwrap().path;
    for entry in ["w/", "h/"].iter().chain(entries) {
        let (path, target) = entry
            .split_once(" -> ")
            .map_or((*entry, None), |(path, target)| (path, Some(target)));
        let whole = root.join(path);
        fs::create_dir_all(whole.parent().unwrap()).unwrap();
        match target {
            Some(target) => symlink(target, &whole).unwrap(),
            None if path.ends_with('/') => fs::create_dir_all(&whole).unwrap(),
            None => fs::write(&whole, "").unwrap(),
        }
    }
    let mut context = Context::new(root.join("w"));
    context.home = Some(root.join("h"));
    Host {
        _directory: directory,
        root,
        context,
    }
}

impl Host {
    fn resolve(&self, policy: &Policy) -> Ruleset {
        Ruleset::resolve(policy, &self.context).unwrap()
    }

    /// Every problem, with the temporary directory written as `@`.
    fn problems(&self, policy: &Policy) -> Vec<String> {
        let problems = Ruleset::resolve(policy, &self.context)
            .err()
            .map_or(Vec::new(), |errors| errors.0);
        let shown = problems
            .into_iter()
            .map(|problem| PolicyErrors(vec![problem]).to_string());
        shown
            .map(|text| text.replace(self.root.to_str().unwrap(), "@"))
            .collect()
    }

    /// `path access kind`, a line an anchor below the temporary directory, pins with `pin`.
    fn anchors(&self, policy: &Policy) -> Vec<String> {
        self.lines(&self.resolve(policy))
    }

    fn lines(&self, ruleset: &Ruleset) -> Vec<String> {
        let anchors = ruleset.files().anchors();
        let below = anchors
            .iter()
            .filter_map(|anchor| Some((anchor.path.strip_prefix(&self.root).ok()?, anchor)));
        let line = |(path, anchor): (&Path, &Anchor)| {
            let pin = if anchor.pin { " pin" } else { "" };
            format!(
                "{} {} {:?}{pin}",
                path.display(),
                anchor.access,
                anchor.kind
            )
        };
        below.map(line).collect()
    }
}

#[test]
fn a_later_layer_replaces_the_same_key_and_in_one_layer_the_least_holds() {
    let host = host(&["h/.ssh/"]);
    let home = || Policy::default().hide("~/.ssh");
    let path = || Policy::default().read(host.root.join("h/.ssh"));
    let both = |one: Policy, other: Policy| host.anchors(&one.layer(other));
    assert_eq!(both(home(), path()), ["h/.ssh read Directory"]);
    assert_eq!(both(path(), home()), ["h/.ssh hide Directory"]);
    // Also where what is below is written last.
    let layered = Policy::default().layer(home());
    let written = layered.read(host.root.join("h/.ssh"));
    assert_eq!(host.anchors(&written), ["h/.ssh hide Directory"]);
    for policy in [
        home().read(host.root.join("h/.ssh")),
        path().hide("~/.ssh"),
        path().hide(host.root.join("h/./.ssh")),
        path().hide(host.root.join("h/.ssh")).write("~/.ssh"),
    ] {
        assert_eq!(host.anchors(&policy), ["h/.ssh hide Directory"]);
        let read = Policy::from_toml(&policy.to_string(), None).unwrap();
        assert_eq!(host.anchors(&read), ["h/.ssh hide Directory"]);
    }
}

#[test]
fn two_rules_that_lead_to_the_same_path_tie() {
    let host = host(&["data/", "link -> data"]);
    let policy = Policy::default()
        .write(host.root.join("data"))
        .read(host.root.join("link"));
    assert_eq!(host.anchors(&policy), ["data read Directory"]);
    let links = host.resolve(&policy).files().links().to_vec();
    assert_eq!(
        (links[0].path(), links[0].resolved()),
        (&*host.root.join("link"), &*host.root.join("data"))
    );
}

#[test]
fn a_missing_path_has_a_defined_result() {
    let host = host(&["dangling -> nowhere"]);
    for (policy, expected) in [
        (Policy::default().hide("x"), &["w/x hide Missing"][..]),
        (Policy::default().read("x/y"), &["w/x/y read Missing"]),
        (
            Policy::default().hide("../dangling"),
            &["nowhere hide Missing"],
        ),
        (Policy::default().write_if_exists("x"), &[]),
    ] {
        assert_eq!(host.anchors(&policy), expected, "{policy:?}");
    }
    insta::assert_snapshot!(
        host.problems(&Policy::default().write("x").scratch("y").overlay("../dangling")).join("\n"),
        @r#"
    the program: `@/w/x` does not exist (create `@/w/x`, or write `{ access = "write", optional = true }` as its rule)
    the program: `@/w/y` does not exist (create `@/w/y`, or write `{ access = "scratch", optional = true }` as its rule)
    the program: `@/nowhere` does not exist (create `@/nowhere`, or write `{ access = "overlay", optional = true }` as its rule)
    "#
    );
}

#[test]
fn a_path_that_cannot_be_resolved_refuses_to_start_but_for_hide() {
    let host = host(&["loop -> loop", "file"]);
    assert_eq!(
        host.anchors(&Policy::default().hide("../loop")),
        ["loop hide Symlink"]
    );
    insta::assert_snapshot!(
        host.problems(
            &Policy::default()
                .read("../loop")
                .read("../file/../x")
                .hide("../none/../x")
                .write("n".repeat(300))
                .read_matching("${NONE}/x")
                .hide("")
        )
        .join("\n"),
        @r#"
    the program: the path `` is empty
    the program: the rule `${NONE}/x` cannot be used: `${NONE}` has no value
    the program: the rule `../loop` cannot be used: the symbolic link `@/loop` leads nowhere: more than 40 links follow each other
    the program: the rule `../file/../x` cannot be used: `..` follows `@/file`, which is no directory (write the path that is meant, without `..`)
    the program: the rule `../none/../x` cannot be used: `..` follows `@/none`, which is no directory (write the path that is meant, without `..`)
    the program: the rule `nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…` cannot be used: `@/w/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn` cannot be looked at: invalid filename
    "#
    );
}

#[test]
fn a_link_that_the_command_could_have_made_leads_no_rule() {
    let host = host(&["w/evil -> ../h", "h/link -> ../data", "data/"]);
    let workspace = Policy::default().write(".");
    insta::assert_snapshot!(
        host.problems(&workspace.clone().read("evil")).join("\n"),
        @r#"the program: the rule `evil` cannot be used: it leads through the symbolic link `@/w/evil`, which lies where this policy lets the command write (write `"@/h"`)"#
    );
    for rule in [
        workspace.clone().hide("evil"),
        workspace.clone().hide("evil/x"),
        workspace.clone().hide_matching("evil/**/x"),
    ] {
        let problems = host.problems(&rule);
        assert!(
            problems[0].contains("symbolic link `@/w/evil`"),
            "{problems:?}"
        );
    }
    // The same link where nothing is writable, and a link outside, lead where they lead.
    assert_eq!(host.problems(&Policy::default().read("evil")), [""; 0]);
    assert_eq!(host.problems(&workspace.read("~/link")), [""; 0]);
}

#[test]
fn a_home_is_a_workspace_only_if_it_is_spelled_out() {
    let mut host = host(&[]);
    host.context.cwd = host.root.join("h");
    insta::assert_snapshot!(host.problems(&Policy::preset(Preset::Agent)).join("\n"), @r#"preset `agent`: the rule `${CWD}` cannot be used: `@/h` is a home, which a relative path does not make writable (write `"@/h" = "write"`)"#);
    insta::assert_snapshot!(host.problems(&Policy::default().write("..")).join("\n"), @r#"the program: the rule `..` cannot be used: `@` is a directory with a home in it, which a relative path does not make writable (write `"@" = "write"`)"#);
    insta::assert_snapshot!(host.problems(&Policy::default().write("../../..")).join("\n"), @r#"the program: the rule `../../..` cannot be used: `/` is the whole file system, which a relative path does not make writable (write `"/" = "write"`)"#);
    for allowed in [
        Policy::preset(Preset::ReadOnly),
        Policy::preset(Preset::Agent).write("~"),
        Policy::preset(Preset::Agent).write(host.root.join("h")),
        Policy::default().write("/"),
    ] {
        assert_eq!(host.problems(&allowed), [""; 0], "{allowed:?}");
    }
}

#[test]
fn what_patterns_match_at_the_start_is_anchored_where_access_changes() {
    let host = host(&[
        "w/.env",
        "w/a/b/.env",
        "w/a/.env.d/.env",
        "w/a/x.log",
        "w/link -> a",
        "w/s/.env -> ../secret",
        "w/secret",
        "w/o/.env -> ../../h",
    ]);
    let policy = Policy::default()
        .write(".")
        .hide_matching("./**/.env")
        .hide_matching("**/.env.d");
    assert_eq!(
        host.anchors(&policy),
        [
            "w write Directory",
            "w/.env hide File",
            "w/a write Directory pin",
            "w/a/.env.d hide Directory",
            "w/a/b write Directory pin",
            "w/a/b/.env hide File",
            "w/o write Directory pin",
            "w/o/.env hide Symlink",
            "w/s write Directory pin",
            "w/s/.env hide Symlink",
            "w/secret hide File",
        ]
    );
    assert_eq!(
        host.anchors(&Policy::default().write(".").write_matching("./**")),
        ["w write Directory"]
    );
}

#[test]
fn a_pattern_is_searched_below_a_match_where_a_rule_opens_it() {
    let host = host(&["w/d/d/open/d/", "w/d/other/d/"]);
    let policy = Policy::default()
        .write(".")
        .hide_matching("./**/d")
        .read("./d/d/open");
    assert_eq!(
        host.anchors(&policy),
        [
            "w write Directory",
            "w/d hide Directory",
            "w/d/d/open read Directory",
            "w/d/d/open/d hide Directory"
        ]
    );
}

#[test]
fn a_pattern_is_searched_below_a_literal_rule_that_beats_it() {
    let host = host(&["w/d/x/d/"]);
    let policy = Policy::default()
        .write(".")
        .hide_matching("./**/d")
        .read("./d");
    assert_eq!(
        host.anchors(&policy),
        [
            "w write Directory",
            "w/d read Directory",
            "w/d/x/d hide Directory"
        ]
    );
}

#[test]
fn a_pattern_is_searched_in_a_hidden_directory_whose_rule_it_outweighs() {
    let host = host(&["w/src/a/lib/f", "w/src/b/other"]);
    let policy = Policy::default().hide(".").read_matching("./src/*/lib");
    let expected = ["w hide Directory", "w/src/a/lib read Directory"];
    assert_eq!(host.anchors(&policy), expected);
    // A rule that is as long beats it.
    let policy = policy.hide("src");
    assert_eq!(
        host.anchors(&policy),
        ["w hide Directory", "w/src hide Directory"]
    );
}

#[test]
fn a_pattern_is_searched_in_what_another_one_shows_in_a_hidden_directory() {
    let host = host(&["w/src/a/key", "w/src/a/f"]);
    let policy = Policy::default()
        .hide(".")
        .read_matching("./src/*")
        .hide_matching("./*/*/key");
    assert_eq!(
        host.anchors(&policy),
        [
            "w hide Directory",
            "w/src/a read Directory",
            "w/src/a/key hide File"
        ]
    );
}

#[test]
fn existing_protected_paths_at_the_root_are_read_only_and_stay_in_place() {
    let host = host(&[
        "w/.git/hooks/",
        "w/.git/config",
        "w/.git/modules/m/config",
        "w/.envrc",
        "w/.vscode/",
        "w/deep/.vscode/",
        "w/.config -> ../h",
        "h/fish/",
    ]);
    assert_eq!(
        host.anchors(&Policy::default().write(".")),
        [
            "w write Directory",
            "w/.envrc read File",
            "w/.git write Directory pin",
            "w/.git/config read File",
            "w/.git/hooks read Directory",
            "w/.git/modules write Directory pin",
            "w/.git/modules/m write Directory pin",
            "w/.git/modules/m/config read File",
            "w/.vscode read Directory",
        ]
    );
    assert_eq!(
        host.anchors(&Policy::default().write("./.git").write("./.git/hooks")),
        [
            "w/.git write Directory",
            "w/.git/config read File",
            "w/.git/hooks write Directory",
            "w/.git/modules write Directory pin",
            "w/.git/modules/m write Directory pin",
            "w/.git/modules/m/config read File",
        ]
    );
    assert_eq!(
        host.anchors(&Policy::default().scratch(".")),
        ["w scratch Directory"]
    );
}

#[test]
fn a_tree_with_too_many_submodules_is_protected_as_one() {
    let host = host(&[]);
    for number in 0..1100 {
        fs::create_dir_all(host.root.join(format!("w/.git/modules/{number}/hooks"))).unwrap();
    }
    assert_eq!(
        host.anchors(&Policy::default().write(".")),
        [
            "w write Directory",
            "w/.git write Directory pin",
            "w/.git/modules read Directory"
        ]
    );
}

#[test]
fn secrets_that_tools_insist_on_look_empty() {
    let host = host(&["h/.npmrc", "h/.ssh/"]);
    let ruleset = host.resolve(&Policy::preset(Preset::ReadOnly).read("~"));
    let anchors = ruleset.files().anchors();
    let looks = |path: &str| {
        anchors
            .iter()
            .find(|anchor| anchor.path == host.root.join(path))
            .map(|anchor| (anchor.access, anchor.looks))
    };
    assert_eq!(looks("h/.npmrc"), Some((Access::Hide, Looks::Empty)));
    assert_eq!(looks("h/.ssh"), Some((Access::Hide, Looks::Unreadable)));
}

#[test]
fn what_the_host_knows_of_names_is_hidden_where_the_gateway_answers() {
    let host = host(&[]);
    for of_names in [&RESOLVERS, &HOSTS] {
        let path = resolve(of_names.path.as_ref()).unwrap().path;
        let access = |policy: Policy| {
            let ruleset = host.resolve(&policy);
            let (access, rule) = ruleset.files().access(&path);
            (access, rule.and_then(|rule| rule.reason))
        };
        for policy in [
            Policy::default().read("/"),
            Policy::preset(Preset::ReadOnly).read("/run"),
            Policy::preset(Preset::Strict),
        ] {
            let hidden = access(policy.clone().allow("a.example"));
            assert_eq!(hidden, (Access::Hide, Some(of_names.reason)));
            // The controls: nothing is asked for, and a person says otherwise.
            assert_ne!(access(policy.clone()).1, Some(of_names.reason));
            let named = policy.allow("a.example").read(of_names.path);
            assert_eq!(access(named), (Access::Read, None));
        }
    }
}

#[test]
fn paths_that_are_not_text_are_rules_like_others() {
    use std::os::unix::ffi::OsStrExt;
    let host = host(&[]);
    let odd = host.root.join(std::ffi::OsStr::from_bytes(b"\xff.key"));
    fs::write(&odd, "").unwrap();
    let policy = Policy::default().read("..").hide(&odd);
    assert_eq!(
        host.resolve(&policy).decide(&Attempt::read(&odd)).verdict,
        Verdict::Deny
    );
    let pattern = Policy::default().read("..").hide_matching("../*.key");
    let ruleset = host.resolve(&pattern);
    assert!(
        ruleset
            .files()
            .anchors()
            .iter()
            .any(|anchor| anchor.path == odd && anchor.access == Access::Hide)
    );
}

#[test]
fn variables_pass_by_the_rule_with_the_most_literal_characters() {
    let host = host(&[]);
    let agent = Policy::preset(Preset::Agent);
    for (policy, name, verdict) in [
        (Policy::default(), "LANG", Verdict::Deny),
        (Policy::preset(Preset::None), "LANG", Verdict::Deny),
        (agent.clone(), "LANG", Verdict::Allow),
        (agent.clone(), "NPM_TOKEN", Verdict::Deny),
        (agent.clone().pass("*"), "NPM_TOKEN", Verdict::Deny),
        (agent.clone().pass("NPM_TOKEN"), "NPM_TOKEN", Verdict::Allow),
        (agent.clone().drop_variable("LANG"), "LANG", Verdict::Deny),
        (
            agent.clone().pass("A*").drop_variable("*A"),
            "AXA",
            Verdict::Deny,
        ),
        (Policy::preset(Preset::Strict), "LC_ALL", Verdict::Allow),
        (Policy::preset(Preset::Strict), "MY_VARIABLE", Verdict::Deny),
    ] {
        assert_eq!(
            host.resolve(&policy)
                .decide(&Attempt::variable(name))
                .verdict,
            verdict,
            "{name} {policy:?}"
        );
    }
}

#[test]
fn the_environment_inside_is_made_of_the_callers() {
    let host = host(&[]);
    let policy = Policy::default()
        .pass("A*")
        .set("B", "set")
        .drop_variable("AX*")
        .set("AXY", "1");
    let caller = [
        ("A", "1"),
        ("A", "2"),
        ("AX", "3"),
        ("B", "4"),
        ("C", "5"),
        ("", "6"),
        ("A=", "7"),
    ];
    let inside = host
        .resolve(&policy)
        .environment()
        .apply(caller.map(|(name, value)| (name.into(), value.into())));
    let expected =
        [("A", "1"), ("AXY", "1"), ("B", "set")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(inside, expected);
    insta::assert_snapshot!(host.problems(&Policy::default().set("A*", "x")).join("\n"), @"the program: the variable `A*` is a pattern, and only one name can be set");
}

#[test]
fn strict_reads_the_system_and_nothing_of_the_persons() {
    let host = host(&["h/notes"]);
    // The private `/tmp` would hold the temporary directory otherwise.
    let policy = Policy::preset(Preset::Strict).hide("/tmp");
    let ruleset = host.resolve(&policy);
    for (path, verdict) in [
        ("/usr/lib/x".into(), Verdict::Allow),
        ("/bin/sh".into(), Verdict::Allow),
        ("/etc/passwd".into(), Verdict::Allow),
        ("/etc/shadow".into(), Verdict::Deny),
        ("/var/lib/x".into(), Verdict::Deny),
        (host.root.join("h/notes"), Verdict::Deny),
        (host.root.join("w/x"), Verdict::Allow),
    ] {
        assert_eq!(
            ruleset.decide(&Attempt::read(&path)).verdict,
            verdict,
            "{path:?}"
        );
    }
}

#[test]
fn a_ruleset_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Ruleset>();
    shared::<Context>();
    shared::<Attempt>();
}

#[test]
fn a_ruleset_is_printed_rule_by_rule() {
    let host = host(&["link -> h"]);
    let policy = Policy::default()
        .write(".")
        .hide_matching("**/.env")
        .read("../link");
    let printed = host
        .resolve(&policy)
        .to_string()
        .replace(host.root.to_str().unwrap(), "@");
    insta::assert_snapshot!(printed, @r#"
    read    @/h  (`../link`, the program)
    write   @/w  (`.`, the program)
    hide    @/w  (`**/.env`, the program)
    "#);
}

#[test]
fn a_denial_by_a_table_says_why() {
    let host = host(&[]);
    let policy = Policy::preset(Preset::Agent);
    let ruleset = host.resolve(&policy);
    for (attempt, reason) in [
        (
            Attempt::read(host.root.join("h/.ssh/id")),
            "private keys, and which hosts they open",
        ),
        (
            Attempt::write(host.root.join("w/.git/hooks/x")),
            "git runs them",
        ),
        (Attempt::variable("NPM_TOKEN"), "access tokens"),
    ] {
        assert_eq!(
            ruleset.decide(&attempt).rule.unwrap().reason,
            Some(reason),
            "{attempt:?}"
        );
    }
}
