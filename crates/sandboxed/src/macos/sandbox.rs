//! A policy made ready for macOS, under which commands run.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox_core::{Changes, Context, Enforcement, Event, Policy, PolicyErrors, Ruleset};
use sandbox_gateway::{Answer, Event as NetworkEvent, Options, Question};
use sandbox_macos::{Facts, LOG, Profile, SANDBOX_EXEC, Start, Tag, probe};

use super::log::Log;
use super::network::{self, Service};
use super::temporary::Temporary;
use super::{Command, Error, Unenforceable, enforcement};
use crate::denials::{Tell, Teller};
use crate::review::{Before, Made};

/// A policy made ready for macOS: resolved, compiled to a profile that the system takes. Commands run under it.
///
/// The policy is resolved once, by [`new`](Self::new), and so is the environment that it passes. What holds holds for what is made later,
/// too. Commands share the private directory that `TMPDIR` names, where presets have `/tmp` private; it is removed with the sandbox.
///
/// A clone is another handle on the same sandbox, and so is a [`Child`](crate::Child). With the last one it ends.
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
    programs: Programs,
    profile: String,
    variables: Vec<(OsString, OsString)>,
    before: Before,
    // In this order: first nothing more is reached and read, then the rest is told.
    network: Option<Service>,
    _log: Option<Log>,
    denials: Option<Arc<Teller>>,
    _temporary: Option<Temporary>,
}

/// Those of Apple's that are used.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) sandbox_exec: PathBuf,
    pub(super) log: PathBuf,
}

impl Default for Programs {
    fn default() -> Self {
        Self {
            sandbox_exec: SANDBOX_EXEC.into(),
            log: LOG.into(),
        }
    }
}

/// Makes a [`Sandbox`] for other circumstances than those that are found: another directory, another environment.
///
/// ```
/// use sandboxed::{Policy, Preset, Sandbox};
///
/// # fn main() -> Result<(), sandboxed::Error> {
/// let sandbox = Sandbox::builder()
///     .environment([("PATH".into(), "/bin".into())])
///     .build(&Policy::preset(Preset::ReadOnly))?;
/// assert!(sandbox.command("true").status().is_err(), "it lies in /usr/bin");
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use]
pub struct Builder {
    context: Option<Context>,
    environment: Option<Vec<(OsString, OsString)>>,
    gateway: Options,
    on_denial: Option<Tell>,
    without_log: bool,
    pub(super) programs: Programs,
    /// In which directory the private one is made.
    pub(super) around: Option<PathBuf>,
}

impl Sandbox {
    /// Resolves `policy` for the current directory and account.
    ///
    /// # Errors
    ///
    /// [`Error::Policy`] with everything that is wrong with the policy, [`Error::Unenforceable`] if macOS cannot enforce it,
    /// [`Error::Launch`] if it does not take the profile, [`Error::Temporary`], [`Error::Gateway`] and [`Error::Log`] for what cannot be
    /// made.
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

    /// Which mechanism holds which part of the policy, and what is not held.
    pub fn enforcement(&self) -> Enforcement {
        enforcement::of(&self.0.ruleset)
    }

    /// The profile of Seatbelt under which commands run.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.0.profile
    }

    /// The policy, resolved: one answer per question.
    #[must_use]
    pub fn ruleset(&self) -> &Ruleset {
        &self.0.ruleset
    }

    /// Has other rules about the network hold, for the commands that run and for those to come: all that `policy` says of it, in the
    /// place of what was said before. A connection that they deny ends. What was answered for a destination, where the policy says
    /// `ask`, goes on to hold.
    ///
    /// ```
    /// use sandboxed::{Policy, Preset, Sandbox};
    ///
    /// # fn main() -> Result<(), sandboxed::Error> {
    /// let policy = Policy::preset(Preset::ReadOnly);
    /// let sandbox = Sandbox::new(&policy.clone().allow("example.com"))?;
    /// sandbox.update_network(&policy.clone().allow("example.com:443"))?;
    /// sandbox.update_network(&policy)?;                        // nothing is reached any more
    /// assert!(sandbox.update_network(&policy.write("/srv")).is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Then everything is as it was. [`Error::Policy`] with what is wrong with the policy, [`Error::Unenforceable`] if macOS cannot enforce
    /// it, [`Error::Update`] if it says something else than the sandbox's own of anything but the network, or needs another network than
    /// the sandbox was made with: the host's, any where nothing was reached, more or fewer ports of the host's loopback, which a command
    /// reaches by itself, other published ports.
    pub fn update_network(&self, policy: &Policy) -> Result<(), Error> {
        let shared = &*self.0;
        match &shared.network {
            Some(service) => service.update(&shared.ruleset, policy),
            None => Err(Error::Update {
                what: network::WHICH,
            }),
        }
    }

    /// What is different on the host since the sandbox was made, where programs of the person's act on it: the protected files that a
    /// rule of the policy opens, git repositories at the top of writable trees, and what git runs when a person has it go on with a
    /// rebase or a cherry-pick. Not only commands change such files: whatever happened meanwhile is there.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.0
            .before
            .changes(&self.0.ruleset, Made::default(), true)
    }

    pub(super) fn launch(&self, start: Start<'_>) -> Result<sandbox_macos::Child, Error> {
        if let Some(denials) = &self.0.denials {
            denials.begin();
        }
        Ok(start.start()?)
    }

    /// The directory that the policy was resolved for.
    pub(super) fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// What the policy gives a command of the caller's environment and sets itself.
    pub(super) fn variables(&self) -> &[(OsString, OsString)] {
        &self.0.variables
    }

    pub(super) fn wrapper(&self) -> &Path {
        &self.0.programs.sandbox_exec
    }
}

impl Builder {
    /// Where and for whom the policy is resolved. Default: the current directory, the calling account.
    pub fn context(mut self, context: Context) -> Self {
        self.context = Some(context);
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

    /// Is told of what was denied, with the rule and with what would allow it: connections by the gateway, and as far as the log of the
    /// system has it files that were to be written, made or linked, sockets, addresses. Each thing once a command, and once more, with how often it was tried, when
    /// the next command starts or the sandbox ends. It is told on a thread of the sandbox's, some time after it was tried; what the log
    /// has a third of a second after the sandbox's end is not told. For that the log is read, which is done for nothing else.
    pub fn on_denial(mut self, tell: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on_denial = Some(Box::new(tell));
        self
    }

    /// Leaves out of what is told of denials what the log of the system alone has, which is not read then: that is done by another
    /// program, which is given a moment in the end.
    ///
    /// # Platform
    ///
    /// macOS alone.
    pub fn without_log(mut self) -> Self {
        self.without_log = true;
        self
    }

    /// Is told of each connection when it has ended, and of what was denied, on the gateway's thread: what takes long there holds up every
    /// connection. Who comes to its door without the secret, which any program of the host can, is told as
    /// [`End::Unauthenticated`](crate::End::Unauthenticated).
    pub fn on_network(mut self, tell: impl Fn(&NetworkEvent) + Send + Sync + 'static) -> Self {
        self.gateway = self.gateway.on_event(tell);
        self
    }

    /// Leaves out of what is told which process made a connection, which nobody knows here anyway.
    pub fn without_processes(self) -> Self {
        self
    }

    /// Answers for destinations that no rule names, where the policy says `ask`; without it they are denied. A connection waits for
    /// the answer for a minute; several to the same destination wait for one.
    ///
    /// Whoever puts the question to a person at a terminal that the command has, too, has to see to it that the command does not write
    /// another one there: [`pause`](crate::Child::pause) stops its group, and not what has left that.
    pub fn on_request(
        mut self,
        answer: impl Fn(&Question) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.gateway = self.gateway.ask(answer);
        self
    }

    /// A file like hosts(5) that is asked for names, in the place of the host's resolver.
    pub fn hosts(mut self, file: impl Into<PathBuf>) -> Self {
        self.gateway.hosts = Some(file.into());
        self
    }

    /// Resolves and compiles `policy`, and has the system look at the profile.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::new`].
    pub fn build(self, policy: &Policy) -> Result<Sandbox, Error> {
        let mut context = match self.context {
            Some(context) => context,
            None => Context::detect().map_err(PolicyErrors::from)?,
        };
        network::describe(policy, &mut context)?;
        let ruleset = Arc::new(Ruleset::resolve(policy, &context)?);
        Unenforceable::look_for(&ruleset)?;
        let denials = self.on_denial.map(|tell| Teller::new(tell, &ruleset));
        let mut gateway = self.gateway;
        if let Some(denials) = &denials {
            gateway = denials.of_network(gateway);
        }
        let network = Service::start(&ruleset, gateway, (policy, &context))?;
        let around = self.around.unwrap_or_else(std::env::temp_dir);
        let temporary = Temporary::of(&ruleset, &around).map_err(|source| Error::Temporary {
            directory: around,
            source,
        })?;
        let mut facts = Facts::default();
        facts.gateway = network.as_ref().map(Service::ports).unwrap_or_default();
        facts.temporary = temporary.as_ref().map(|it| it.path().to_owned());
        if denials.is_some() && !self.without_log {
            facts.tag = Some(Tag::random().map_err(|source| Error::Log { source })?);
        }
        let profile = Profile::compile(&ruleset, &facts)?.to_string();
        probe(&self.programs.sandbox_exec, &profile)?;
        let log = match (&denials, facts.tag) {
            (Some(denials), Some(tag)) => Some(Log::read(&self.programs.log, tag, denials)?),
            _ => None,
        };
        let mut variables = match self.environment {
            Some(variables) => ruleset.environment().apply(variables),
            None => ruleset.environment().apply(std::env::vars_os()),
        };
        if let Some(temporary) = &temporary {
            temporary.rename(&mut variables);
        }
        if let Some(network) = &network {
            network.name(&ruleset, &mut variables);
        }
        let before = Before::look(&ruleset);
        Ok(Sandbox(Arc::new(Shared {
            directory: context.cwd,
            ruleset,
            programs: self.programs,
            profile,
            variables,
            before,
            network,
            _log: log,
            denials,
            _temporary: temporary,
        })))
    }
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
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}
