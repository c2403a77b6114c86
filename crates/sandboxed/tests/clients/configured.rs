//! Package managers ask the registry that the person has configured, and none that the project names.

use sandbox_testing::{needs, toolchain};
use sandboxed::{Context, DestinationPreset, Policy, Preset, Source, Verdict};

use crate::packages::registries;
use crate::servers::PYTHON;
use crate::world::{ALLOWED, DENIED, SAYS, World};

/// A manager whose configuration, a file in the home, names the registry at the allowed name. What its preset opens is that.
struct Case<'a> {
    preset: DestinationPreset,
    file: &'a str,
    configuration: String,
    /// Installs a package and shows it.
    install: String,
    /// The same from `@name`, which the project, or the command itself, says.
    install_from: String,
}

impl Case<'_> {
    fn holds(&self, world: &World) {
        let file = format!("@home/{}", self.file);
        world.host.write(&file, &self.configuration);
        let mut context = Context::new(world.host.path("@ws"));
        context.home = Some(world.host.path("@home"));
        let policy = || {
            Policy::preset(Preset::ReadOnly)
                .write(world.host.path("@ws"))
                .set("HOME", world.host.path("@home"))
                // Where it is a known secret, it looks empty otherwise, and the tool asks its own registry.
                .read(world.host.path(&file))
                .allow(world.address.to_string())
        };
        let inside = |policy: &Policy| world.inside_for(policy, context.clone());

        let configured = inside(&policy().allow_preset(self.preset));
        configured.succeeds(&self.install, ALLOWED, SAYS);
        let place = world.host.path(&file).display().to_string();
        configured.until_told(&|event| {
            let source = event.rule.as_ref().map(|rule| &rule.source);
            let is_preset = matches!(source, Some(Source::Destinations { preset, .. }) if *preset == self.preset);
            let is_told = source.is_some_and(|source| source.to_string().contains(&place));
            event.destination.to_string() == ALLOWED
                && event.verdict == Verdict::Allow
                && is_preset
                && is_told
        });
        configured.fails(&self.install_from, DENIED, SAYS);
        configured.until_told(&|event| {
            event.destination.to_string() == DENIED && event.verdict == Verdict::Deny
        });

        // The controls: what the project says is done where a rule allows it, and without the preset nothing is reached.
        let open = inside(&policy().allow_preset(self.preset).allow(DENIED));
        open.succeeds(&self.install_from, DENIED, SAYS);
        inside(&policy()).fails(&self.install, ALLOWED, SAYS);
    }
}

#[test]
fn pip() {
    let Some((world, https)) = registries(&[]) else {
        return;
    };
    world.outside(&format!("{PYTHON} -m venv env"), &[]);
    let install = |options: &str| {
        format!(
            "rm -rf there; @outside/env/bin/pip install -q --disable-pip-version-check --no-cache-dir --retries 0 \
             --cert @outside/ca.pem {options} --target there greet; cat there/greet.py"
        )
    };
    let case = Case {
        preset: DestinationPreset::Pip,
        file: ".config/pip/pip.conf",
        configuration: format!("[global]\nindex-url = https://{ALLOWED}:{https}/simple/\n"),
        install: install(""),
        install_from: install(&format!("--index-url https://@name:{https}/simple/")),
    };
    case.holds(&world);
}

#[test]
fn npm() {
    let Some((world, https)) = registries(&["npm", "node"]) else {
        return;
    };
    // A command writes no such file itself.
    world.host.write(
        "theirs/.npmrc",
        format!("registry=https://{DENIED}:{https}/npm/\n"),
    );
    let install = |project: &str| {
        format!(
            "mkdir -p {project}; cd {project}; rm -rf node_modules package-lock.json; echo '{{}}' > package.json; \
             npm install --cafile @outside/ca.pem --fetch-retries 0 \
             --no-audit --no-fund --no-update-notifier --loglevel error greet; cat node_modules/greet/index.js"
        )
    };
    let case = Case {
        preset: DestinationPreset::Npm,
        file: ".npmrc",
        configuration: format!("registry=https://{ALLOWED}:{https}/npm/\n"),
        install: install("ours"),
        install_from: install("theirs"),
    };
    case.holds(&world);
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
        "manifest",
        "[package]\nname = \"page\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\ngreet = \"1\"\n",
    );
    let configuration = |name: &str| {
        format!(
            "[source.crates-io]\nreplace-with = \"own\"\n[source.own]\nregistry = \"sparse+https://{name}:{https}/cargo/\"\n"
        )
    };
    // A command writes no such file itself.
    world
        .host
        .write("theirs/.cargo/config.toml", configuration(DENIED));
    // What cargo keeps in its home, it keeps where it may write.
    let install = |project: &str| {
        format!(
            "mkdir -p {project}; cd {project}; rm -rf home Cargo.lock; mkdir -p src home; touch src/lib.rs; \
             cp ../manifest Cargo.toml; cp @home/.cargo/config.toml home; \
             CARGO_HOME=$PWD/home CARGO_NET_RETRY=0 CARGO_HTTP_CAINFO=@outside/ca.pem cargo fetch -q; \
             cat home/registry/src/*/greet-1.0.0/src/lib.rs"
        )
    };
    let case = Case {
        preset: DestinationPreset::Cargo,
        file: ".cargo/config.toml",
        configuration: configuration(ALLOWED),
        install: install("ours"),
        install_from: install("theirs"),
    };
    case.holds(&world);
}
