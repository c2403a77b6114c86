//! Every message, as it is shown.

use std::fmt::Write as _;

use super::*;

/// Shows errors the way the command line does.
fn shown(result: Result<Policy, PolicyErrors>) -> String {
    let mut out = String::new();
    for error in result.expect_err("the policy is wrong") {
        let location = error.location().expect("the mistake is in the text");
        let (line, columns) = location.snippet();
        writeln!(out, "error: {error}").unwrap();
        writeln!(out, " {}:{} | {line}", location.line(), location.column()).unwrap();
        let margin = format!(" {}:{} | ", location.line(), location.column()).len();
        writeln!(
            out,
            "{}{}",
            " ".repeat(margin + columns.start),
            "^".repeat(columns.len())
        )
        .unwrap();
        if let Some(remedy) = error.remedy() {
            writeln!(out, "  help: {remedy}").unwrap();
        }
    }
    out
}

fn toml(text: &str) -> String {
    shown(Policy::from_toml(text, Some(Path::new("/p/sandbox.toml"))))
}

fn json(text: &str) -> String {
    shown(Policy::from_json(text, Some(Path::new("/p/sandbox.json"))))
}

#[test]
fn keys_and_presets() {
    insta::assert_snapshot!(toml("extend = ['agent']\nthing = 1\nfiles = 'read'\n[limit]\n"), @"
    error: unknown key `extend`
     1:1 | extend = ['agent']
           ^^^^^^
      help: write `extends`
    error: unknown key `thing`
     2:1 | thing = 1
           ^^^^^
      help: write `extends`, `protect`, `files`, `network`, `environment`, `limits`, `system` or `fixed`
    error: `files` must be a table of paths, not a string
     3:9 | files = 'read'
                   ^^^^^^
    error: unknown key `limit`
     4:2 | [limit]
            ^^^^^
      help: write `limits`
    ");
    insta::assert_snapshot!(toml("extends = ['agnt', '../base.toml', 'office', 7]\n"), @"
    error: unknown preset `agnt` for `extends`
     1:12 | extends = ['agnt', '../base.toml', 'office', 7]
                       ^^^^^^
      help: write `agent`
    error: unknown preset `office` for `extends`
     1:36 | extends = ['agnt', '../base.toml', 'office', 7]
                                               ^^^^^^^^
      help: write `agent`, `read-only`, `strict`, `none`, `github`, `gitlab`, `bitbucket`, `docker-hub`, `ghcr`, `anthropic`, `openai`, `gemini`, `huggingface`, `npm`, `pip`, `cargo`, `go`, `maven`, `debian`, `ssh-agent`, `gpg-agent` or `docker`
    error: `extends` must be a list of presets and files, not a number
     1:46 | extends = ['agnt', '../base.toml', 'office', 7]
                                                         ^
      help: write `agent`, `read-only`, `strict`, `none`, `github`, `gitlab`, `bitbucket`, `docker-hub`, `ghcr`, `anthropic`, `openai`, `gemini`, `huggingface`, `npm`, `pip`, `cargo`, `go`, `maven`, `debian`, `ssh-agent`, `gpg-agent` or `docker`
    ");
    insta::assert_snapshot!(toml("protect = ['cI', 'shells', 'ci', 7]\n[fixed]\nprotect = ['ci']\n"), @"
    error: unknown group `cI` for `protect`
     1:12 | protect = ['cI', 'shells', 'ci', 7]
                       ^^^^
      help: write `ci`
    error: unknown group `shells` for `protect`
     1:18 | protect = ['cI', 'shells', 'ci', 7]
                             ^^^^^^^^
      help: write `ci`
    error: `protect` must be a list of groups, not a number
     1:34 | protect = ['cI', 'shells', 'ci', 7]
                                             ^
      help: write `ci`
    error: unknown key `protect` in `[fixed]`
     3:1 | protect = ['ci']
           ^^^^^^^
      help: write `files`, `network`, `environment`, `limits` or `system`
    ");
    insta::assert_snapshot!(toml("extends = 'agent'\n"), @r#"
    error: `extends` must be a list, not a string
     1:11 | extends = 'agent'
                      ^^^^^^^
      help: write `["agent"]`
    "#);
    insta::assert_snapshot!(toml("extends = true\n"), @"
    error: `extends` must be a list, not a boolean
     1:11 | extends = true
                      ^^^^
    ");
}

#[test]
fn files() {
    insta::assert_snapshot!(toml("[files]\n'.' = 'writ'\n'/etc' = 'ro'\n'/usr' = true\n'' = 'read'\n\"a\\u0000b\" = 'hide'\n"), @r#"
    error: unknown access `writ` for `.`
     2:7 | '.' = 'writ'
                 ^^^^^^
      help: write `write`
    error: unknown access `ro` for `/etc`
     3:10 | '/etc' = 'ro'
                     ^^^^
      help: write `hide`, `read`, `overlay`, `write` or `scratch`
    error: `/usr` must be an access or a table with `access`, not a boolean
     4:10 | '/usr' = true
                     ^^^^
      help: write `hide`, `read`, `overlay`, `write` or `scratch`
    error: the path `` is empty
     5:1 | '' = 'read'
           ^^
    error: the path `a\0b` contains a NUL byte
     6:1 | "a\u0000b" = 'hide'
           ^^^^^^^^^^
    "#);
    insta::assert_snapshot!(toml("[files]\na = { acess = 'read' }\nb = { optional = true }\nc = { access = 'read', optional = 'yes' }\nd = {}\n"), @"
    error: unknown key `acess` in the rule of a path
     2:7 | a = { acess = 'read' }
                 ^^^^^
      help: write `access`
    error: `b` must be a table with `access`, not a table without it
     3:5 | b = { optional = true }
               ^^^^^^^^^^^^^^^^^^^
    error: `optional` must be `true` or `false`, not a string
     4:35 | c = { access = 'read', optional = 'yes' }
                                              ^^^^^
    error: `d` must be an access or a table with `access`, not an empty table
     5:5 | d = {}
               ^^
    ");
    insta::assert_snapshot!(toml("[files]\npackage.json = 'read'\n'Cargo.lock' = { json = 'read' }\n"), @"
    error: `package` must be an access or a table with `access`, not another table
     2:1 | package.json = 'read'
           ^^^^^^^
      help: put the path or name in quotes
    error: `Cargo.lock` must be an access or a table with `access`, not another table
     3:16 | 'Cargo.lock' = { json = 'read' }
                           ^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(toml("[files]\n'x\\y' = [ 'read' ]\n\"\\u001b[2J\" = 'x'\n"), @r#"
    error: `x\y` must be an access or a table with `access`, not a list
     2:9 | 'x\y' = [ 'read' ]
                   ^^^^^^^^^^
      help: write `hide`, `read`, `overlay`, `write` or `scratch`
    error: unknown access `x` for `\u{1b}[2J`
     3:15 | "\u001b[2J" = 'x'
                          ^^^
      help: write `hide`, `read`, `overlay`, `write` or `scratch`
    "#);
}

#[test]
fn network() {
    insta::assert_snapshot!(toml(
        "[network]\ndefault = 'ask'\npublish = ['3000', '0', 80]\nupstream = 'proxy:3128'\n[network.rules]\n'github.com' = 'allow'\n'10.0.0.0/8' = {}\n'*.com' = 'allow'\n'a.example' = { methods = ['GET'] }\n'b.example' = { access = 'alow', reasn = 'x' }\n'c.example' = { access = 'allow', reason = 'x' }\n'd.example' = { access = 'deny', udp = true }\n'e.example' = { udp = true }\nf.example = 'deny'\n"
    ), @r#"
    error: the rule `0` cannot be used
     3:20 | publish = ['3000', '0', 80]
                               ^^^
    error: `publish` must be a list of ports, not a number
     3:25 | publish = ['3000', '0', 80]
                                    ^^
      help: write `"80"`
    error: the rule `proxy:3128` cannot be used
     4:12 | upstream = 'proxy:3128'
                       ^^^^^^^^^^^^
    error: `10.0.0.0/8` must be `allow`, `deny` or a table with `access`, not an empty table
     7:16 | '10.0.0.0/8' = {}
                           ^^
    error: the rule `*.com` cannot be used
     8:1 | '*.com' = 'allow'
           ^^^^^^^
      help: write `*.example.com`
    error: cannot use `methods`: it needs the inspection of TLS, which this version does not have
     9:17 | 'a.example' = { methods = ['GET'] }
                            ^^^^^^^
      help: leave out `methods`
    error: unknown access `alow` for `b.example`
     10:26 | 'b.example' = { access = 'alow', reasn = 'x' }
                                      ^^^^^^
      help: write `allow`
    error: unknown key `reasn` in the rule of a destination
     10:34 | 'b.example' = { access = 'alow', reasn = 'x' }
                                              ^^^^^
      help: write `reason`
    error: cannot use `reason`: only whoever is denied is told one
     11:35 | 'c.example' = { access = 'allow', reason = 'x' }
                                               ^^^^^^
      help: leave out `reason`
    error: cannot use `udp`: a rule that denies is about UDP, too
     12:34 | 'd.example' = { access = 'deny', udp = true }
                                              ^^^
      help: leave out `udp`
    error: `e.example` must be a table with `access`, not a table without it
     13:15 | 'e.example' = { udp = true }
                           ^^^^^^^^^^^^^^
    error: `f` must be `allow`, `deny` or a table with `access`, not another table
     14:1 | f.example = 'deny'
            ^
      help: put the path or name in quotes
    "#);
    insta::assert_snapshot!(toml("[network]\ndefault = 'dney'\nrule = {}\npublish = 3000\n"), @"
    error: unknown network `dney` for `default`
     2:11 | default = 'dney'
                      ^^^^^^
      help: write `deny`
    error: unknown key `rule` in `[network]`
     3:1 | rule = {}
           ^^^^
      help: write `rules`
    error: `publish` must be a list, not a number
     4:11 | publish = 3000
                      ^^^^
    ");
    insta::assert_snapshot!(toml("[network]\ndefault = 1\nrules = []\n"), @"
    error: `default` must be a string, not a number
     2:11 | default = 1
                      ^
      help: write `deny`, `ask`, `allow` or `host`
    error: `rules` must be a table of destinations, not a list
     3:9 | rules = []
                   ^^
    ");
}

#[test]
fn environment() {
    insta::assert_snapshot!(toml("[environment]\nCI = '1'\nA = 1\nPATH = 'pas'\nB = { set = 2 }\nC = { set = true }\nD = { sett = 'x' }\nE = true\n"), @r#"
    error: `CI` must be `pass`, `drop` or a table with `set`, not another word
     2:6 | CI = '1'
                ^^^
      help: write `{ set = "1" }`
    error: `A` must be `pass`, `drop` or a table with `set`, not a number
     3:5 | A = 1
               ^
      help: write `{ set = "1" }`
    error: `PATH` must be `pass`, `drop` or a table with `set`, not another word
     4:8 | PATH = 'pas'
                  ^^^^^
      help: write `pass`
    error: `set` must be a string, not a number
     5:13 | B = { set = 2 }
                        ^
      help: write `"2"`
    error: `set` must be a string, not a boolean
     6:13 | C = { set = true }
                        ^^^^
    error: unknown key `sett` in the rule of a variable
     7:7 | D = { sett = 'x' }
                 ^^^^
      help: write `set`
    error: `E` must be `pass`, `drop` or a table with `set`, not a boolean
     8:5 | E = true
               ^^^^
      help: write `pass` or `drop`
    "#);
    insta::assert_snapshot!(toml("[environment]\n'' = 'pass'\n'A=B' = 'pass'\n'A*' = { set = '1' }\n\"N\\u0000\" = 'drop'\nF = { set = \"\\u0000\" }\nG = {}\n"), @r#"
    error: the variable `` is empty
     2:1 | '' = 'pass'
           ^^
    error: the variable `A=B` contains `=`
     3:1 | 'A=B' = 'pass'
           ^^^^^
    error: the variable `A*` is a pattern, and only one name can be set
     4:1 | 'A*' = { set = '1' }
           ^^^^
    error: the variable `N\0` contains a NUL byte
     5:1 | "N\u0000" = 'drop'
           ^^^^^^^^^
    error: the variable `F` is set to a value with a NUL byte
     6:1 | F = { set = "\u0000" }
           ^
    error: `G` must be `pass`, `drop` or a table with `set`, not an empty table
     7:5 | G = {}
               ^^
    "#);
}

#[test]
fn limits() {
    insta::assert_snapshot!(toml("[limits]\nmemory = '4G'\nprocesses = '512'\nopen_files = -1\ntime = '10M'\nmemry = 1\n"), @"
    error: `memory` cannot be `4G`: units are `KiB`, `MiB` and `GiB`, or `kB`, `MB` and `GB`
     2:10 | memory = '4G'
                     ^^^^
      help: write `4GiB`
    error: `processes` must be a whole number, not a string
     3:13 | processes = '512'
                        ^^^^^
      help: write `512`
    error: `open_files` must be a whole number, not a negative or very large number
     4:14 | open_files = -1
                         ^^
    error: `time` cannot be `10M`: units are in lower case
     5:8 | time = '10M'
                  ^^^^^
      help: write `10m`
    error: unknown key `memry` in `[limits]`
     6:1 | memry = 1
           ^^^^^
      help: write `memory`
    ");
    insta::assert_snapshot!(toml("[limits]\nmemory = '1.5GiB'\nprocesses = 0\nopen_files = 1.5\ntime = 600\n"), @r#"
    error: `memory` cannot be `1.5GiB`: a size is a whole number and a unit, such as `512MiB`
     2:10 | memory = '1.5GiB'
                     ^^^^^^^^
    error: `processes` cannot be `0`: nothing can run with none at all
     3:13 | processes = 0
                        ^
    error: `open_files` must be a whole number, not a fraction
     4:14 | open_files = 1.5
                         ^^^
    error: `time` must be a duration such as `10m`, not a number
     5:8 | time = 600
                  ^^^
      help: write `"600s"`
    "#);
    insta::assert_snapshot!(toml("[limits]\nmemory = '4 apples'\nprocesses = 99999999999999999999\ntime = '600'\n"), @"
    error: `memory` cannot be `4 apples`: units are `KiB`, `MiB` and `GiB`, or `kB`, `MB` and `GB`
     2:10 | memory = '4 apples'
                     ^^^^^^^^^^
    error: `processes` must be a whole number, not a negative or very large number
     3:13 | processes = 99999999999999999999
                        ^^^^^^^^^^^^^^^^^^^^
    error: `time` cannot be `600`: a duration is written as `90s`, `10m` or `1h 30m`
     4:8 | time = '600'
                  ^^^^^
      help: write `600s`
    ");
    insta::assert_snapshot!(toml("[limits]\nmemory = '9999999999GiB'\nprocesses = 9223372036854775807\nopen_files = 1979-05-27\ntime = '31d'\n"), @"
    error: `memory` cannot be `9999999999GiB`: it is too large
     2:10 | memory = '9999999999GiB'
                     ^^^^^^^^^^^^^^^
    error: `open_files` must be a whole number, not a date
     4:14 | open_files = 1979-05-27
                         ^^^^^^^^^^
    error: `time` cannot be `31d`: it is more than 30 days
     5:8 | time = '31d'
                  ^^^^^
      help: write `30d`
    ");
    insta::assert_snapshot!(toml("[limits]\nmemory = false\ntime = []\n"), @"
    error: `memory` must be a size such as `4GiB`, not a boolean
     2:10 | memory = false
                     ^^^^^
    error: `time` must be a duration such as `10m`, not a list
     3:8 | time = []
                  ^^
    ");
}

#[test]
fn system() {
    insta::assert_snapshot!(toml("[system]\nfallback = 'landlok'\nhide = 'always'\nperf = 'yes'\nkvm = true\nfalback = 'landlock'\n'a b' = 'allow'\n"), @"
    error: unknown tier `landlok` for `fallback`
     2:12 | fallback = 'landlok'
                       ^^^^^^^^^
      help: write `landlock`
    error: unknown way to hide `always` for `hide`
     3:8 | hide = 'always'
                  ^^^^^^^^
      help: write `cover` or `assemble`
    error: unknown rule `yes` for `perf`
     4:8 | perf = 'yes'
                  ^^^^^
      help: write `allow`
    error: `kvm` must be `allow`, not a boolean
     5:7 | kvm = true
                 ^^^^
      help: write `allow`
    error: unknown key `falback` in `[system]`
     6:1 | falback = 'landlock'
           ^^^^^^^
      help: write `fallback`
    error: the feature `a b` is not a word in lower case
     7:1 | 'a b' = 'allow'
           ^^^^^
    ");
}

#[test]
fn what_is_wrong_about_macos() {
    let text = "[system.macos]\nptty = 'allow'\nopen = true\ntrustd = 'alow'\nmach-lookup = ['*', 'a*b', '', 'a b', 1]\n";
    insta::assert_snapshot!(toml(text), @"
    error: unknown key `ptty` in `[system.macos]`
     2:1 | ptty = 'allow'
           ^^^^
      help: write `pty`
    error: `open` must be a string, not a boolean
     3:8 | open = true
                  ^^^^
      help: write `allow`
    error: unknown rule `alow` for `trustd`
     4:10 | trustd = 'alow'
                     ^^^^^^
      help: write `allow`
    error: the service `*` is all services at once
     5:16 | mach-lookup = ['*', 'a*b', '', 'a b', 1]
                           ^^^
    error: the service `a*b` has a character that no service has, or `*` before its end
     5:21 | mach-lookup = ['*', 'a*b', '', 'a b', 1]
                                ^^^^^
    error: the service `` is empty
     5:28 | mach-lookup = ['*', 'a*b', '', 'a b', 1]
                                       ^^
    error: the service `a b` has a character that no service has, or `*` before its end
     5:32 | mach-lookup = ['*', 'a*b', '', 'a b', 1]
                                           ^^^^^
    error: `mach-lookup` must be a list of services, not a number
     5:39 | mach-lookup = ['*', 'a*b', '', 'a b', 1]
                                                  ^
    ");
    insta::assert_snapshot!(toml("[system]\nmacos = 'allow'\n"), @"
    error: `macos` must be a table, not a string
     2:9 | macos = 'allow'
                   ^^^^^^^
    ");
}

#[test]
fn syntax_of_toml_is_told_once() {
    insta::assert_snapshot!(toml("[files\n'.' = \n"), @"
    error: invalid TOML: unclosed table, expected `]`
     1:7 | [files
                 ^
    ");
    insta::assert_snapshot!(toml("[files]\n~/.ssh = 'hide'\n/etc = 'read'\n"), @"
    error: invalid TOML: invalid unquoted key, expected letters, numbers, `-`, `_`
     2:1 | ~/.ssh = 'hide'
           ^^
      help: put the path or name in quotes
    ");
    insta::assert_snapshot!(toml("[files]\n'.' = 'read'\n'.' = 'write'\n"), @"
    error: invalid TOML: duplicate key
     3:1 | '.' = 'write'
           ^^^
      help: remove one `'.'`
    ");
    insta::assert_snapshot!(toml("[files]\n'.' = read\n"), @"
    error: invalid TOML: string values must be quoted, expected literal string
     2:7 | '.' = read
                 ^^^^
    ");
    insta::assert_snapshot!(toml("a = 'x\n"), @"
    error: invalid TOML: invalid literal string, expected `'`
     1:7 | a = 'x
                 ^
    ");
}

#[test]
fn syntax_of_json() {
    insta::assert_snapshot!(json(""), @"
    error: invalid JSON: the text is empty; a policy is an object
     1:1 | 
           ^
    ");
    insta::assert_snapshot!(json("[]"), @"
    error: `policy` must be a table, not a list
     1:1 | []
           ^^
    ");
    insta::assert_snapshot!(json("{ 'files': {} }"), @"
    error: invalid JSON: single-quoted strings are not allowed
     1:3 | { 'files': {} }
             ^
    ");
    insta::assert_snapshot!(json("{ \"files\": {}, }"), @r#"
    error: invalid JSON: trailing commas are not allowed
     1:14 | { "files": {}, }
                         ^
    "#);
    insta::assert_snapshot!(json("{ \"files\": {} } // why"), @r#"
    error: invalid JSON: comments are not allowed
     1:17 | { "files": {} } // why
                            ^^^^^^
    "#);
    insta::assert_snapshot!(json("{ \"files\": { \".\": \"read\", \".\": \"write\" },\n  \"files\": null }"), @r#"
    error: `.` is written twice, first in line 1
     1:27 | { "files": { ".": "read", ".": "write" },
                                      ^^^
      help: remove one `.`
    error: `files` is written twice, first in line 1
     2:3 |   "files": null }
             ^^^^^^^
      help: remove one `files`
    error: `files` must be a table of paths, not null
     2:12 |   "files": null }
                       ^^^^
    "#);
    insta::assert_snapshot!(json("{ \"limits\": { \"processes\": 1e3 } }"), @r#"
    error: `processes` must be a whole number, not a fraction
     1:28 | { "limits": { "processes": 1e3 } }
                                       ^^^
    "#);
}

#[test]
fn too_much_is_told_in_one_line() {
    let mut rules = "[files]\n".to_owned();
    for number in 0..=decode::RULES {
        writeln!(rules, "'{number}' = 'reed'").unwrap();
    }
    insta::assert_snapshot!(toml(&rules), @"
    error: the policy has more than 10000 rules
     1:1 | [files]
           ^^^^^^^
    ");
    let key = "k".repeat(500);
    insta::assert_snapshot!(toml(&format!("{key} = 1\n")), @"
    error: unknown key `kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk…`
     1:1 | kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: write `extends`, `protect`, `files`, `network`, `environment`, `limits`, `system` or `fixed`
    ");
    let text = "#".repeat(file::LIMIT + 1);
    insta::assert_snapshot!(Policy::from_toml(&text, None).unwrap_err(), @"the policy is larger than 1 MiB");
}

#[test]
fn what_can_be_fixed() {
    insta::assert_snapshot!(toml("fixed = 1\n"), @r"
    error: `fixed` must be a table, not a number
     1:9 | fixed = 1
                   ^
    ");
    insta::assert_snapshot!(toml("[fixed]\nextends = ['agent']\nfixed = {}\n[fixed.files]\n'/' = 'raed'\n"), @r"
    error: unknown key `extends` in `[fixed]`
     2:1 | extends = ['agent']
           ^^^^^^^
      help: write `files`, `network`, `environment`, `limits` or `system`
    error: unknown key `fixed` in `[fixed]`
     3:1 | fixed = {}
           ^^^^^
      help: write `files`
    error: unknown access `raed` for `/`
     5:7 | '/' = 'raed'
                 ^^^^^^
      help: write `read`
    ");
}
