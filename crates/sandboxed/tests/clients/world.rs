//! Two names at one address of the host's, a certificate for both, and sandboxes from which one of them is reached.

use std::env;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use sandbox_testing::{Host, needs, tool, toolchain, until};
use sandboxed::{
    Context, ExitStatus, HostFacts, NetworkEvent, Policy, Preset, Sandbox, Stdio, Verdict,
};

use crate::servers::Server;

pub(crate) const ALLOWED: &str = "allowed.test";
pub(crate) const DENIED: &str = "denied.test";
/// What every server has, and no other.
pub(crate) const SAYS: &str = "hello from the server";

/// The variables that name the proxies.
const PROXIES: [&str; 7] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "FTP_PROXY",
];

/// An authority, and a certificate of it for both names.
const CERTIFICATES: &str = "
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout authority.key -out ca.pem -days 9 -subj /CN=authority
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server
    printf 'subjectAltName=DNS:%s,DNS:%s\\nbasicConstraints=CA:FALSE\\n' \"$1\" \"$2\" > names
    openssl x509 -req -in server.csr -CA ca.pem -CAkey authority.key -CAcreateserial -days 9 -extfile names -out server.pem
";

/// A host with the two names.
pub(crate) struct World {
    pub(crate) host: Host,
    /// Where the servers listen: no other test's.
    pub(crate) address: Ipv4Addr,
    /// Ended before what they serve is removed.
    pub(crate) servers: Vec<Server>,
}

impl World {
    /// `None` where one of these programs is missing, which CI must not.
    pub(crate) fn with(programs: &[&str]) -> Option<Self> {
        // Tests run in one process as well as in many.
        static TESTS: AtomicU8 = AtomicU8::new(1);
        let mut programs = programs.iter().chain(&["openssl"]);
        if !programs.all(|name| needs(name, has(name))) {
            return None;
        }
        let [.., a, b] = process::id().to_be_bytes();
        let test = TESTS.fetch_add(1, Ordering::Relaxed);
        let address = Ipv4Addr::new(127, test, a, b.max(1));
        let world = Self {
            host: Host::new().dir("@outside/site"),
            address,
            servers: Vec::new(),
        };
        let names = format!("{address} {ALLOWED} {DENIED}\n");
        world.host.write("@outside/hosts", names);
        world.outside(CERTIFICATES, &[ALLOWED, DENIED]);
        Some(world)
    }

    /// Runs a script beside the workspace, outside of any sandbox.
    pub(crate) fn outside(&self, script: &str, words: &[&str]) {
        let output = process::Command::new("sh")
            .args(["-ec", script, "sh"])
            .args(words)
            .current_dir(self.host.path("@outside"))
            .env("HOME", self.host.path("@home"))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {errors}");
    }

    /// A script reaches the allowed name, and prints what the server has; with the denied one it fails, and an event says which
    /// rule denies it and what would allow it. `@name` in the script is the name.
    pub(crate) fn reaches_only_what_is_allowed(&self, script: &str) {
        for proxies in [true, false] {
            let inside = self.inside(&self.policy(proxies));
            inside.succeeds(script, ALLOWED, SAYS);
            inside.until_told(&|event| {
                event.destination.to_string() == ALLOWED
                    && event.verdict == Verdict::Allow
                    && event.received > 0
            });
            inside.fails(script, DENIED, SAYS);
            inside.until_told(&is_denied);
        }
    }

    /// A sandbox in which these names exist.
    pub(crate) fn inside(&self, policy: &Policy) -> Inside<'_> {
        self.inside_for(policy, Context::detect().unwrap())
    }

    /// The same for somebody else than who runs the tests.
    pub(crate) fn inside_for(&self, policy: &Policy, context: Context) -> Inside<'_> {
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        let sandbox = Sandbox::builder()
            .hosts(self.host.path("@outside/hosts"))
            .facts(facts())
            .context(context)
            // None of the settings of whoever runs the tests.
            .environment([("PATH".into(), path())])
            .on_network(move |event| kept.lock().unwrap().push(event.clone()))
            .build(policy)
            .unwrap();
        Inside {
            host: &self.host,
            sandbox,
            events,
        }
    }

    /// The address of the servers is closed, as every loopback's is, unless a rule names it.
    pub(crate) fn policy(&self, proxies: bool) -> Policy {
        let policy = Policy::preset(Preset::ReadOnly)
            .write(self.host.path("@ws"))
            .set("HOME", self.host.path("@home"))
            .allow(ALLOWED)
            .deny(DENIED)
            .allow(self.address.to_string());
        if proxies {
            return policy;
        }
        PROXIES.iter().fold(policy, Policy::drop_variable)
    }
}

/// A denial that names rule and remedy.
pub(crate) fn is_denied(event: &NetworkEvent) -> bool {
    let rule = event.rule.as_ref().map(|rule| rule.pattern.as_str());
    let remedy = event.remedy.as_deref().unwrap_or_default();
    event.destination.to_string() == DENIED
        && event.verdict == Verdict::Deny
        && rule == Some(DENIED)
        && remedy.starts_with("\"denied.test")
        && remedy.ends_with("\" = \"allow\"")
}

/// A sandbox, and what it tells of its network.
pub(crate) struct Inside<'world> {
    host: &'world Host,
    sandbox: Sandbox,
    events: Arc<Mutex<Vec<NetworkEvent>>>,
}

impl Inside<'_> {
    pub(crate) fn succeeds(&self, script: &str, name: &str, says: &str) {
        let (status, said) = self.run(script, name);
        let is_said = status.success() && said.contains(says);
        assert!(
            is_said,
            "{script}, {name}: {status}, {said}\n{}",
            self.told()
        );
    }

    pub(crate) fn fails(&self, script: &str, name: &str, says: &str) {
        let (status, said) = self.run(script, name);
        let is_silent = !status.success() && !said.contains(says);
        assert!(
            is_silent,
            "{script}, {name}: {status}, {said}\n{}",
            self.told()
        );
    }

    /// Runs a script about a name in the workspace.
    pub(crate) fn run(&self, script: &str, name: &str) -> (ExitStatus, String) {
        let script = self.host.expand(script).replace("@name", name);
        let mut command = self.sandbox.command("sh");
        command.args(["-ec", &script]).stdin(Stdio::null());
        command.current_dir(self.host.path("@ws"));
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status, String::from_utf8_lossy(&said).into_owned())
    }

    /// An event may come after the end of what it tells of.
    pub(crate) fn until_told(&self, what: &dyn Fn(&NetworkEvent) -> bool) {
        let is_told = || self.events.lock().unwrap().iter().any(what);
        until("an event tells of it", is_told);
    }

    /// The events, a line each.
    pub(crate) fn told(&self) -> String {
        let events = self.events.lock().unwrap();
        let lines: Vec<_> = events.iter().map(NetworkEvent::to_json).collect();
        lines.join("\n")
    }
}

/// What this host can do, lowered where the tests are.
fn facts() -> HostFacts {
    let facts = HostFacts::detect();
    match env::var("SANDBOX_TEST_LOWER") {
        Ok(level) => facts.lowered(&level.parse().unwrap()),
        Err(_) => facts,
    }
}

/// The caller's, and before it the toolchain itself, which needs no home.
fn path() -> OsString {
    let old = env::var_os("PATH").unwrap_or_default();
    let directories = toolchain().into_iter().chain(env::split_paths(&old));
    env::join_paths(directories).unwrap()
}

/// Whether this machine has a program; those with a slash are files.
fn has(program: &str) -> bool {
    if program.contains('/') {
        Path::new(program).try_exists().unwrap()
    } else {
        tool(program).is_some()
    }
}
