//! Packages, with the settings of their authors' tools: below a directory of dependencies they are files like others.

use std::path::Path;
use std::process::Command;

use sandbox_testing::{needs, tool, toolchain};

use crate::{Day, Step, denied, step};

/// A package as they are published: with settings of its author's tools.
const PACKAGE: &str = "set -e
    mkdir -p package/.vscode package/.github/workflows package/.cargo package/.husky package/.idea
    echo '{\"name\": \"dep\", \"version\": \"1.0.0\", \"main\": \"index.js\", \"bin\": \"cli.js\", \"scripts\": {\"postinstall\": \"echo x > built; mv built made\"}}' > package/package.json
    echo 'module.exports = 42;' > package/index.js
    printf '#!/usr/bin/env node\\nconsole.log(require(\".\"));\\n' > package/cli.js; chmod 755 package/cli.js
    for file in .vscode/settings.json .npmrc .github/workflows/ci.yml .envrc .husky/pre-commit .idea/x.xml .editorconfig .cargo/config.toml .mcp.json .gitignore; do : > package/$file; done
    find package -exec touch -d 2001-01-01T00:00:00Z {} +
    tar -czf dep.tgz package";

#[rustfmt::skip]
const NPM: &[Step] = &[
    step("mkdir app; cd app; npm init -y >/dev/null; cat package.json"),
    step("cd app; npm install --offline --no-audit --no-fund --silent @outside/dep.tgz; ls -A node_modules/dep; cat node_modules/dep/made"),
    step("cd app; echo 'require(\"node:test\")(\"dep\", () => require(\"node:assert\").equal(require(\"dep\"), 42));' > x.test.js; \
          npm pkg set scripts.test='node --test >/dev/null && dep'; npm test --silent"),
    step("cd app; npm ci --offline --no-audit --no-fund --silent; node_modules/.bin/dep; npm ls"),
    step("cd app; npm install --offline --no-audit --no-fund --silent @outside/dep.tgz; npm pack --silent"),
    step("cd app; npm uninstall --offline --no-audit --no-fund --silent dep; rm -rf node_modules"),
    step("cd app; mkdir -p a b; (cd a; npm init -y; cd ../b; npm init -y) >/dev/null; npm pkg set 'workspaces[]=a' 'workspaces[]=b'; npm install --offline --no-audit --no-fund --silent; ls node_modules"),
    denied("rm -rf package; tar -xzf @outside/dep.tgz", &["package/.vscode", "package/.npmrc", "package/.envrc", "package/.husky", "package/.idea", "package/.cargo/config.toml", "package/.mcp.json"]),
];

#[test]
fn npm_works_all_day() {
    if needs(
        "npm and node",
        tool("npm").is_some() && tool("node").is_some(),
    ) {
        Day::new(PACKAGE).passes(NPM);
    }
}

const CRATE: &str = "set -e
    for dep in near vendored; do
        mkdir -p $dep/src $dep/.cargo $dep/.github/workflows $dep/.vscode; cd $dep
        printf '[package]\\nname = \"%s\"\\nversion = \"1.0.0\"\\nedition = \"2021\"\\n' $dep > Cargo.toml
        echo 'pub fn word() -> u32 { 42 }' > src/lib.rs
        for file in .cargo/config.toml .github/workflows/ci.yml .vscode/settings.json .gitignore; do : > $file; done
        cd ..
    done
    echo '{\"files\":{}}' > vendored/.cargo-checksum.json";

#[rustfmt::skip]
const CARGO: &[Step] = &[
    step("rm -rf app; cargo new -q app; cd app; git status -s"),
    step("cd app; cargo run -q"),
    step("cd app; mkdir vendor; cp -a @outside/vendored vendor; cargo add -q --path @outside/near; echo 'vendored = { path = \"vendor/vendored\" }' >> Cargo.toml; \
          echo 'fn main() { println!(\"{} {}\", near::word(), vendored::word()); } #[test] fn passes() {}' > src/main.rs; cargo build -q --offline; ./target/debug/app"),
    step("cd app; cargo test -q --offline | grep -c '1 passed'; cargo check -q; cargo tree --offline"),
    step("cd app; echo >> src/main.rs; touch src/main.rs; cargo build -q --offline; cargo metadata --offline --format-version 1 >/dev/null; git add .; git commit -qm app"),
    step("mkdir lib; cd lib; cargo init -q --lib --vcs none; cargo package -q --offline --allow-dirty; ls target/package; cargo install -q --offline --path ../app --root ../installed; ../installed/bin/app"),
    step("cd app; cargo clean -q; rm -rf vendor target; git checkout -q .; git status -s"),
    denied("rm -rf near; cp -r @outside/near .", &["near/.vscode", "near/.cargo/config.toml"]),
];

#[test]
fn cargo_works_all_day() {
    let bin = toolchain();
    if needs("cargo", bin.is_some()) && needs("git", tool("git").is_some()) {
        let bin = bin.unwrap_or_default();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
        let day = Day::with_path(path.into(), CRATE);
        let tolerated = &["~/.cargo"];
        Day { tolerated, ..day }.passes(CARGO);
    }
}

/// A wheel, and what one is built from: the tool that builds it comes with it, since there is none to be downloaded.
const WHEEL: &str = "set -e
    mkdir -p sdist-1.0/.vscode sdist-1.0/.github/workflows sdist-1.0/.idea; cd sdist-1.0
    for file in .vscode/settings.json .github/workflows/ci.yml .idea/x.xml .envrc .pypirc .pre-commit-config.yaml; do : > $file; done
    cat > backend.py <<END
import zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None, name='sdist'):
    file = name + '-1.0-py3-none-any.whl'
    with zipfile.ZipFile(directory + '/' + file, 'w') as wheel:
        info = name + '-1.0.dist-info/'
        for path, text in [
            (name + '/__init__.py', 'def main(): print(42)'), (name + '/.vscode/settings.json', ''), (name + '/.envrc', ''),
            (info + 'METADATA', 'Metadata-Version: 2.1\\nName: ' + name + '\\nVersion: 1.0\\n'),
            (info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'),
            (info + 'entry_points.txt', '[console_scripts]\\n' + name + ' = ' + name + ':main\\n'), (info + 'RECORD', ''),
        ]: wheel.writestr(zipfile.ZipInfo(path, (2001, 1, 1, 0, 0, 0)), text)
    return file
END
    printf '[build-system]\\nrequires = []\\nbuild-backend = \"backend\"\\nbackend-path = [\".\"]\\n[project]\\nname = \"sdist\"\\nversion = \"1.0\"\\n' > pyproject.toml
    printf 'Metadata-Version: 2.1\\nName: sdist\\nVersion: 1.0\\n' > PKG-INFO
    python3 -c 'import backend; backend.build_wheel(\"..\", name=\"wheel\")'
    cd ..; tar -czf sdist-1.0.tar.gz sdist-1.0";

#[rustfmt::skip]
const PYTHON: &[Step] = &[
    step("python3 -m venv env; env/bin/python -c 'import sys; print(sys.prefix != sys.base_prefix)'"),
    step("env/bin/pip install -q --no-index --disable-pip-version-check @outside/wheel-1.0-py3-none-any.whl; env/bin/wheel; ls -A env/lib/python3*/site-packages/wheel/.vscode"),
    step("env/bin/pip install -q --no-index --disable-pip-version-check @outside/sdist-1.0.tar.gz; env/bin/sdist"),
    step("printf 'import unittest\\nclass Passes(unittest.TestCase):\\n    def test(self): import wheel, sdist\\n' > test_x.py; env/bin/python -m unittest -q 2>/dev/null"),
    step("env/bin/pip install -q --no-index --disable-pip-version-check --force-reinstall @outside/wheel-1.0-py3-none-any.whl; env/bin/pip uninstall -qy sdist; rm -rf env"),
    denied("rm -rf sdist-1.0; tar -xzf @outside/sdist-1.0.tar.gz", &["sdist-1.0/.vscode", "sdist-1.0/.idea", "sdist-1.0/.envrc", "sdist-1.0/.pypirc", "sdist-1.0/.pre-commit-config.yaml"]),
];

#[test]
fn python_works_all_day() {
    // Not a shim of a version manager, which finds nothing without its home.
    let python = Path::new("/usr/bin/python3");
    let has_modules = Command::new(python)
        .args(["-c", "import venv, ensurepip, zipfile"])
        .output();
    if needs(
        "python3 with venv",
        has_modules.is_ok_and(|output| output.status.success()),
    ) {
        Day::with_path("/usr/bin:/bin".into(), WHEEL).passes(PYTHON);
    }
}

const MODULE: &str = "set -e
    mkdir -p dep/.github/workflows dep/.vscode; cd dep
    printf 'module example.com/dep\\n\\ngo 1.19\\n' > go.mod; printf 'package dep\\n\\nfunc Word() int { return 42 }\\n' > dep.go
    for file in .vscode/settings.json .envrc .github/workflows/ci.yml .npmrc; do : > $file; done";

#[rustfmt::skip]
const GO: &[Step] = &[
    step("mkdir app; cd app; go mod init example.com/app 2>/dev/null; go mod edit -require=example.com/dep@v1.0.0 -replace=example.com/dep=../dep; \
          mkdir ../dep; cp @outside/dep/dep.go @outside/dep/go.mod ../dep; printf 'package main\\n\\nimport (\\n\"example.com/dep\"\\n\"fmt\"\\n)\\n\\nfunc main() { fmt.Println(dep.Word()) }\\n' > main.go; \
          gofmt -w main.go; go build -o app; ./app"),
    step("cd app; printf 'package main\\n\\nimport \"testing\"\\n\\nfunc Test(t *testing.T) { t.TempDir() }\\n' > main_test.go; go test . | cut -c1-2; go vet ./..."),
    step("cd app; go mod edit -replace=example.com/dep=@outside/dep; go mod vendor; cp -r @outside/dep/.vscode @outside/dep/.github @outside/dep/.npmrc vendor/example.com/dep; go build -mod=vendor -o app; go run -mod=vendor .; go list -deps . | tail -1"),
    step("cd app; go test -c -o x.test .; ./x.test -test.run . ; go clean; GOBIN=$PWD/bin go install .; bin/app"),
    denied("rm -rf fork; cp -r @outside/dep fork; cd fork; go build .", &["fork/.vscode", "fork/.envrc", "fork/.npmrc"]),
];

#[test]
fn go_works_all_day() {
    if needs("go", tool("go").is_some()) {
        let tolerated = &["~/go"];
        let day = Day::new(MODULE);
        Day { tolerated, ..day }.passes(GO);
    }
}
