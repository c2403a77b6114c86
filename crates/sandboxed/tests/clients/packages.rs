//! Package managers, each with a registry of its own.

use sandbox_testing::{needs, toolchain};

use crate::servers::PYTHON;
use crate::world::{SAYS, World};

/// A site with a package for every manager; the port of HTTPS.
pub(crate) fn registries(programs: &[&str]) -> Option<(World, u16)> {
    let mut world = World::with(&[programs, &[PYTHON]].concat())?;
    let mut make = world.python(include_str!("packages.py"), &[SAYS]);
    let output = make
        .current_dir(world.host.path("@outside"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let [_, https] = world.serve_site();
    Some((world, https))
}

#[test]
fn pip() {
    let Some((world, https)) = registries(&[]) else {
        return;
    };
    world.outside(&format!("{PYTHON} -m venv env"), &[]);
    world.reaches_only_what_is_allowed(&format!(
        "rm -rf there; @outside/env/bin/pip install -q --disable-pip-version-check --no-cache-dir --retries 0 \
         --cert @outside/ca.pem --index-url https://@name:{https}/simple/ --target there greet; cat there/greet.py"
    ));
}

#[test]
fn npm() {
    let Some((world, https)) = registries(&["npm", "node"]) else {
        return;
    };
    world.reaches_only_what_is_allowed(&format!(
        "rm -rf project; mkdir project; cd project; echo '{{}}' > package.json; \
         npm install --cafile @outside/ca.pem --registry https://@name:{https}/npm/ --fetch-retries 0 \
         --no-audit --no-fund --no-update-notifier --loglevel error greet; cat node_modules/greet/index.js"
    ));
}

#[test]
fn cargo() {
    if !needs("cargo", toolchain().is_some()) {
        return;
    }
    let Some((world, https)) = registries(&[]) else {
        return;
    };
    world.host.write(
        "Cargo.toml",
        "[package]\nname = \"page\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\ngreet = \"1\"\n",
    );
    world.host.write("src/lib.rs", "");
    world.reaches_only_what_is_allowed(&format!(
        "rm -rf Cargo.lock home; CARGO_HOME=$PWD/home CARGO_NET_RETRY=0 CARGO_HTTP_CAINFO=@outside/ca.pem cargo fetch -q \
         --config 'source.crates-io.replace-with=\"own\"' \
         --config 'source.own.registry=\"sparse+https://@name:{https}/cargo/\"'; \
         cat home/registry/src/*/greet-1.0.0/src/lib.rs"
    ));
}
