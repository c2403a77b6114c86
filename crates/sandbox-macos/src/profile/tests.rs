//! Profiles, judged by what they decide.

mod answers;
mod judge;
mod moves;
mod presets;
mod random;
mod size;

use std::path::{Path, PathBuf};

use sandbox_core::{Context, Imported, MacOption, Network, Policy, Ruleset};

use seatbelt::{Answer, Query, VnodeType};

use self::judge::Judge;
use super::{Facts, Profile, ProfileError};

/// A home with a workspace in it.
struct Home {
    _directory: tempfile::TempDir,
    path: PathBuf,
    context: Context,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("sandbox-test-")
            .tempdir_in("/var/tmp")
            .unwrap();
        let home = sandbox_core::resolve(directory.path()).unwrap().path;
        for path in ["w/sub/.git/hooks", "w/d", "other", ".ssh"] {
            std::fs::create_dir_all(home.join(path)).unwrap();
        }
        let mut context = Context::new(home.join("w"));
        context.home = Some(home.clone());
        context.homes = vec![home.clone()];
        Self {
            _directory: directory,
            path: home,
            context,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    fn ruleset(&self, policy: &Policy) -> Ruleset {
        Ruleset::resolve(policy, &self.context).unwrap()
    }

    fn judge(&self, policy: &Policy) -> Judge {
        let facts = Facts {
            gateway: vec![3128],
            temporary: None,
            tag: None,
        };
        Judge::new(&Profile::compile(&self.ruleset(policy), &facts).unwrap())
    }

    fn settings(&self, text: &str) -> Judge {
        self.judge(&Imported::from_settings(text, None).unwrap().policy)
    }
}

fn workspace() -> Policy {
    Policy::default().read("/").write(".")
}

const MOVES: [&str; 2] = ["file-write-unlink", "file-write-create"];

#[test]
fn other_spellings_are_denied_alike() {
    let home = Home::new();
    std::fs::write(home.path("w/d/\u{e9}t\u{e9}"), "").unwrap();
    let judge = home.judge(&workspace().hide("d/\u{e9}t\u{e9}").read("d/Ro"));
    for path in [
        "w/d/e\u{301}te\u{301}",
        "w/D/\u{c9}T\u{e9}",
        "w/d/\u{e9}t\u{e9}/below",
    ] {
        judge.denies("file-read-data", &home.path(path));
    }
    let firmlink = PathBuf::from(format!(
        "/System/Volumes/Data{}",
        home.path("w/d/\u{e9}t\u{e9}").display()
    ));
    judge.denies("file-read-data", &firmlink);
    judge.allows("file-read-data", &home.path("w/d/ete"));
    // Letters of old: the kernel asks by the spelling that was looked up.
    let hidden = home.judge(&workspace().hide("../.ssh").read("../other/\u{fb01}n"));
    for path in [".\u{17f}\u{17f}h/id", ".s\u{200b}sh/id", ".SSH/id"] {
        hidden.denies("file-read-data", &home.path(path));
    }
    for path in [
        "other/\u{fb01}n/a",
        "w/\u{1f468}\u{200d}\u{1f469}",
        "w/stra\u{df}e",
    ] {
        hidden.allows("file-read-data", &home.path(path));
    }
    home.judge(&workspace())
        .allows("file-read-data", &home.path(".\u{17f}\u{17f}h/id"));
    for path in [
        "w/d/rO",
        "w/.VSCODE/x",
        "w/.Git/Hooks/x",
        "w/.g\u{200c}it/config",
        "w/.hu\u{17f}ky",
        "w/.con\u{fb01}g/fish/x",
        "w/.vscode.",
        "w/GIT~1/config",
    ] {
        for operation in ["file-write-data", "file-write-create", "file-write-unlink"] {
            judge.denies(operation, &home.path(path));
        }
    }
    for path in [
        "w/d/row",
        "w/\u{1f468}\u{200d}\u{1f469}",
        "w/stra\u{df}e",
        "w/README.md.~1~",
        "w/vscode",
    ] {
        judge.allows("file-write-data", &home.path(path));
    }
}

#[test]
fn links_of_the_root_directory_are_two_ways_to_one_place() {
    let home = Home::new();
    let judge = home.judge(
        &Policy::default()
            .read("/")
            .hide("/etc/key")
            .write("/tmp")
            .hide("/tmp/no"),
    );
    for path in [
        "/etc/key",
        "/private/etc/key/x",
        "/tmp/no",
        "/private/tmp/no",
        "/System/Volumes/Data/private/tmp/no",
    ] {
        judge.denies("file-read-data", Path::new(path));
    }
    for path in ["/tmp/a", "/private/tmp/a"] {
        judge.allows("file-write-data", Path::new(path));
    }
    judge.denies("file-write-data", Path::new("/private/etc/a"));
    judge.allows("file-read-data", Path::new("/private/etc/a"));
}

#[test]
fn rules_in_different_spellings_are_about_one_place() {
    let home = Home::new();
    for (open, shut, asked) in [
        ("/var/tmp", "/private/var/tmp/no", "/var/tmp/no"),
        ("/usr/share", "/usr/SHARE/no", "/usr/share/no"),
    ] {
        let policy = Policy::default().read("/").write(open).read(shut);
        let judge = home.judge(&policy);
        judge.denies("file-write-data", Path::new(asked));
        judge.allows("file-write-data", &Path::new(open).join("a"));
    }
}

#[test]
fn a_bundle_is_a_directory_like_any_other() {
    let home = Home::new();
    for path in ["w/A.app/Contents/MacOS", "Applications"] {
        std::fs::create_dir_all(home.path(path)).unwrap();
    }
    let judge = home.judge(
        &workspace()
            .read("A.app")
            .hide("A.app/Contents/key")
            .hide("../Applications"),
    );
    for operation in MOVES.into_iter().chain(["file-write-data"]) {
        judge.denies(operation, &home.path("w/A.app/Contents/MacOS/a"));
        judge.denies(operation, &home.path("w/A.app"));
    }
    let program = home.path("w/A.app/Contents/MacOS/a");
    for operation in ["file-read-data", "process-exec", "file-map-executable"] {
        judge.allows(operation, &program);
        judge.denies(operation, &home.path("w/A.app/Contents/key"));
        judge.denies(operation, &home.path("Applications/B.app/Contents/MacOS/b"));
    }
    judge.allows("file-write-data", &home.path("w/A.appx/Contents"));
}

#[test]
fn what_a_rule_names_is_open_and_nothing_beside_it() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("w/.vscode/x")).unwrap();
    std::fs::create_dir_all(home.path("w/.cargo")).unwrap();
    let judge = home.judge(&workspace().write(".vscode").write(".cargo"));
    for path in ["w/.vscode/settings.json", "w/.vscode", "w/.cargo/registry"] {
        judge.allows("file-write-data", &home.path(path));
    }
    for path in [
        "w/sub/.vscode/settings.json",
        "w/.vscode/.envrc",
        "w/.vscode/x/.vscode/a",
        "w/.vscode/.git/hooks/a",
        "w/.cargo/config.toml",
        "w/.cargo/x/.cargo/config",
        "w/.idea/x",
    ] {
        judge.denies("file-write-data", &home.path(path));
    }
}

/// Nor is it made a link, which the same rule would follow the next time.
#[test]
fn what_is_not_there_is_made_where_a_directory_can_only_be_read() {
    use VnodeType::{Directory, RegularFile, Symlink};
    let home = Home::new();
    let policy = workspace()
        .write_if_exists("../other/new")
        .write_if_exists("../other/part")
        .read("../other/part/keep")
        .write_matching("../other/**/*.ts");
    let text = Profile::compile(&home.ruleset(&policy), &Facts::default()).unwrap();
    let profile = seatbelt::Profile::parse(&text.to_string()).unwrap();
    let allows = |operation: &str, path: &str, kind: VnodeType| {
        let path = home.path(path);
        let query = Query::path(path.as_os_str().as_encoded_bytes()).of(kind);
        profile.decide(operation, &query) == Answer::Allow
    };

    for (operation, path, kind, is_allowed) in [
        ("file-write-create", "other/new", Directory, true),
        ("file-write-create", "other/new", RegularFile, true),
        ("file-write-create", "other/new", Symlink, false),
        ("file-write-create", "other/part", Directory, false),
        ("file-write-unlink", "other/new", Directory, false),
        ("file-write-create", "other/new/x", Symlink, true),
        ("file-write-unlink", "other/new/x", RegularFile, true),
        ("file-write-create", "other/a/b.ts", RegularFile, true),
        ("file-write-create", "other/a/b.js", RegularFile, false),
        ("file-write-create", "other/newer", Directory, false),
        ("file-write-create", "other", Directory, false),
    ] {
        assert_eq!(
            allows(operation, path, kind),
            is_allowed,
            "{operation} {path} {kind:?}"
        );
    }
}

#[test]
fn dependencies_bring_settings_of_their_own() {
    let home = Home::new();
    let judge = home.judge(&workspace());
    for path in ["w/node_modules/x/.vscode/a", "w/a/vendor/b/.npmrc"] {
        judge.allows("file-write-data", &home.path(path));
    }
    for path in [
        "w/node_modules/x/.git/hooks/a",
        "w/.vscode/node_modules/a",
        "w/.vscode/a/vendor/.idea/b",
        "w/node_modulesx/.vscode/a",
    ] {
        judge.denies("file-write-data", &home.path(path));
    }
}

#[test]
fn hidden_directories_show_the_way_to_what_is_not() {
    let home = Home::new();
    let judge = home.judge(&Policy::default().hide("/").read("."));
    judge.allows("file-read-data", &home.path("w/x"));
    judge.allows("file-read-metadata", &home.path);
    judge.denies("file-read-data", &home.path);
    judge.denies("file-read-metadata", &home.path("other"));
    // What no program starts without.
    judge.allows("file-read-data", Path::new("/usr/lib/dyld"));
    judge.allows(
        "file-map-executable",
        Path::new("/System/Library/Frameworks/A"),
    );
    judge.denies("file-read-data", Path::new("/usr/share/x"));
}

#[test]
fn what_programs_start_with_is_there_whatever_is_hidden() {
    let home = Home::new();
    let judge = home.judge(&Policy::default().hide("/").write("."));
    for path in ["/private/var/select/sh", "/usr/lib/dyld", "/dev/fd/63"] {
        judge.allows("file-read-data", Path::new(path));
    }
    judge.allows("file-read-metadata", Path::new("/private/etc/localtime"));
    // Shells give programs these to write to.
    for path in ["/dev/fd/63", "/dev/stdout", "/dev/stderr"] {
        judge.allows("file-write-data", Path::new(path));
    }
    judge.is("sysctl-read", "name:sysctl.proc_translated", true);
    // The controls.
    judge.denies("file-read-data", Path::new("/private/etc/localtime"));
    judge.denies("file-read-data", Path::new("/private/var/db/x"));
    judge.denies("file-write-create", Path::new("/dev/fd/63"));
    judge.denies("file-write-data", Path::new("/dev/disk0"));
    judge.is("sysctl-read", "name:kern.procargs2", false);
}

#[test]
fn the_network_is_the_gateway_and_what_is_named() {
    let home = Home::new();
    let judge = home.judge(
        &workspace()
            .allow("example.com")
            .allow("localhost:5432")
            .publish("3000"),
    );
    for address in ["localhost:3128", "localhost:5432"] {
        judge.is("network-outbound", &format!("remote:{address}"), true);
    }
    for address in [
        "localhost:22",
        "203.0.113.5:443",
        "203.0.113.5:3128",
        "*:53",
    ] {
        judge.is("network-outbound", &format!("remote:{address}"), false);
    }
    for operation in ["network-bind", "network-inbound"] {
        judge.is(operation, "local:localhost:3000", true);
        judge.is(operation, "local:localhost:3001", false);
        judge.is(operation, "local:*:3000", false);
    }
    let none = home.judge(&workspace());
    none.is("network-outbound", "remote:localhost:3128", false);
    let host = home.judge(&workspace().network(Network::Host));
    host.is("network-outbound", "remote:203.0.113.5:443", true);
}

#[test]
fn a_port_of_the_loopback_that_a_rule_denies_is_not_opened_by_another_one() {
    let home = Home::new();
    for denied in ["localhost:5001", "127.0.0.1:5001", "[::1]:5001"] {
        let judge = home.judge(&workspace().allow("localhost:5000-5002").deny(denied));
        for (port, is_allowed) in [(5000, true), (5001, false), (5002, true), (5003, false)] {
            let address = format!("remote:localhost:{port}");
            judge.is("network-outbound", &address, is_allowed);
        }
    }
    // One of the addresses is enough.
    let judge = home.judge(&workspace().allow("127.0.0.1:5000"));
    judge.is("network-outbound", "remote:localhost:5000", true);
    // Many are not written out: the gateway decides about them.
    let judge = home.judge(&workspace().allow("localhost:5000-5999"));
    judge.is("network-outbound", "remote:localhost:5000", false);
    judge.is("network-outbound", "remote:localhost:3128", true);
}

#[test]
fn a_published_port_is_the_one_that_the_command_binds() {
    let home = Home::new();
    for port in ["8080:3000", "0:3000"] {
        let ruleset = home.ruleset(&workspace().publish(port));
        let error = Profile::compile(&ruleset, &Facts::default()).unwrap_err();
        assert!(matches!(error, ProfileError::Published { .. }), "{error}");
        assert!(error.remedy().is_some());
    }
    home.judge(&workspace().publish("3000:3000"));
}

#[test]
fn sockets_are_reached_where_they_may_be_written() {
    let home = Home::new();
    let judge = home.judge(&workspace().hide("d"));
    let socket = |path: &Path| format!("unix:{}", path.display());
    judge.is("network-outbound", &socket(&home.path("w/s")), true);
    judge.is("network-outbound", &socket(&home.path("w/d/s")), false);
    judge.is("network-outbound", "unix:/var/run/docker.sock", false);
    judge.is("network-bind", &socket(&home.path("w/s")), true);
    let text = r#"{"network": {"allowedDomains": [], "deniedDomains": [], "allowUnixSockets": ["/usr/s"]},
        "filesystem": {"denyRead": [], "allowWrite": ["."], "denyWrite": []}}"#;
    let named = home.settings(text);
    named.is("network-outbound", "unix:/usr/s", true);
    named.is("network-outbound", &socket(&home.path("w/s")), false);
}

#[test]
fn options_are_off_until_they_are_written() {
    let home = Home::new();
    let settings = |more: &str| {
        format!(
            r#"{{"network": {{"allowedDomains": [], "deniedDomains": []{more}, "filesystem": {{"denyRead": [], "allowWrite": ["."], "denyWrite": []}}}}"#
        )
    };
    let off = home.settings(&settings("}"));
    let options = r#", "allowMachLookup": ["com.a.b", "org.c.*"]}, "enableWeakerNetworkIsolation": true, "allowAppleEvents": true, "allowPty": true"#;
    let on = home.settings(&settings(options));
    for (operation, target) in [
        ("mach-lookup", "name:com.apple.trustd.agent"),
        ("mach-lookup", "name:com.apple.coreservices.appleevents"),
        ("mach-lookup", "name:com.a.b"),
        ("mach-lookup", "name:org.c.d"),
        ("appleevent-send", ""),
        ("lsopen", ""),
        ("pseudo-tty", ""),
        ("file-ioctl", "path:/dev/ptmx"),
    ] {
        off.is(operation, target, false);
        on.is(operation, target, true);
    }
    on.is("mach-lookup", "name:com.a.bc", false);
    // The same in our own words, each for itself.
    let own = [
        (
            MacOption::Trustd,
            "mach-lookup",
            "name:com.apple.trustd.agent",
        ),
        (MacOption::AppleEvents, "appleevent-send", ""),
        (MacOption::Open, "lsopen", ""),
        (MacOption::Pty, "pseudo-tty", ""),
        (MacOption::Pty, "file-write-data", "path:/dev/ttys003"),
    ];
    for (option, ..) in own {
        let judge = home.judge(&workspace().macos(option));
        for (other, operation, target) in own {
            judge.is(operation, target, other == option);
        }
    }
    let asked = home.judge(&workspace().mach_lookup("com.a.b").mach_lookup("org.c.*"));
    asked.is("mach-lookup", "name:com.a.b", true);
    asked.is("mach-lookup", "name:org.c.d", true);
    asked.is("mach-lookup", "name:com.a.bc", false);
    for name in ["*", "a*b", ""] {
        let text = settings(&format!(r#", "allowMachLookup": ["{name}"]}}"#));
        let policy = Imported::from_settings(&text, None).unwrap().policy;
        let error = Profile::compile(&home.ruleset(&policy), &Facts::default()).unwrap_err();
        assert!(
            matches!(error, ProfileError::Service { .. }),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_secret_that_is_there_is_hidden_under_settings_too() {
    let home = Home::new();
    let text = r#"{"network": {"allowedDomains": [], "deniedDomains": []}, "filesystem": {"denyRead": [], "allowWrite": ["."], "denyWrite": []}}"#;
    let judge = home.settings(text);
    judge.denies("file-read-data", &home.path(".ssh/id"));
    judge.allows("file-read-data", &home.path(".aws/credentials"));
    // The control, and what a policy of our own says.
    judge.allows("file-read-data", &home.path("other/id"));
    let own = home.judge(&Policy::preset(sandbox_core::Preset::Agent).read(&home.path));
    own.denies("file-read-data", &home.path(".aws/credentials"));
    own.allows("file-read-data", &home.path("other/id"));
}

#[test]
fn what_a_profile_cannot_say_is_refused_with_its_remedy() {
    let home = Home::new();
    std::fs::create_dir(home.path("w/\u{1b}[2J")).unwrap();
    let compile = |policy: &Policy| {
        let error = Profile::compile(&home.ruleset(policy), &Facts::default()).unwrap_err();
        let message = error
            .to_string()
            .replace(home.path.to_str().unwrap(), "HOME");
        format!("{message}\n{}", error.remedy().unwrap())
    };
    let services = r#"{"network": {"allowedDomains": [], "deniedDomains": [], "allowMachLookup": ["a*b"]},
        "filesystem": {"denyRead": [], "allowWrite": ["."], "denyWrite": []}}"#;
    let all = [
        workspace().scratch("d"),
        workspace().overlay("d"),
        workspace().hide("\u{1b}[2J"),
        workspace().hide(format!("d/{}", "a".repeat(255))),
        Policy::default().read("/").write_matching("d/[!-]x"),
        Imported::from_settings(services, None).unwrap().policy,
    ];
    let all = all.map(|policy| compile(&policy)).join("\n");
    insta::assert_snapshot!(all.replace(&"a".repeat(255), "aaa"), @r"
    macOS has no `scratch` for `HOME/w/d` (the program)
    grant `write` there, or leave the rule out: the variable `TMPDIR` names a private directory
    macOS has no `overlay` for `HOME/w/d` (the program)
    grant `write` there, or `read`
    `HOME/w/\u{1b}[2J` has a character that a profile cannot show (the program)
    write the rule about a directory above it
    `HOME/w/d/aaa` is too long for a profile (the program)
    write the rule about a directory above it
    the pattern `HOME/w/d/[!-]x` cannot be said in a profile (the program)
    write a class without `-`, `]`, `[`, `^` and `\`
    `a*b` names no service of macOS (line 1:77, `network.allowMachLookup`)
    write the whole name, or its beginning with one `*` at the end
    ");
}

#[test]
fn a_tag_is_in_whatever_denies_and_changes_no_answer() {
    let home = Home::new();
    let policy = Policy::preset(sandbox_core::Preset::Agent).hide("secret");
    let ruleset = home.ruleset(&policy.read_matching("**/*.lock"));
    let mut facts = Facts::default();
    let plain = Profile::compile(&ruleset, &facts).unwrap().to_string();
    let tag = crate::Tag::random().unwrap();
    facts.tag = Some(tag.clone());
    let tagged = Profile::compile(&ruleset, &facts).unwrap().to_string();
    let message = format!(" (with message \"{}\")", tag.as_str());
    assert_eq!(tagged.replace(&message, ""), plain);
    let denials = plain.lines().filter(|line| line.starts_with("(deny "));
    assert_eq!(tagged.matches(&message).count(), denials.count());
    seatbelt::Profile::parse(&tagged).unwrap();
}
