//! What each manager is configured to ask, and whose configuration counts.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::preset::destinations;
use crate::resolve::{Resolver, resolve};
use crate::ruleset::resolve_files;
use crate::{Context, Distrust, Policy, Ruleset};

/// A machine with a home, a project that the command may write, and files of its own.
struct Machine {
    _directory: TempDir,
    root: PathBuf,
    context: Context,
    policy: Policy,
}

impl Machine {
    fn new(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = resolve(directory.path()).unwrap().path;
        for name in ["home", "project", "etc"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        let mut context = Context::new(root.join("project"));
        context.home = Some(root.join("home"));
        for (name, value) in variables {
            let value = value.replace('@', root.to_str().unwrap());
            context.variables.insert(name.into(), value.into());
        }
        let policy = Policy::new().read("/").write(root.join("project"));
        let machine = Self {
            _directory: directory,
            root,
            context,
            policy,
        };
        for (path, text) in files {
            machine.write(path, text.as_bytes());
        }
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Each rule, and what of the configuration it comes from.
    fn rules(&self, preset: DestinationPreset) -> Vec<String> {
        let mut problems = Vec::new();
        let resolver = Resolver::default();
        let files = resolve_files(&self.policy, &self.context, &resolver, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let person = Person::new(&self.context, &files).with_root(&self.root);
        let rules = destinations::of(preset, Some(&person));
        rules
            .iter()
            .map(|rule| {
                let source = rule.source.to_string();
                let source = source.replace(&format!("{}/", self.root.display()), "");
                format!("{} ({source})", rule.text)
            })
            .collect()
    }
}

#[track_caller]
fn told(
    preset: DestinationPreset,
    files: &[(&str, &str)],
    variables: &[(&str, &str)],
    expected: &[&str],
) {
    let rules = Machine::new(files, variables).rules(preset);
    let about = format!(" (preset `{preset}`");
    let rules: Vec<_> = rules
        .iter()
        .map(|rule| rule.replace(&about, " ("))
        .collect();
    let rules: Vec<_> = rules.iter().map(|rule| rule.replace("(, ", "(")).collect();
    assert_eq!(rules, expected, "{files:?} {variables:?}");
}

#[test]
fn only_hosts_and_ports_of_addresses_are_kept() {
    for (address, expected) in [
        (
            "https://registry.example/npm/",
            Some("registry.example:443"),
        ),
        ("http://registry.example", Some("registry.example:80")),
        (
            "HTTPS://Registry.Example.:8443/x?y#z",
            Some("registry.example:8443"),
        ),
        (
            "https://ana:s3cret@registry.example/",
            Some("registry.example:443"),
        ),
        (
            "https://ana:s3cret@registry.example:1/",
            Some("registry.example:1"),
        ),
        ("sparse+https://index.example/", Some("index.example:443")),
        (
            "registry+ssh://git@index.example/x",
            Some("index.example:22"),
        ),
        ("git://index.example/x", Some("index.example:9418")),
        ("http://localhost:4873/", Some("localhost:4873")),
        ("http://127.1:4873/", Some("127.0.0.1:4873")),
        ("http://[::1]:4873/", Some("[::1]:4873")),
        ("ssh://git@[2001:db8::1]/", Some("[2001:db8::1]:22")),
        ("http://2130706433/", Some("127.0.0.1:80")),
        (
            "https://b\u{fc}cher.example/",
            Some("xn--bcher-kva.example:443"),
        ),
        ("file:///srv/mirror", None),
        ("cdrom:[Debian]/", None),
        ("/srv/mirror", None),
        ("direct", None),
        ("", None),
        ("https://", None),
        ("https://:443/", None),
        ("https://a b/", None),
        ("https://*.example/", None),
        ("https://*/", None),
        ("https://a.example:0/", None),
        ("https://a.example:99999/", None),
        ("https://${UNSET}/", None),
        ("javascript://a.example/", None),
    ] {
        let destination = destination(address).map(|pattern| pattern.to_string());
        assert_eq!(destination.as_deref(), expected, "{address}");
    }
}

#[test]
fn without_a_configuration_it_is_the_managers_own_domain() {
    use DestinationPreset::{Cargo, Debian, Go, Maven, Npm, Pip};
    for (preset, expected) in [
        (Npm, &["*.npmjs.org", "*.yarnpkg.com"][..]),
        (Pip, &["pypi.org", "*.pypi.org", "*.pythonhosted.org"]),
        (Cargo, &["*.crates.io"]),
        (Go, &["*.golang.org"]),
        (Maven, &["*.maven.apache.org", "*.maven.org"]),
        (Debian, &["*.debian.org"]),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|rule| format!("{rule} (preset `{preset}`)"))
            .collect();
        assert_eq!(Machine::new(&[], &[]).rules(preset), expected);
    }
}

#[test]
fn npm() {
    use DestinationPreset::Npm;
    let [own, yarns] = ["*.npmjs.org ()", "*.yarnpkg.com ()"];
    told(
        Npm,
        &[(
            "home/.npmrc",
            "; mine\nregistry = \"https://ana:s3cret@mirror.example/npm/\" ; theirs is slow\n\
             //mirror.example/npm/:_authToken=s3cret\n@shop:registry=http://localhost:4873\nfund=false\n",
        )],
        &[],
        &[
            "mirror.example:443 (`home/.npmrc`)",
            "localhost:4873 (`home/.npmrc`)",
        ],
    );
    told(
        Npm,
        &[("home/.npmrc", "@shop:registry=https://npm.shop.example\n")],
        &[],
        &["npm.shop.example:443 (`home/.npmrc`)", own, yarns],
    );
    // The person's file over the machine's, a variable over both.
    let files = [
        (
            "etc/npmrc",
            "registry=https://machine.example\n@a:registry=https://a.example\n",
        ),
        ("home/.npmrc", "registry=https://person.example\n"),
        ("other", "registry=https://other.example\n"),
    ];
    let machine = "a.example:443 (`etc/npmrc`)";
    for (variables, expected) in [
        (&[][..], "person.example:443 (`home/.npmrc`)"),
        (
            &[("npm_config_registry", "https://variable.example")],
            "variable.example:443 (`$npm_config_registry`)",
        ),
        (
            &[("NPM_CONFIG_REGISTRY", "https://variable.example")],
            "variable.example:443 (`$NPM_CONFIG_REGISTRY`)",
        ),
        (
            &[("NPM_CONFIG_USERCONFIG", "@/other")],
            "other.example:443 (`other`)",
        ),
        (
            &[("NPM_CONFIG_USERCONFIG", "other")],
            "person.example:443 (`home/.npmrc`)",
        ),
    ] {
        told(Npm, &files, variables, &[expected, machine]);
    }
    told(
        Npm,
        &[("home/.npmrc", "registry=https://${MIRROR}/npm\n")],
        &[("MIRROR", "mirror.example")],
        &["mirror.example:443 (`home/.npmrc`)"],
    );
    // What says nothing about where to go replaces all the same.
    for nothing in [
        "registry=file:///srv/npm",
        "registry=https://${MIRROR}",
        "registry=\0",
    ] {
        told(Npm, &[("home/.npmrc", nothing)], &[], &[]);
    }
    // What belongs to a section is no setting of npm's.
    told(
        Npm,
        &[("home/.npmrc", "[x]\nregistry=https://x.example\n")],
        &[],
        &[own, yarns],
    );
}

#[test]
fn pip() {
    use DestinationPreset::Pip;
    let conf = "home/.config/pip/pip.conf";
    told(
        Pip,
        &[(
            conf,
            "[global]\nindex-url = https://ana:s3cret@pypi.example/simple\nextra_index_url =\n    https://one.example/simple\n\
             \x20   # not this\n    https://two.example:8443/simple\ntrusted-host = three.example\n[download]\nfind-links = /srv/wheels https://wheels.example/\n",
        )],
        &[],
        &[
            "pypi.example:443 (`home/.config/pip/pip.conf`)",
            "wheels.example:443 (`home/.config/pip/pip.conf`)",
            "one.example:443 (`home/.config/pip/pip.conf`)",
            "two.example:8443 (`home/.config/pip/pip.conf`)",
        ],
    );
    let own = ["pypi.org ()", "*.pypi.org ()", "*.pythonhosted.org ()"];
    told(
        Pip,
        &[],
        &[(
            "PIP_EXTRA_INDEX_URL",
            "https://one.example/ https://two.example/",
        )],
        &[
            &[
                "one.example:443 (`$PIP_EXTRA_INDEX_URL`)",
                "two.example:443 (`$PIP_EXTRA_INDEX_URL`)",
            ][..],
            &own,
        ]
        .concat(),
    );
    // The nearest one holds.
    let files = [
        (
            "etc/pip.conf",
            "[global]\nindex-url = https://machine.example\n",
        ),
        (
            "home/.pip/pip.conf",
            "[global]\nindex-url = https://old.example\n",
        ),
        (conf, "[global]\nindex-url = https://person.example\n"),
        ("other", "[global]\nindex-url = https://other.example\n"),
        (
            "xdg/pip/pip.conf",
            "[global]\nindex-url = https://xdg.example\n",
        ),
    ];
    for (variables, expected) in [
        (&[][..], "person.example:443 (`home/.config/pip/pip.conf`)"),
        (
            &[("XDG_CONFIG_HOME", "@/xdg")],
            "xdg.example:443 (`xdg/pip/pip.conf`)",
        ),
        (
            &[("PIP_CONFIG_FILE", "@/other")],
            "other.example:443 (`other`)",
        ),
        (
            &[("PIP_CONFIG_FILE", "/dev/null")],
            "machine.example:443 (`etc/pip.conf`)",
        ),
        (
            &[("PIP_INDEX_URL", "http://10.1.2.3:3141/")],
            "10.1.2.3:3141 (`$PIP_INDEX_URL`)",
        ),
    ] {
        told(Pip, &files, variables, &[expected]);
    }
    told(
        Pip,
        &[(
            "home/.config/uv/uv.toml",
            "find-links = ['https://links.example']\n[[index]]\nurl = 'https://one.example'\n[[index]]\nurl = 'https://uv.example'\ndefault = true\n",
        )],
        &[("UV_INDEX", "inner=https://two.example")],
        &[
            "uv.example:443 (`home/.config/uv/uv.toml`)",
            "two.example:443 (`$UV_INDEX`)",
            "links.example:443 (`home/.config/uv/uv.toml`)",
            "one.example:443 (`home/.config/uv/uv.toml`)",
        ],
    );
}

#[test]
fn cargo() {
    use DestinationPreset::Cargo;
    let from = "(`home/.cargo/config.toml`)";
    let config = |text: &str, expected: &[&str]| {
        let expected: Vec<_> = expected
            .iter()
            .map(|rule| rule.replace("()", from))
            .collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        told(Cargo, &[("home/.cargo/config.toml", text)], &[], &expected);
    };
    config(
        "[source.crates-io]\nreplace-with = 'near'\n[source.near]\nreplace-with = 'nearer'\n\
         [source.nearer]\nregistry = 'sparse+https://ana:s3cret@mirror.example/index/'\n\
         [registries.own]\nindex = 'ssh://git@git.example/index.git'\ntoken = 's3cret'\n",
        &["mirror.example:443 ()", "git.example:22 ()"],
    );
    config(
        "source.crates-io.replace-with = 'own'\nregistries.own.index = 'sparse+http://localhost:8000/'\n",
        &["localhost:8000 ()"],
    );
    // A directory of sources, a name that nothing has, a loop.
    config(
        "[source.crates-io]\nreplace-with = 'here'\n[source.here]\ndirectory = 'vendor'\n",
        &[],
    );
    config("[source.crates-io]\nreplace-with = 'nowhere'\n", &[]);
    config("[source.crates-io]\nreplace-with = 'crates-io'\n", &[]);
    let own = "*.crates.io ()";
    told(
        Cargo,
        &[("home/.cargo/config.toml", "[source.crates-io\n")],
        &[],
        &[own],
    );
    told(
        Cargo,
        &[
            (
                "cargo/config",
                "[registries.a]\nindex = 'https://a.example'\n",
            ),
            (
                "cargo/config.toml",
                "[registries.b]\nindex = 'https://b.example'\n",
            ),
        ],
        &[
            ("CARGO_HOME", "@/cargo"),
            ("CARGO_REGISTRIES_OWN_INDEX", "sparse+https://own.example/"),
        ],
        &[
            "a.example:443 (`cargo/config`)",
            "own.example:443 (`$CARGO_REGISTRIES_OWN_INDEX`)",
            own,
        ],
    );
}

#[test]
fn go() {
    use DestinationPreset::Go;
    let own = "*.golang.org ()";
    told(
        Go,
        &[(
            "home/.config/go/env",
            "GOFLAGS=-mod=mod\nGOPROXY=https://ana:s3cret@goproxy.example|http://athens:3000,direct\nGOSUMDB=off\n",
        )],
        &[],
        &[
            "goproxy.example:443 (`home/.config/go/env`)",
            "athens:3000 (`home/.config/go/env`)",
        ],
    );
    let file = [
        ("home/.config/go/env", "GOPROXY=https://file.example\n"),
        ("other", "GOSUMDB=sum.example+key https://sums.example\n"),
    ];
    told(
        Go,
        &file,
        &[("GOPROXY", "https://variable.example")],
        &["variable.example:443 (`$GOPROXY`)"],
    );
    told(
        Go,
        &file,
        &[("GOENV", "@/other")],
        &["sums.example:443 (`other`)", own],
    );
    told(Go, &file, &[("GOENV", "off")], &[own]);
    told(Go, &[], &[("GOPROXY", "off")], &[]);
    told(Go, &[], &[("GOPROXY", "direct")], &[]);
    told(
        Go,
        &[],
        &[("GOSUMDB", "sum.example+033de0ae+Ac4z")],
        &["sum.example:443 (`$GOSUMDB`)", own],
    );
}

#[test]
fn maven() {
    use DestinationPreset::Maven;
    let own = ["*.maven.apache.org ()", "*.maven.org ()"];
    let from = |rule: &str| format!("{rule} (`home/.m2/settings.xml`)");
    let settings = |inner: &str, expected: &[String]| {
        let text = format!(
            "<?xml version='1.0'?>\n<settings xmlns='http://maven.apache.org/SETTINGS/1.2.0'>\n{inner}\n</settings>\n"
        );
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        told(
            Maven,
            &[("home/.m2/settings.xml", &text)],
            &[("NEXUS", "nexus.example")],
            &expected,
        );
    };
    settings(
        "<!-- <mirror><url>https://old.example</url><mirrorOf>*</mirrorOf></mirror> -->\n\
         <mirrors><mirror>\n<id>near</id><mirrorOf>external:*,!shop</mirrorOf><url>\n https://ana:s3cret@${env.NEXUS}/maven/ </url></mirror>\n\
         <mirror ><mirrorOf>other</mirrorOf><url>http://other.example:8081/</url></mirror>\n\
         <mirror><mirrorOf>external:http:*</mirrorOf><url>http://0.0.0.0/</url><blocked>true</blocked></mirror></mirrors>",
        &[from("nexus.example:443"), from("other.example:8081")],
    );
    settings(
        "<profiles><profile><repositories><repository><id>shop</id><url>https://shop.example/m2</url></repository></repositories>\
         <pluginRepositories><pluginRepository><id>p</id><url>https://plugins.example</url></pluginRepository></pluginRepositories></profile></profiles>",
        &[
            vec![from("shop.example:443"), from("plugins.example:443")],
            own.map(str::to_owned).to_vec(),
        ]
        .concat(),
    );
    settings(
        "<repositories><repository><id>central</id><url>https://central.example</url></repository></repositories>",
        &[from("central.example:443")],
    );
    // What is not whole is none.
    for broken in [
        "<mirror><url>https://a.example",
        "<!-- <mirror>",
        "<mirror><mirrorOf>*,!central</mirrorOf></mirror>",
    ] {
        settings(broken, &own.map(str::to_owned));
    }
}

#[test]
fn debian() {
    use DestinationPreset::Debian;
    told(
        Debian,
        &[
            (
                "etc/apt/sources.list",
                "# deb http://old.example/ x\ndeb [arch=amd64 signed-by=/k.gpg] http://deb.example/debian bookworm main # near\ndeb-src ftp://src.example/debian bookworm main\ndeb cdrom:[Debian 12]/ bookworm main\n",
            ),
            (
                "etc/apt/sources.list.d/b.sources",
                "Types: deb\nURIs: mirror+https://lists.example/m\n https://two.example\nSuites: bookworm\n\n# off\nTypes: deb\nEnabled: no\nURIs: https://disabled.example\n\nuris: https://last.example:444/\n",
            ),
            (
                "etc/apt/sources.list.d/a.list",
                "deb\thttps://first.example stable main\ndebug https://no.example\n",
            ),
            (
                "etc/apt/sources.list.d/c.list.disabled",
                "deb https://no.example stable main\n",
            ),
        ],
        &[],
        &[
            "deb.example:80 (`etc/apt/sources.list`)",
            "src.example:21 (`etc/apt/sources.list`)",
            "first.example:443 (`etc/apt/sources.list.d/a.list`)",
            "lists.example:443 (`etc/apt/sources.list.d/b.sources`)",
            "two.example:443 (`etc/apt/sources.list.d/b.sources`)",
            "last.example:444 (`etc/apt/sources.list.d/b.sources`)",
        ],
    );
}

/// A file that a command could have written, or that is none, says nothing.
#[test]
fn hostile_files_say_nothing() {
    use DestinationPreset::Npm;
    const SAYS: &[u8] = b"registry=https://evil.example\n";
    let own = ["*.npmjs.org (preset `npm`)", "*.yarnpkg.com (preset `npm`)"];
    let machine = || Machine::new(&[], &[]);
    let expects = |machine: &Machine, expected: &[&str], what: &str| {
        assert_eq!(machine.rules(Npm), expected, "{what}");
    };

    // The controls: a file, and one that a link of the person's leads to.
    let control = machine();
    control.write("home/.npmrc", SAYS);
    let evil = ["evil.example:443 (preset `npm`, `home/.npmrc`)"];
    expects(&control, &evil, "control");
    fs::rename(control.at("home/.npmrc"), control.at("home/dotfile")).unwrap();
    symlink("dotfile", control.at("home/.npmrc")).unwrap();
    expects(&control, &evil, "a link");

    let project = machine();
    project.write("project/.npmrc", SAYS);
    expects(&project, &own, "the project's");

    let linked = machine();
    linked.write("project/npmrc", SAYS);
    symlink(linked.at("project/npmrc"), linked.at("home/.npmrc")).unwrap();
    expects(&linked, &own, "in a writable tree, behind a link");

    let turned = machine();
    turned.write("home/npmrc", SAYS);
    symlink(turned.at("home/npmrc"), turned.at("project/link")).unwrap();
    symlink(turned.at("project/link"), turned.at("home/.npmrc")).unwrap();
    expects(&turned, &own, "a link in a writable tree on the way");

    let mut writable = machine();
    writable.write("home/.npmrc", SAYS);
    writable.policy = writable.policy.clone().write(writable.at("home"));
    expects(&writable, &own, "a writable home");
    writable.policy = writable.policy.clone().read(writable.at("home/.npmrc"));
    expects(
        &writable,
        &own,
        "read-only in a directory that can be renamed",
    );

    let mut named = machine();
    named.write("project/mine", SAYS);
    let mine = named.at("project/mine").into_os_string();
    named
        .context
        .variables
        .insert("npm_config_userconfig".into(), mine);
    expects(&named, &own, "named by a variable, in a writable tree");

    let twice = machine();
    twice.write("project/mine", SAYS);
    fs::hard_link(twice.at("project/mine"), twice.at("home/.npmrc")).unwrap();
    expects(&twice, &own, "under a second name");

    let huge = machine();
    huge.write("home/.npmrc", &[SAYS, &vec![b'#'; 1 << 20]].concat());
    expects(&huge, &own, "huge");

    let binary = machine();
    binary.write("home/.npmrc", &[SAYS, &[0xff, 0xfe, 0]].concat());
    expects(&binary, &own, "no text");

    let directory = machine();
    fs::create_dir(directory.at("home/.npmrc")).unwrap();
    expects(&directory, &own, "a directory");

    let fifo = machine();
    let made = Command::new("mkfifo").arg(fifo.at("home/.npmrc")).status();
    assert!(made.unwrap().success());
    expects(&fifo, &own, "a FIFO");

    let device = machine();
    symlink("/dev/zero", device.at("home/.npmrc")).unwrap();
    expects(&device, &own, "a device");

    let turning = machine();
    symlink(".npmrc", turning.at("home/.npmrc")).unwrap();
    expects(&turning, &own, "a loop");
}

#[test]
fn a_layer_that_is_not_trusted_opens_no_registry() {
    let machine = Machine::new(&[("home/.npmrc", "registry=https://mirror.example\n")], &[]);
    let npm = || Policy::new().allow_preset(DestinationPreset::Npm);
    let (base, home) = (machine.policy.clone(), machine.at("home"));
    let resolve = |base: Policy, later: Policy| {
        let policy = base.layer_untrusted(later, "sandbox.toml", Distrust::Unapproved);
        Ruleset::resolve(&policy, &machine.context).map_err(|errors| errors.to_string())
    };
    let widens = "`mirror.example:443` would be `allow` instead of `deny`";
    let refused = |result: Result<Ruleset, String>| result.unwrap_err().contains(widens);
    assert!(refused(resolve(base.clone(), npm())));
    // One that narrows what the command may write, and has a file that it could have written read.
    let writable = base.clone().write(&home).layer(npm());
    assert!(refused(resolve(
        writable.clone(),
        Policy::new().read(&home)
    )));
    // The controls.
    resolve(base.clone().layer(npm()), npm()).unwrap();
    resolve(writable, Policy::new().hide(home.join("x"))).unwrap();

    // Rules that change while a command runs are read under the rules about files that hold.
    let ruleset = Ruleset::resolve(&base, &machine.context).unwrap();
    let updated = ruleset
        .with_network(&base.layer(npm()), &machine.context)
        .unwrap();
    let mut rules = updated.network_rules().iter();
    assert!(rules.any(|rule| rule.text() == "mirror.example:443"));
}

/// Whatever a file says: what becomes of it is a host and a port, and no secret of it.
#[test]
fn no_text_shows_a_secret_or_makes_a_reader_panic() {
    use proptest::prelude::*;
    let places = [
        (DestinationPreset::Npm, "home/.npmrc"),
        (DestinationPreset::Pip, "home/.config/pip/pip.conf"),
        (DestinationPreset::Cargo, "home/.cargo/config.toml"),
        (DestinationPreset::Go, "home/.config/go/env"),
        (DestinationPreset::Maven, "home/.m2/settings.xml"),
        (
            DestinationPreset::Debian,
            "etc/apt/sources.list.d/x.sources",
        ),
        (DestinationPreset::Debian, "etc/apt/sources.list"),
    ];
    let words = prop::sample::select(vec![
        "registry",
        "@a:registry",
        "index-url",
        "extra-index-url",
        "[global]",
        "[source.crates-io]",
        "replace-with",
        "[source.x]",
        "GOPROXY",
        "GOSUMDB",
        "<mirror>",
        "</mirror>",
        "<url>",
        "</url>",
        "<mirrorOf>*</mirrorOf>",
        "<!--",
        "-->",
        "deb ",
        "[x",
        "]",
        "URIs:",
        "Enabled: no",
        "=",
        "= ",
        "\n",
        "\n ",
        "\n\n",
        "'",
        "\"",
        ",",
        "|",
        "${",
        "}",
        "${env.X}",
        "https://u:s3cret@a.example",
        "sparse+https://s3cret@b.example:1/x",
        "'https://s3cret:x@[::1]/'",
        "http://",
        "é",
        "\u{0}",
    ]);
    let text = prop::collection::vec(words, 0..30).prop_map(|words| words.concat());
    proptest!(ProptestConfig::with_cases(64), |(text in text)| {
        for (preset, place) in places {
            let machine = Machine::new(&[(place, &text)], &[]);
            for rule in machine.rules(preset) {
                prop_assert!(!rule.contains("s3cret") && !rule.contains(char::is_control), "{rule}");
            }
        }
    });
}
