//! A policy made ready for this host, in which commands run.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox_core::{
    Context, Enforcement, NetworkRules, Policy, PolicyError, PolicyErrors, Ruleset, Source,
    own_addresses,
};
use sandbox_linux::filter::Feature;
use sandbox_linux::{Connectivity, Early, HostFacts, Plan, Prepared, Start};

use crate::denials::{Tell, Teller};
use crate::network::{self, Service, Told};
use crate::review::{Before, Made};
use crate::{Changes, Command, Error, Event, NetworkAnswer, NetworkEvent, NetworkQuestion};

/// A policy made ready for this host: resolved, compiled, everything opened. Commands run in it.
///
/// The first command makes the sandbox, those after it run in what is there. They share its private directories, IPC and
/// loopback network; the processes of each are its own, whether one runs after the other or beside it, and none outlives its
/// command. What a command has from the caller as any child has it (umask, ignored signals, process group) is that of its
/// start; nice value, limits and CPUs are those of when its first process was made.
///
/// The policy is resolved once, by [`new`](Self::new), and so is the environment that it passes. Of what changes on the host
/// afterwards only this is seen: what it replaces at a hidden or protected name, or makes at a hidden one, is covered again a
/// moment later.
///
/// `new` starts the first process already, and up to eight wait for further commands. They are children of the caller as long as
/// the sandbox lives: a `waitpid(-1)` waits for them, too.
///
/// A clone is another handle on the same sandbox. With the last one it ends, but for commands that run: each ends with its
/// [`Child`](crate::Child).
///
/// ```
/// use sandboxed::{Policy, Preset, Sandbox};
///
/// # fn main() -> Result<(), sandboxed::Error> {
/// let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
/// println!("{}", sandbox.enforcement());
/// assert!(sandbox.command("true").status()?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Sandbox(Arc<Shared>);

struct Shared {
    directory: PathBuf,
    ruleset: Arc<Ruleset>,
    plan: Plan,
    prepared: Prepared,
    /// Its gateway, if its policy names destinations, and what that was resolved from: the network's part of it may change.
    network: Option<(Service, Box<(Policy, Context)>)>,
    variables: Vec<(OsString, OsString)>,
    denials: Option<Arc<Teller>>,
    before: Before,
}

/// Makes a [`Sandbox`] for other circumstances than those that are found: another directory, a lesser host, another
/// environment.
///
/// ```
/// use sandboxed::{HostFacts, Policy, Preset, Sandbox};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let debian_12 = HostFacts::detect().lowered(&"linux-6.1".parse()?);
/// let sandbox = Sandbox::builder().facts(debian_12).build(&Policy::preset(Preset::ReadOnly))?;
/// assert!(sandbox.command("true").status()?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use]
pub struct Builder {
    context: Option<Context>,
    facts: Option<HostFacts>,
    environment: Option<Vec<(OsString, OsString)>>,
    gateway: sandbox_gateway::Options,
    told: Told,
    on_denial: Option<Tell>,
}

impl Sandbox {
    /// Resolves `policy` for the current directory, account and host.
    ///
    /// # Errors
    ///
    /// [`Error::Policy`] with everything that is wrong with the policy, [`Error::Unenforceable`] if this host cannot
    /// enforce it, [`Error::Launch`] if something that it needs cannot be opened.
    pub fn new(policy: &Policy) -> Result<Self, Error> {
        Self::builder().build(policy)
    }

    /// A sandbox for other circumstances than those that are found.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A command that will run in this sandbox.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command<'_> {
        Command::new(self, program.as_ref())
    }

    /// Which mechanism holds which part of the policy on this host, and what is not held.
    pub fn enforcement(&self) -> Enforcement {
        self.0.plan.enforcement()
    }

    /// What is done on this host before a command runs, step by step.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// The policy, resolved: one answer per question. What [`update_network`](Self::update_network) changes is not in it.
    #[must_use]
    pub fn ruleset(&self) -> &Ruleset {
        &self.0.ruleset
    }

    /// Has other rules about the network hold, for the commands that run and for those to come: all that `policy` says of it, in the
    /// place of what was said before. A connection that they deny ends. What was answered for a destination, where the policy says
    /// `ask`, goes on to hold.
    ///
    /// ```
    /// use sandboxed::{Network, Policy, Preset, Sandbox};
    ///
    /// # fn main() -> Result<(), sandboxed::Error> {
    /// let policy = Policy::preset(Preset::ReadOnly);
    /// let sandbox = Sandbox::new(&policy.clone().allow("10.0.0.0/8"))?;
    /// sandbox.update_network(&policy.clone().allow("10.0.0.0/8:443"))?;
    /// sandbox.update_network(&policy)?;                        // nothing is reached any more
    /// assert!(sandbox.update_network(&policy.write("/srv")).is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Then everything is as it was. [`Error::Policy`] with what is wrong with the policy, [`Error::Update`] if it says something else
    /// than the sandbox's own of anything but the network, or needs another network than the sandbox was made with: the host's, any
    /// where nothing was reached, other ports of the host's loopback, other published ports.
    pub fn update_network(&self, policy: &Policy) -> Result<(), Error> {
        let shared = &*self.0;
        let Some((service, made_of)) = &shared.network else {
            let what = network::WHICH;
            return Err(Error::Update { what });
        };
        let (before, context) = &**made_of;
        if policy.differs_beyond_network(before) {
            let what = "anything but the network";
            return Err(Error::Update { what });
        }
        let ruleset = shared.ruleset.with_network(policy, context)?;
        if let Some(what) = network::unchangeable(&shared.ruleset, &ruleset) {
            return Err(Error::Update { what });
        }
        service.update(ruleset)
    }

    /// What is different on the host since the sandbox was made, where programs of the person's act on it: the protected files that a
    /// rule of the policy opens, git repositories that were made, and what git runs when a person has it go on with a rebase or a
    /// cherry-pick. Not only commands change such files: whatever happened meanwhile is there.
    ///
    /// It looks at the host at that moment; what commands do meanwhile is there or not. Files of more than 1 MiB, or beyond
    /// 16 MiB together, are compared by size and times; where there are more than 256 files the directory is
    /// [`Crowded`](crate::ChangeKind::Crowded); what is more of git's than 1,000 repositories is counted.
    ///
    /// ```
    /// use sandboxed::{Policy, Preset, Sandbox};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let host = tempfile::tempdir()?;
    /// # let workspace = sandbox_core::resolve(host.path())?.path;
    /// let settings = workspace.join(".vscode/settings.json");
    /// # std::fs::create_dir(workspace.join(".vscode"))?;
    /// # std::fs::write(&settings, "{\n}\n")?;
    /// let policy = Policy::preset(Preset::ReadOnly).write(&workspace).write(&settings);
    /// let sandbox = Sandbox::new(&policy)?;
    /// let mut sh = sandbox.command("sh");
    /// assert!(sh.args(["-c", "echo '// more' >> \"$0\""]).arg(&settings).status()?.success());
    /// let changes = sandbox.changes();
    /// assert_eq!(changes.all[0].to_string(), format!("{} +1 -0", settings.display()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn changes(&self) -> Changes {
        let prepared = &self.0.prepared;
        let seen = prepared.made();
        let made = Made {
            repositories: seen.repositories,
            unfinished: seen.unfinished,
            omitted: seen.omitted,
        };
        let is_blind = !prepared.sees_what_is_made();
        self.0.before.changes(&self.0.ruleset, made, is_blind)
    }

    /// Starts a command, and with the first one the gateway.
    pub(crate) fn launch(&self, start: &Start<'_>) -> Result<sandbox_linux::Child, Error> {
        if let Some(denials) = &self.0.denials {
            denials.begin();
        }
        let Some((network, _)) = &self.0.network else {
            return Ok(self.0.prepared.launch(start)?);
        };
        network.start(&self.0.prepared)?;
        let child = self.0.prepared.launch(start)?;
        network.serve(&self.0.prepared)?;
        Ok(child)
    }

    /// The directory that the policy was resolved for.
    pub(crate) fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// What the policy gives a command of the caller's environment and sets itself.
    pub(crate) fn variables(&self) -> &[(OsString, OsString)] {
        &self.0.variables
    }
}

impl Builder {
    /// Where and for whom the policy is resolved. Default: the current directory, the calling account. Addresses of the host that it
    /// does not state are those that the interfaces have by now.
    pub fn context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// What the host can do. Default: what is detected.
    pub fn facts(mut self, facts: HostFacts) -> Self {
        self.facts = Some(facts);
        self
    }

    /// The environment from which the policy chooses. Default: the caller's.
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        self.environment = Some(variables.into_iter().collect());
        self
    }

    /// Is told of each connection when it has ended, with the process that made it where that is known, and of what was denied, on the
    /// gateway's thread: what takes long there holds up every connection.
    ///
    /// ```
    /// use sandboxed::{Network, Policy, Preset, Sandbox};
    ///
    /// # fn main() -> Result<(), sandboxed::Error> {
    /// let policy = Policy::preset(Preset::Agent).allow("localhost:5432");
    /// let sandbox = Sandbox::builder()
    ///     .on_network(|event| eprintln!("{}", event.to_json()))
    ///     .build(&policy)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_network(mut self, tell: impl Fn(&NetworkEvent) + Send + Sync + 'static) -> Self {
        self.gateway = self.gateway.on_event(tell);
        self
    }

    /// Leaves out of what is told which process made a connection: nobody looks for it then.
    pub fn without_processes(mut self) -> Self {
        self.told = Told::NoProcesses;
        self
    }

    /// Is told of what was denied, with the rule and with what would allow it: each thing once a command, and once more, with how often
    /// it was tried, when the next command starts or the sandbox ends. It is told on threads of the sandbox's, a moment later than the
    /// command, and all of it before the last handle on the sandbox and its commands is gone.
    ///
    /// That is connections and names, datagrams, where there is a notifier Unix sockets (to connect to one, or to make one), and where
    /// something of the host's may be written also files: to make, link or rename them or to open them for writing. Not to read, to delete
    /// them or to change their modes, which the kernel alone denies; nor what the permissions of the host deny as well. The stack of
    /// the thread has 256 KiB.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    ///
    /// use sandboxed::{Policy, Preset, Sandbox};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let host = tempfile::tempdir()?;
    /// # let workspace = sandbox_core::resolve(host.path())?.path;
    /// let denied = Arc::new(Mutex::new(Vec::new()));
    /// let told = Arc::clone(&denied);
    /// let sandbox = Sandbox::builder()
    ///     .on_denial(move |event| told.lock().unwrap().push(event.to_string()))
    ///     .build(&Policy::preset(Preset::ReadOnly).write(&workspace))?;
    /// let direnv = workspace.join(".envrc");
    /// assert!(!sandbox.command("touch").arg(&direnv).status()?.success());
    /// drop(sandbox);
    /// let expected = format!(
    ///     r#"create {0} (protected: direnv runs it on entering the directory); allowed by "{0}" = "write""#,
    ///     direnv.display(),
    /// );
    /// assert_eq!(*denied.lock().unwrap(), [expected]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_denial(mut self, tell: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on_denial = Some(Box::new(tell));
        self
    }

    /// Answers for destinations that no rule names, where the policy says `ask`; without it they are denied. A connection waits for
    /// the answer for a minute; several to the same destination wait for one.
    pub fn on_request(
        mut self,
        answer: impl Fn(&NetworkQuestion) -> NetworkAnswer + Send + Sync + 'static,
    ) -> Self {
        self.gateway = self.gateway.ask(answer);
        self
    }

    /// A file like hosts(5) that is asked for names, in the place of the host's resolver.
    pub fn hosts(mut self, file: impl Into<PathBuf>) -> Self {
        self.gateway.hosts = Some(file.into());
        self
    }

    /// Resolves, compiles and prepares `policy`.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::new`].
    pub fn build(self, policy: &Policy) -> Result<Sandbox, Error> {
        let facts = self.facts.unwrap_or_else(HostFacts::detect);
        // It begins meanwhile. What keeps it from that keeps every other from it, and is told by the first command, after
        // what is wrong with the policy.
        let connectivity = Connectivity::of(&NetworkRules::of(policy));
        let early = Early::begin(&facts, &connectivity);
        let mut context = match self.context {
            Some(context) => context,
            None => Context::detect().map_err(PolicyErrors::from)?,
        };
        // The gateway looks for itself, at once and again; here a layer that may only narrow is compared with what is closed.
        if matches!(connectivity, Connectivity::Gateway { .. }) {
            if context.addresses.is_empty() {
                context.addresses = own_addresses().map_err(|source| Error::Gateway { source })?;
            }
            context.read_hosts();
        }
        let ruleset = Arc::new(Ruleset::resolve(policy, &context)?);
        known_features(&ruleset)?;
        let denials = self.on_denial.map(|tell| Teller::new(tell, &ruleset));
        let mut gateway = self.gateway;
        if let Some(denials) = &denials {
            gateway = denials.of_network(gateway);
        }
        let network = Service::of(&ruleset, gateway, self.told);
        let plan = Plan::compile(&ruleset, &facts)?;
        let mut prepared = match early {
            Ok(early) => Prepared::with(&plan, early)?,
            Err(_) => Prepared::new(&plan)?,
        };
        if let Some(denials) = &denials {
            prepared.on_denial(denials.of_names());
        }
        let mut variables = match self.environment {
            Some(variables) => ruleset.environment().apply(variables),
            None => ruleset.environment().apply(std::env::vars_os()),
        };
        if network.is_some() {
            network::name_proxies(&ruleset, &mut variables);
        }
        let directory = context.cwd.clone();
        let before = Before::look(&ruleset);
        Ok(Sandbox(Arc::new(Shared {
            directory,
            ruleset,
            plan,
            prepared,
            network: network.map(|service| (service, Box::new((policy.clone(), context)))),
            variables,
            denials,
            before,
        })))
    }
}

/// Only the operating system's part knows which features there are; that the name is none is still told with its place.
fn known_features(ruleset: &Ruleset) -> Result<(), PolicyErrors> {
    for (name, source) in &ruleset.system().features {
        if let (Source::File(at), Err(_)) = (source, name.parse::<Feature>()) {
            return Err(PolicyErrors::from(PolicyError::UnknownKey {
                at: at.clone(),
                table: "[system]",
                key: name.clone(),
                known: Feature::NAMES,
            }));
        }
    }
    Ok(())
}

// Without the values of variables, which may be secret.
impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("directory", &self.directory())
            .field("ruleset", &self.0.ruleset)
            .finish_non_exhaustive()
    }
}

// Without the values of variables, which may be secret.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
