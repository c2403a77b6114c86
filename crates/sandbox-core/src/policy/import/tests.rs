use std::path::Path;

use super::Imported;
use crate::PolicyErrors;

/// Settings with these in their sections.
fn settings(network: &str, filesystem: &str, rest: &str) -> String {
    format!(
        r#"{{"network": {{"allowedDomains": [], "deniedDomains": []{network}}}, "filesystem": {{"denyRead": [], "allowWrite": ["."], "denyWrite": []{filesystem}}}{rest}}}"#
    )
}

/// What is said about a text: errors, else warnings.
fn about(text: &str) -> String {
    match Imported::from_settings(text, Some(Path::new("s.json"))) {
        Err(errors) => errors.to_string(),
        Ok(imported) if imported.warnings.is_empty() => "accepted".to_owned(),
        Ok(imported) => format!("warning: {}", PolicyErrors(imported.warnings)),
    }
}

/// Every text of which something else is said than is expected.
#[track_caller]
fn assert_said<'a>(table: impl IntoIterator<Item = (String, &'a str)>) {
    let wrong: Vec<String> = table
        .into_iter()
        .filter_map(|(text, expected)| {
            let said = about(&text);
            (said != expected).then(|| format!("{text}\nsaid:     {said}\nexpected: {expected}\n"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn text_that_is_no_settings_is_refused() {
    let table = [
        (
            "",
            "s.json:1: invalid JSON: the text is empty; settings are an object",
        ),
        (
            " \n",
            "s.json:1: invalid JSON: the text is empty; settings are an object",
        ),
        ("[]", "s.json:1: `settings` must be an object, not a list"),
        ("null", "s.json:1: `settings` must be an object, not null"),
        ("\u{feff}{}", "s.json:1: invalid JSON: unexpected token"),
        (
            "{\"network\": {",
            "s.json:1: invalid JSON: unterminated object",
        ),
        (
            "{} // x",
            "s.json:1: invalid JSON: comments are not allowed",
        ),
        (
            "{\"a\": \0}",
            "s.json:1: invalid text: a NUL byte (save it as plain UTF-8 text, without a byte order mark)",
        ),
        (
            "{\n}",
            "s.json:1: `network` must be an object, not missing\ns.json:1: `filesystem` must be an object, not missing",
        ),
        (
            r#"{"network": {}, "filesystem": {}}"#,
            "s.json:1: `network.allowedDomains` must be a list of hosts, not missing\n\
             s.json:1: `network.deniedDomains` must be a list of hosts, not missing\n\
             s.json:1: `filesystem.denyRead` must be a list of paths, not missing\n\
             s.json:1: `filesystem.allowWrite` must be a list of paths, not missing\n\
             s.json:1: `filesystem.denyWrite` must be a list of paths, not missing",
        ),
        (
            r#"{"network": [], "filesystem": null}"#,
            "s.json:1: `network` must be an object, not a list\ns.json:1: `filesystem` must be an object, not null",
        ),
    ];
    assert_said(table.map(|(text, message)| (text.to_owned(), message)));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(
        about(&deep).starts_with("s.json:1: invalid JSON: "),
        "{}",
        about(&deep)
    );
    let large = " ".repeat((1 << 20) + 1);
    assert_eq!(about(&large), "the policy `s.json` is larger than 1 MiB");
}

/// `KEY` stands for the key with its section.
const OF_NETWORK: &[(&str, &str, &str)] = &[
    ("deniedDomainReasons", r#"{"a.com": "no"}"#, "accepted"),
    (
        "deniedDomainReasons",
        r#"{"a.com": 1}"#,
        "s.json:1: `KEY` must be an object of strings, not an object",
    ),
    ("strictAllowlist", "true", "accepted"),
    (
        "strictAllowlist",
        "1",
        "s.json:1: `KEY` must be `true` or `false`, not a number",
    ),
    (
        "deniedResolvedAddresses",
        r#"["10.0.0.0/8", "fd00::1"]"#,
        "accepted",
    ),
    (
        "deniedResolvedAddresses",
        r#"["10.0.0.0/40"]"#,
        "s.json:1:85, `KEY`: `KEY` cannot be `10.0.0.0/40`: the range has more bits than the address",
    ),
    ("allowUnixSockets", "[]", "accepted"),
    ("allowUnixSockets", r#"["/run/docker.sock"]"#, "accepted"),
    ("allowAllUnixSockets", "false", "accepted"),
    ("allowAllUnixSockets", "true", "accepted"),
    ("allowLocalBinding", "true", "accepted"),
    ("allowMachLookup", r#"["com.example.*"]"#, "accepted"),
    (
        "httpProxyPort",
        "3128",
        "s.json:1: cannot use `KEY`: the gateway of this version cannot do it (leave out `KEY`)",
    ),
    (
        "httpProxyPort",
        "0",
        "s.json:1: `KEY` must be a number from 1 to 65535, not a number",
    ),
    (
        "socksProxyPort",
        "1080",
        "s.json:1: cannot use `KEY`: the gateway of this version cannot do it (leave out `KEY`)",
    ),
    (
        "mitmProxy",
        "{}",
        "s.json:1: cannot use `KEY`: the gateway of this version cannot do it (leave out `KEY`)",
    ),
    (
        "deniedDomainReasons",
        r#"{"a.com": ""}"#,
        "s.json:1:90, `KEY`: `KEY` cannot be ``: it says nothing",
    ),
    ("parentProxy", "{}", "accepted"),
    (
        "parentProxy",
        r#"{"http": "http://proxy:3128", "https": "http://PROXY:3128/"}"#,
        "accepted",
    ),
    (
        "parentProxy",
        r#"{"http": "http://proxy:3128", "https": "http://proxy:3129"}"#,
        "s.json:1: cannot use `KEY`: the gateway of this version cannot do it (leave out `KEY`)",
    ),
    (
        "parentProxy",
        r#"{"http": "http://proxy:3128", "noProxy": "a.com"}"#,
        "s.json:1: cannot use `KEY`: the gateway of this version cannot do it (leave out `KEY`)",
    ),
    (
        "parentProxy",
        r#"{"http": "http://ana:s3cret@proxy:3128"}"#,
        "s.json:1:81, `KEY`: the rule `http://ana:s3cret@proxy:3128` cannot be used: a name or password does not belong here, where the command may read it",
    ),
    (
        "parentProxy",
        "[]",
        "s.json:1: `KEY` must be an object, not a list",
    ),
    ("tlsTerminate", "{}", "accepted"),
    (
        "filterRequest",
        "{}",
        "s.json:1: cannot use `KEY`: it is a function of a program that links the other sandbox (leave out `KEY`)",
    ),
    ("allowPlaintextHeaderSet", "true", "accepted"),
    ("stripResponseHeaders", r#"["x"]"#, "accepted"),
    (
        "stripResponseHeaders",
        "[1]",
        "s.json:1: `KEY` must be a list of strings, not a number",
    ),
    ("refuseOpaqueTunnels", "true", "accepted"),
    ("requireHostMatch", "true", "accepted"),
    ("ambiguousRequestTarget", "\"refuse\"", "accepted"),
    (
        "ambiguousRequestTarget",
        "\"refus\"",
        "s.json:1: unknown word `refus` for `KEY` (write `refuse`)",
    ),
];

#[test]
fn every_key_of_the_network_is_known() {
    let table: Vec<_> = OF_NETWORK
        .iter()
        .map(|(key, value, message)| {
            let message = message.replace("KEY", &format!("network.{key}"));
            (settings(&format!(", \"{key}\": {value}"), "", ""), message)
        })
        .collect();
    assert_said(
        table
            .iter()
            .map(|(text, message)| (text.clone(), message.as_str())),
    );
}

#[test]
fn hosts_are_refused_by_their_place() {
    let at = |domains: &str, denied: &str| {
        about(&format!(
            "{{\"network\": {{\n\"allowedDomains\": {domains},\n\"deniedDomains\": {denied}\n}}, \"filesystem\": {{\"denyRead\": [], \"allowWrite\": [], \"denyWrite\": []}}}}"
        ))
    };
    assert_eq!(at("[]", r#"["*", "*.evil.com:443"]"#), "accepted");
    assert_eq!(at(r#"["a.com"]"#, "[]"), "accepted");
    assert_eq!(
        at(r#"["*.co.uk"]"#, "[]"),
        "s.json:2:20, `network.allowedDomains`: the rule `*.co.uk` cannot be used: anybody can register a name below `co.uk` (write `*.example.co.uk`)"
    );
    assert_eq!(
        at(r#"["a.com", "*"]"#, r#"["https://a.com"]"#),
        "s.json:2:29, `network.allowedDomains`: `network.allowedDomains` cannot be `*`: it would allow every host\n\
         s.json:3:19, `network.deniedDomains`: `network.deniedDomains` cannot be `https://a.com`: it is not a host's name: no scheme, path or user belongs there"
    );
    assert_eq!(
        at("\"a.com\"", "[7]"),
        "s.json:2: `network.allowedDomains` must be a list of hosts, not a string\ns.json:3: `network.deniedDomains` must be a list of hosts, not a number"
    );
}

#[test]
fn every_key_about_files_is_known() {
    let table = [
        (
            r#", "allowRead": ["a"], "allowGitConfig": true, "disabled": false"#,
            "",
            "accepted",
        ),
        (
            r#", "allowRead": "a""#,
            "",
            "s.json:1: `filesystem.allowRead` must be a list of paths, not a string",
        ),
        (
            r#", "allowRead": [7]"#,
            "",
            "s.json:1: `filesystem.allowRead` must be a list of paths, not a number",
        ),
        (
            r#", "allowRead": [{"path": "a*b", "literal": true}]"#,
            "",
            "accepted",
        ),
        (
            r#", "allowRead": [{"path": "a*b"}]"#,
            "",
            "s.json:1: `literal` must be `true`, not missing",
        ),
        (
            r#", "allowRead": [{"path": "a*b", "literal": false}]"#,
            "",
            "s.json:1: `literal` must be `true`, not a boolean",
        ),
        (
            r#", "allowRead": [{"path": "a", "path": "b", "literal": true}]"#,
            "",
            "s.json:1: `path` is written twice, first in line 1 (remove one `path`)",
        ),
        (
            r#", "allowRead": [{"path": "a", "literal": true, "x": 1}]"#,
            "",
            "s.json:1: unknown key `x` in the object of a path (write `path` or `literal`)",
        ),
        (
            r#", "allowRead": [""]"#,
            "",
            "s.json:1:141, `filesystem.allowRead`: the path `` is empty",
        ),
        (
            r#", "allowRead": ["a\u0000b"]"#,
            "",
            "s.json:1:141, `filesystem.allowRead`: the path `a\\0b` contains a NUL byte",
        ),
        (
            r#", "allowRead": ["a**b"]"#,
            "",
            "s.json:1:141, `filesystem.allowRead`: the path `a**b` has `**` beside other characters: write `*`, or `**` between slashes",
        ),
        (
            r#", "alowRead": []"#,
            "",
            "warning: s.json:1: unknown key `alowRead` in the section `filesystem` (write `allowRead`)",
        ),
        (
            r#", "allowRead": [], "allowRead": []"#,
            "",
            "s.json:1: `allowRead` is written twice, first in line 1 (remove one `allowRead`)",
        ),
    ];
    assert_said(table.map(|(filesystem, rest, message)| (settings("", filesystem, rest), message)));
}

#[test]
fn every_key_beside_files_and_network_is_known() {
    let table = [
        ("", "", "accepted"),
        (
            "",
            r#", "ignoreViolations": {"*": ["/usr/bin"]}"#,
            "accepted",
        ),
        (
            "",
            r#", "ignoreViolations": {"*": "x"}"#,
            "s.json:1: `ignoreViolations` must be an object of lists of strings, not an object",
        ),
        (
            "",
            r#", "enableWeakerNestedSandbox": true, "enableWeakerNetworkIsolation": true"#,
            "accepted",
        ),
        (
            "",
            r#", "allowAppleEvents": true, "allowPty": true, "allowNestedUserNamespaces": true"#,
            "accepted",
        ),
        ("", r#", "mandatoryDenySearchDepth": 5"#, "accepted"),
        (
            "",
            r#", "mandatoryDenySearchDepth": 11"#,
            "s.json:1: `mandatoryDenySearchDepth` must be a number from 1 to 10, not a number",
        ),
        (
            "",
            r#", "ripgrep": {"command": "rg"}, "seccomp": {}, "windows": {}"#,
            "accepted",
        ),
        (
            "",
            r#", "bwrapPath": "/x", "socatPath": "/x", "javaAgentJarPath": "/x""#,
            "accepted",
        ),
        (
            "",
            r#", "bwrapPath": 1"#,
            "s.json:1: `bwrapPath` must be a string, not a number",
        ),
        (
            "",
            r#", "git": {"safeDirectories": ["/srv/x"]}"#,
            "accepted",
        ),
        (
            "",
            r#", "git": {"safeDirs": []}"#,
            "warning: s.json:1: unknown key `safeDirs` in the section `git` (write `safeDirectories`)",
        ),
        (
            "",
            r#", "netwrok": {}"#,
            "warning: s.json:1: unknown key `netwrok` in the settings (write `network`)",
        ),
        (
            "",
            r#", "sandbox": {}"#,
            "s.json:1: cannot use `sandbox`: settings have it alone, or sections beside each other without it (leave out `network`)",
        ),
    ];
    assert_said(table.map(|(filesystem, rest, message)| (settings("", filesystem, rest), message)));
}

#[test]
fn every_key_of_credentials_is_known() {
    let table = [
        (
            "",
            r#", "credentials": {"allowPlaintextInject": true, "sigv4": {"streaming": "deny"}, "awsPairs": []}"#,
            "accepted",
        ),
        (
            "",
            r#", "credentials": {"sigv4": {"streaming": "no"}}"#,
            "s.json:1: unknown word `no` for `credentials.sigv4.streaming` (write `deny` or `passthrough`)",
        ),
        (
            "",
            r#", "credentials": {"awsPairs": [{}]}"#,
            "s.json:1: cannot use `credentials.awsPairs`: the gateway of this version cannot do it (remove it, or write `[]`)",
        ),
        (
            "",
            r#", "credentials": {"envVar": []}"#,
            "s.json:1: unknown key `envVar` in the section `credentials` (write `envVars`)",
        ),
        (
            "",
            r#", "credentials": {"envVars": [{"name": "A", "mode": "deny"}], "files": [{"path": "a", "mode": "deny"}]}"#,
            "accepted",
        ),
        (
            "",
            r#", "credentials": {"envVars": [{"name": "A", "mode": "mask"}]}"#,
            "s.json:1: cannot use `mask`: the gateway of this version cannot do it (write `deny`)",
        ),
        (
            "",
            r#", "credentials": {"files": [{"path": "a", "path": "b", "mode": "deny"}]}"#,
            "s.json:1: `path` is written twice, first in line 1 (remove one `path`)",
        ),
        (
            "",
            r#", "credentials": {"envVars": [{"name": "A", "mode": "drop"}]}"#,
            "s.json:1: unknown mode `drop` for `credentials.envVars` (write `deny` or `mask`)",
        ),
        (
            "",
            r#", "credentials": {"envVars": [{"name": "A"}]}"#,
            "s.json:1: `mode` must be a string, not missing",
        ),
        (
            "",
            r#", "credentials": {"envVars": [{"mode": "deny"}]}"#,
            "s.json:1: `name` must be a string, not missing",
        ),
        (
            "",
            r#", "credentials": {"envVars": [{"name": 1, "mode": "deny"}]}"#,
            "s.json:1: `name` must be a string, not a number",
        ),
        (
            "",
            r#", "credentials": {"envVars": ["A"]}"#,
            "s.json:1: `credentials.envVars` must be a list of objects, not a string",
        ),
        (
            "",
            r#", "credentials": {"envVars": [{"name": "A*", "mode": "deny"}]}"#,
            "s.json:1:156, `credentials.envVars`: the variable `A*` is a pattern, and settings name single variables",
        ),
        (
            "",
            r#", "credentials": {"files": [{"path": "a", "mode": "deny", "nmae": 1}]}"#,
            "s.json:1: unknown key `nmae` in the object of a credential (write `path`, `mode`, `extract`, `onExtractNoMatch`, `decode`, `maskClaims`, `maskDuplicates` or `injectHosts`)",
        ),
    ];
    assert_said(table.map(|(filesystem, rest, message)| (settings("", filesystem, rest), message)));
}

#[test]
fn the_second_form_has_variables() {
    let table = [
        (r"{}", "accepted"),
        (
            r#"{"autoAllowMode": true, "filesystem": {"allowedWritePaths": ["${CWD}"], "deniedReadPaths": ["${HOME}/.ssh", "/srv/keys"]}, "network": {"policy": "deny", "allowedDomains": []}}"#,
            "accepted",
        ),
        (r#"{"network": {"policy": "allowlist"}}"#, "accepted"),
        (
            r#"{"network": {"policy": "allow"}}"#,
            "s.json:1: unknown word `allow` for `sandbox.network.policy` (write `deny` or `allowlist`)",
        ),
        (r#"{"network": {"allowedDomains": ["a.com"]}}"#, "accepted"),
        (
            r#"{"filesystem": {"deniedReadPaths": ["${USER}/x"]}}"#,
            "s.json:1:49, `sandbox.filesystem.deniedReadPaths`: the path `${USER}/x` has a variable elsewhere than `${CWD}` or `${HOME}` at its beginning",
        ),
        (
            r#"{"filesystem": {"denyRead": []}}"#,
            "warning: s.json:1: unknown key `denyRead` in the section `sandbox.filesystem` (write `allowedWritePaths` or `deniedReadPaths`)",
        ),
        (
            r#"{"autoAllow": true}"#,
            "warning: s.json:1: unknown key `autoAllow` in the section `sandbox` (write `autoAllowMode`, `filesystem` or `network`)",
        ),
        ("[]", "s.json:1: `sandbox` must be an object, not a list"),
    ];
    assert_said(table.map(|(section, message)| (format!("{{\"sandbox\": {section}}}"), message)));
}

#[test]
fn warnings_are_errors_where_somebody_wants_that() {
    let text = settings("", ", \"denyReed\": [\"k\"]", "");
    let imported = Imported::from_settings(&text, None).unwrap();
    let errors = imported.strict().unwrap_err();
    assert_eq!(
        errors.to_string(),
        "line 1: unknown key `denyReed` in the section `filesystem` (write `denyRead`)"
    );
    // What is missing is told with what stands in its place.
    let text = r#"{"network": {"allowedDomains": [], "deniedDomains": []}, "filesystem": {"denyReed": [], "allowWrite": [], "denyWrite": []}}"#;
    assert_eq!(
        about(text),
        "s.json:1: `filesystem.denyRead` must be a list of paths, not missing\n\
         s.json:1: unknown key `denyReed` in the section `filesystem` (write `denyRead`)"
    );
}

#[test]
fn what_is_printed_is_refused_when_it_is_read() {
    let imported = Imported::from_settings(&settings("", "", ""), None).unwrap();
    let errors = crate::Policy::from_toml(&imported.policy.to_string(), None).unwrap_err();
    assert!(
        errors.to_string().contains("unknown key `settings`"),
        "{errors}"
    );
}
