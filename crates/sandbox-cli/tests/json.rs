//! What a machine reads: every answer is one of the published schema, and the schema, the page and the program have the same
//! words.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's way to fail is to panic"
)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use sandbox_testing::{Host, Server};
use serde_json::{Map, Value};

const SCHEMA: &str = include_str!("../../../docs/json.schema.json");
const PAGE: &str = include_str!("../../../docs/json.md");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// Holds documents against the schema, and remembers which properties they had. The published schema lets fields be added;
/// a field that it does not name is an error here.
struct Check {
    root: Value,
    seen: BTreeSet<String>,
}

impl Check {
    fn new() -> Self {
        Self {
            root: schema(),
            seen: BTreeSet::new(),
        }
    }

    /// One answer of a kind.
    fn answer(&mut self, kind: &str, text: &str) {
        let document: Value = serde_json::from_str(text).unwrap();
        let at = format!("/$defs/{kind}");
        let seen = self.fits(&at, &document);
        self.seen
            .extend(seen.unwrap_or_else(|why| panic!("{kind}: {why}\n{text}")));
    }

    /// The same of several.
    fn lines(&mut self, kind: &str, lines: &[String]) {
        for line in lines {
            self.answer(kind, line);
        }
    }

    /// The properties that were met, or what does not fit.
    fn fits(&self, at: &str, document: &Value) -> Result<BTreeSet<String>, String> {
        let schema = self.root.pointer(at).unwrap();
        let mut seen = BTreeSet::new();
        for (keyword, value) in schema.as_object().unwrap() {
            let is_fit = match keyword.as_str() {
                "description" => value.is_string(),
                "const" => document == value,
                "enum" => value.as_array().unwrap().contains(document),
                "minimum" => document.as_i64().unwrap() >= value.as_i64().unwrap(),
                "maximum" => document.as_i64().unwrap() <= value.as_i64().unwrap(),
                "type" => match value.as_str().unwrap() {
                    "object" => document.is_object(),
                    "array" => document.is_array(),
                    "string" => document.is_string(),
                    "boolean" => document.is_boolean(),
                    "integer" => document.is_i64() || document.is_u64(),
                    "number" => document.is_number(),
                    "null" => document.is_null(),
                    other => panic!("{other}"),
                },
                "$ref" => {
                    let to = value.as_str().unwrap().trim_start_matches('#');
                    seen.extend(self.fits(to, document)?);
                    true
                }
                "anyOf" => {
                    let ways = 0..value.as_array().unwrap().len();
                    let mut fits =
                        ways.map(|way| self.fits(&format!("{at}/anyOf/{way}"), document));
                    let fit = fits.find_map(Result::ok);
                    let is_fit = fit.is_some();
                    seen.extend(fit.into_iter().flatten());
                    is_fit
                }
                "items" => {
                    for item in document.as_array().into_iter().flatten() {
                        seen.extend(self.fits(&format!("{at}/items"), item)?);
                    }
                    true
                }
                "required" => {
                    let mut keys = value.as_array().unwrap().iter();
                    keys.all(|key| document.get(key.as_str().unwrap()).is_some())
                }
                "properties" => {
                    let known = value.as_object().unwrap();
                    seen.extend(self.object(at, known, document)?);
                    true
                }
                "patternProperties" => {
                    let expected = serde_json::json!({"_bytes$": {"$ref": "#/$defs/bytes"}});
                    assert_eq!(*value, expected);
                    true
                }
                other => panic!("the schema has a keyword that the test does not know: {other}"),
            };
            if !is_fit {
                return Err(format!("{at}/{keyword}: {document}"));
            }
        }
        Ok(seen)
    }

    fn object(
        &self,
        at: &str,
        known: &Map<String, Value>,
        document: &Value,
    ) -> Result<BTreeSet<String>, String> {
        let mut seen = BTreeSet::new();
        for (key, inner) in document.as_object().into_iter().flatten() {
            if known.contains_key(key) {
                seen.insert(format!("{at}/{key}"));
                seen.extend(self.fits(&format!("{at}/properties/{key}"), inner)?);
            } else if key.ends_with("_bytes")
                && self
                    .root
                    .pointer(at)
                    .unwrap()
                    .get("patternProperties")
                    .is_some()
            {
                seen.extend(self.fits("/$defs/bytes", inner)?);
            } else {
                return Err(format!("{at}: `{key}` is not in the schema"));
            }
        }
        Ok(seen)
    }
}

const SETTINGS: &str = r#"{
    "network": {"allowedDomains": [], "deniedDomains": []},
    "filesystem": {"denyRead": ["a"], "allowWrite": ["."], "denyWrite": []}
}"#;

const POLICY: &str = "\
extends = [\"agent\"]
[files]
\"@outside\" = \"write\"
\"@outside/**/*.pem\" = \"hide\"
\"~/.ssh\" = \"read\"
\"./a\" = \"read\"
[environment]
NPM_TOKEN = \"pass\"
CI = { set = \"1\" }
[network]
default = \"host\"
[network.rules]
\"a.example.com\" = \"allow\"
[limits]
time = \"10m\"
[system]
perf = \"allow\"
[system.macos]
pty = \"allow\"
mach-lookup = [\"com.example.a\"]
";

const NETWORK: &str = "\
extends = [\"agent\"]
[network]
publish = [\"3000\"]
upstream = \"http://127.0.0.1:3128\"
[network.rules]
\"*.example.com\" = { access = \"deny\", reason = \"why\" }
\"a.example.com\" = \"allow\"
";

#[test]
fn every_answer_fits_the_schema_and_all_of_the_schema_is_answered() {
    let host = Host::new()
        .file("@outside/a.pem", "")
        .file("a", "")
        .symlink("loop", "loop")
        .file("settings.json", SETTINGS);
    let policy = host.policy(POLICY);
    let policy = policy.to_str().unwrap();
    let odd = OsStr::from_bytes(b"odd\xff");
    let odd_variable = OsStr::from_bytes(b"V\xff");
    let mut check = Check::new();
    let ask =
        |words: &[&OsStr], code: i32| host.tool(words.iter().copied()).output().exits(code).text();
    let explain = |last: &[&OsStr], code: i32| {
        let words = ["explain", "--json", "--policy", policy].map(OsStr::new);
        ask(&[&words[..], last].concat(), code)
    };
    let words = [
        "@outside/a.pem",
        "a",
        "/dev/null",
        "/proc/1",
        "missing",
        "~/.ssh/id_rsa",
    ];
    let paths: Vec<String> = words
        .iter()
        .map(|path| host.path(path).display().to_string())
        .collect();
    let mut asked: Vec<&OsStr> = paths.iter().map(OsStr::new).collect();
    asked.push(odd);
    for name in ["NPM_TOKEN", "CI", "GITHUB_TOKEN"] {
        asked.extend([OsStr::new("--env"), OsStr::new(name)]);
    }
    asked.extend([OsStr::new("--env"), odd_variable]);
    check.answer("explain", &explain(&asked, 0));
    check.answer("explain", &explain(&[OsStr::new("loop")], 125));
    check.answer("explain", &explain(&[], 0));
    check.answer(
        "explain",
        &explain(&["--plan", "--enforcement"].map(OsStr::new), 0),
    );
    let settings = ["explain", "--json", "--settings", "settings.json", "a"];
    check.answer("explain", &ask(&settings.map(OsStr::new), 0));

    networks(&host, &mut check);
    host.write("careless.toml", host.expand(POLICY));
    check.answer(
        "check",
        &ask(&["check", "--json", "careless.toml"].map(OsStr::new), 1),
    );
    check.answer(
        "policy-show",
        &ask(
            &["policy", "show", "--json", "--write", "."].map(OsStr::new),
            0,
        ),
    );
    check.answer(
        "policy-diff",
        &ask(
            &["policy", "diff", "--json", "careless.toml"].map(OsStr::new),
            1,
        ),
    );
    let doctor = ["doctor", "--json", "--lower", "user.max_user_namespaces=0"].map(OsStr::new);
    check.answer("doctor", &ask(&doctor[..2], 0));
    check.answer("doctor", &ask(&doctor, 125));

    check.lines("network-event", &events(&host));
    check.lines("event", &denials(&host));
    check.lines("change", &changes(&host));

    let named: BTreeSet<String> = properties(&check.root, "").into_iter().collect();
    let never: Vec<_> = named.difference(&check.seen).collect();
    assert!(never.is_empty(), "no answer has {never:?}");
}

/// What is asked about destinations.
fn networks(host: &Host, check: &mut Check) {
    let ask = |words: &[&str]| host.tool(words.iter().copied()).output().succeeds().text();
    let network = host.policy(NETWORK);
    let network = ["explain", "--json", "--policy", network.to_str().unwrap()];
    let connect = [
        "--connect",
        "a.example.com",
        "--connect",
        "b.example.com:80",
    ];
    check.answer("explain", &ask(&network));
    let connect = [&network[..], &connect].concat();
    check.answer("explain", &ask(&connect));

    let macos = [
        "--os",
        "macos",
        "a",
        "--connect",
        "b.example.com",
        "--connect",
        "localhost:1",
    ];
    let macos = [&network[..], &macos].concat();
    check.answer("explain", &ask(&macos));

    let npm = [
        "explain",
        "--json",
        "--preset",
        "npm",
        "--connect",
        "npm.example",
    ];
    let npm = host
        .tool(npm)
        .env("npm_config_registry", "https://npm.example");
    check.answer("explain", &npm.output().succeeds().text());
}

/// What is told of connections: allowed, unreachable, denied by a table of ours and by nothing, and more than are told.
fn events(host: &Host) -> Vec<String> {
    let server = Server::tcp("127.0.0.1");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let crowd = "getent hosts $(seq -f n%.0f.example 1 600); sleep 0.1";
    let script = format!(
        "@payload tcp {} {closed} 10.0.0.1:1; {crowd}; @payload tcp 198.41.0.4:1",
        server.address
    );
    let script = host.expand(&script);
    let run = host.sandbox(["sh", "-c", &script]);
    run.options(["--allow", &server.address, "--allow", &closed])
        .options(["--log-network", "@outside/log"])
        .output();
    let log = host.read("@outside/log") + &by_a_known_process(host);
    log.lines().map(str::to_owned).collect()
}

/// What is told of a program whose name is no text, and which waits until that has been told.
fn by_a_known_process(host: &Host) -> String {
    let program = host.path(OsStr::from_bytes(b"odd\xff"));
    std::fs::copy("/bin/bash", &program).unwrap();
    // Without another process, which would have the connection as well.
    let script = "exec 3<>/dev/tcp/198.41.0.4/2; until mapfile -t log <log && [[ ${log[*]} == *program_bytes* ]]; do ((SECONDS < 60)); done";
    let words = [program.as_os_str(), "-ec".as_ref(), script.as_ref()];
    let run = host.sandbox(words).options(["--log-network", "log"]);
    run.options(["--allow", "127.0.0.1:1"]).output().succeeds();
    host.read("log")
}

/// What is told of denials: files, a name that is none, connections, and more than are told.
fn denials(host: &Host) -> Vec<String> {
    let more = "i=0; while [ $i -lt 1100 ]; do echo > ../outside/$i; i=$((i+1)); done";
    let odd = "mkdir \"../outside/$(printf '\\377')\"";
    let script = format!("echo > .envrc; {odd}; @payload tcp 198.41.0.4:1; {more}");
    let script = host.expand(&script);
    let run = host.sandbox(["sh", "-c", &script]);
    run.options(["--allow", "127.0.0.1:1", "--events", "@outside/events"])
        .output();
    let events = host.read("@outside/events");
    events.lines().map(str::to_owned).collect()
}

/// What is told of changes: protected files, what git would run, and more than is told.
fn changes(host: &Host) -> Vec<String> {
    host.write(".vscode/old", "1\n");
    let many =
        "n=0; while [ $n -lt 1001 ]; do echo d/$n/sequencer; n=$((n+1)); done | xargs mkdir -p";
    let script = format!(
        "seq 3 > .vscode/new; : > .vscode/old; mkdir -p sub/rebase-merge; : > sub/HEAD; echo x > sub/rebase-merge/git-rebase-todo; {many}"
    );
    let run = host.sandbox(["sh", "-ec", &script]);
    let options = ["--write", ".vscode", "--events", "@outside/changes"];
    run.options(options).output().succeeds();
    let lines = host.read("@outside/changes");
    lines.lines().map(str::to_owned).collect()
}

/// Every property of a schema, with the place of its object.
fn properties(schema: &Value, at: &str) -> Vec<String> {
    let mut all = Vec::new();
    let inner: Vec<(String, &Value)> = match schema {
        Value::Object(keys) => keys
            .iter()
            .map(|(key, inner)| (format!("{at}/{key}"), inner))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, inner)| (format!("{at}/{index}"), inner))
            .collect(),
        _ => Vec::new(),
    };
    if let Some(keys) = schema.get("properties").and_then(Value::as_object) {
        all.extend(keys.keys().map(|key| format!("{at}/{key}")));
    }
    all.extend(
        inner
            .into_iter()
            .flat_map(|(at, inner)| properties(inner, &at)),
    );
    all
}

/// The words of the enumeration at this place.
fn words_at(place: &str) -> BTreeSet<String> {
    let schema = schema();
    let words = schema.pointer(place).unwrap_or_else(|| panic!("{place}"));
    let words = words
        .get("enum")
        .unwrap_or(words)
        .as_array()
        .unwrap()
        .iter();
    words
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

/// The strings of a function in this text.
fn words_of(text: &str, function: &str) -> BTreeSet<String> {
    let start = text
        .find(function)
        .unwrap_or_else(|| panic!("no `{function}`"));
    let body = &text[start..];
    let indent = &text[text[..start].rfind('\n').unwrap() + 1..start];
    let indent: String = indent
        .chars()
        .take_while(|character| *character == ' ')
        .collect();
    let end = body.find(&format!("\n{indent}}}")).unwrap();
    let strings = body[..end].split('"').skip(1).step_by(2);
    strings.map(str::to_owned).collect()
}

#[test]
fn the_words_are_those_of_the_program() {
    let explain = include_str!("../../sandbox-core/src/explain.rs");
    let inside = include_str!("../../sandbox-linux/src/plan/inside.rs");
    let review = include_str!("../../sandbox-core/src/review/finding.rs");
    let diff = include_str!("../src/policy/diff.rs");
    for (place, text, function) in [
        ("lost/properties/why", explain, "const fn as_str"),
        (
            "path-answer/properties/inside/anyOf/0",
            inside,
            "const fn as_str",
        ),
        (
            "check/properties/findings/items/properties/kind",
            review,
            "const fn as_str",
        ),
        (
            "policy-diff/properties/changes/items/properties/direction",
            diff,
            "const fn as_str",
        ),
    ] {
        assert_eq!(
            words_at(&format!("/$defs/{place}")),
            words_of(text, function),
            "{place}"
        );
    }
    let operations = include_str!("../../sandbox-core/src/event.rs");
    assert_eq!(
        words_at("/$defs/event/properties/operation"),
        words_of(operations, "const fn as_str")
    );
    let changes = include_str!("../../sandbox-core/src/change.rs");
    assert_eq!(
        words_at("/$defs/change/properties/change"),
        words_of(changes, "const fn as_str")
    );
    let mut kinds = words_of(include_str!("../src/json.rs"), "fn source(source");
    let event = include_str!("../../sandbox-gateway/src/event.rs");
    let end = words_at("/$defs/network-event/properties/end");
    assert_eq!(end, words_of(event, "pub fn word"));
    // The key that the word stands under.
    kinds.remove("key");
    kinds.remove("kind");
    assert_eq!(words_at("/$defs/source/properties/kind"), kinds);
}

/// Those of a policy are words of its schema, which the program prints.
#[test]
fn the_words_of_a_policy_are_those_of_its_schema() {
    let text = Host::new()
        .tool(["policy", "schema"])
        .output()
        .succeeds()
        .text();
    let policy: Value = serde_json::from_str(&text).unwrap();
    let of_policy = |place: &str| -> BTreeSet<String> {
        let words = policy.pointer(place).unwrap_or_else(|| panic!("{place}"));
        let words = words.as_array().unwrap().iter();
        words
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    for (place, of) in [
        ("access", "files/additionalProperties/anyOf/0/enum"),
        ("source/properties/preset", "extends/items/anyOf/0/enum"),
        (
            "rules/properties/network",
            "network/properties/default/enum",
        ),
        ("rules/properties/hide", "system/properties/hide/enum"),
    ] {
        let of = of_policy(&format!("/properties/{of}"));
        assert_eq!(words_at(&format!("/$defs/{place}")), of, "{place}");
    }
}

#[test]
fn the_page_and_the_schema_have_the_same_words() {
    fn enumerated(schema: &Value, words: &mut BTreeSet<String>) {
        let own = schema.get("enum").and_then(Value::as_array);
        let own = own.into_iter().flatten().filter_map(Value::as_str);
        words.extend(own.map(str::to_owned));
        match schema {
            Value::Object(inner) => inner.values().for_each(|inner| enumerated(inner, words)),
            Value::Array(inner) => inner.iter().for_each(|inner| enumerated(inner, words)),
            _ => {}
        }
    }
    let schema = schema();
    let mut published = BTreeSet::new();
    enumerated(&schema, &mut published);
    let names = properties(&schema, "");
    published.extend(
        names
            .iter()
            .map(|name| name.rsplit('/').next().unwrap().to_owned()),
    );
    let is_word = |word: &&str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word
                .chars()
                .all(|character| character.is_ascii_lowercase() || "_-".contains(character))
    };
    let page: BTreeSet<String> = PAGE
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(is_word)
        .filter(|word| !["null", "true", "explain"].contains(word))
        .map(str::to_owned)
        .collect();
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
        one.difference(other).cloned().collect()
    };
    assert_eq!(only(&published, &page), [""; 0], "only in the schema");
    assert_eq!(only(&page, &published), [""; 0], "only on the page");
}
