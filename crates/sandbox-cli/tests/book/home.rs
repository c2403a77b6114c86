//! The home that the pages speak of: secrets, a shop, and a project for each tool.

use std::env;

use sandbox_testing::{Host, binary};

/// What is in it, beside the secrets that every [`Host`] has.
const FILES: &[(&str, &str)] = &[
    ("~/.bashrc", "alias ll='ls -l'\n"),
    ("~/.ssh/id_ed25519", "SECRET ssh key\n"),
    (
        "~/.srt-settings.json",
        r#"{
  "network": { "allowedDomains": [], "deniedDomains": [] },
  "filesystem": { "denyRead": ["**/.env"], "allowWrite": ["."], "denyWrite": [] }
}"#,
    ),
    ("~/notes/todo.txt", "bread\n"),
    ("~/shared/data.csv", "1,2\n"),
    (
        "~/shop/package.json",
        r#"{ "name": "shop", "version": "1.0.0", "scripts": { "test": "node test.js" } }"#,
    ),
    ("~/shop/test.js", "console.log('3 tests passed')\n"),
    ("~/shop/mcp.js", MCP_SERVER),
    ("~/shop/Makefile", "all:\n\t@echo built\n"),
    ("~/shop/.env", "SECRET password\n"),
    ("~/shop/demo/.env", "PORT=1\n"),
    ("~/shop/.git/HEAD", "ref: refs/heads/main\n"),
    ("~/shop/.git/config", "[core]\n"),
    ("~/shop/.git/hooks/pre-commit", "#!/bin/sh\n"),
    ("~/shop/assets/logo.svg", "<svg/>\n"),
    ("~/shop/assets/[draft].svg", "<svg/>\n"),
    ("~/shop/src/cart.js", "export {}\n"),
    ("~/shop/src/generated/api.js", "export {}\n"),
    ("~/shop/src/generated/keep.js", "export {}\n"),
    ("~/shop/v1/cart.js", "export {}\n"),
    (
        "~/parser/Cargo.toml",
        "[package]\nname = \"parser\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    ),
    ("~/parser/src/lib.rs", "#[test]\nfn one() {}\n"),
    ("~/report/pyproject.toml", "[project]\nname = \"report\"\n"),
    (
        "~/report/test_report.py",
        "import unittest\nclass Test(unittest.TestCase):\n    def test_one(self): pass\n",
    ),
    ("~/server/go.mod", "module server\n"),
    (
        "~/server/server_test.go",
        "package server\nimport \"testing\"\nfunc TestOne(*testing.T) {}\n",
    ),
];

/// A server of tools that knows one method.
const MCP_SERVER: &str = "\
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  const { id } = JSON.parse(line)
  console.log(JSON.stringify({ jsonrpc: '2.0', id, result: {} }))
})
";

/// A host with this home, and a `sandbox` in `@root/tools` that takes the host for the one that is tested.
pub(crate) fn host() -> Host {
    let lower = env::var("SANDBOX_TEST_LOWER");
    let lower = lower.map_or(String::new(), |facts| format!("--lower {facts}"));
    let program = binary();
    let program = program.display();
    let script = format!(
        "#!/bin/sh\ncase $1 in\n\
         run|shell|explain|check|doctor) action=$1; shift; exec {program} $action {lower} \"$@\" ;;\n\
         esac\nexec {program} \"$@\"\n"
    );
    let host = Host::new()
        .script("@root/tools/sandbox", &script)
        .symlink("~/shop/current", "v1");
    for (path, text) in FILES {
        host.write(path, text);
    }
    host
}
