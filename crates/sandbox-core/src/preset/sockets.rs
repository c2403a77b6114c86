//! What presets of services open: the socket of a service of the person's, and what programs read to talk to it.
//!
//! Where a socket is says the caller's environment, which no command can have written, or the service's own custom. What lies there is
//! opened only if it is a socket.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::policy::{FileEntry, VariableEntry, VariableRule};
use crate::{Access, Context, SocketPreset, Source};

use SocketPreset::{Docker, GpgAgent, SshAgent};

/// Where a service listens.
#[derive(Clone, Copy)]
enum Place {
    /// The path, or `unix://` and the path, that a variable of the caller has.
    Variable(&'static str),
    /// Below a directory that a variable has, or else one in the home.
    Below(&'static str, &'static str, &'static str),
    /// In the home.
    Home(&'static str),
    /// In the person's directory of `/run`, and in the one that `XDG_RUNTIME_DIR` names.
    Run(&'static str),
    Absolute(&'static str),
}

struct Opened {
    preset: SocketPreset,
    place: Place,
    access: Access,
}

const fn socket(preset: SocketPreset, place: Place) -> Opened {
    Opened {
        preset,
        place,
        access: Access::Write,
    }
}

const fn readable(preset: SocketPreset, place: Place) -> Opened {
    Opened {
        preset,
        place,
        access: Access::Read,
    }
}

const fn of_gnupg(name: &'static str) -> Place {
    Place::Below("GNUPGHOME", ".gnupg", name)
}

#[rustfmt::skip]
const OPENED: &[Opened] = &[
    socket(SshAgent, Place::Variable("SSH_AUTH_SOCK")),
    // Which hosts are who they say, and by what name and user they are reached: no keys.
    readable(SshAgent, Place::Home(".ssh/known_hosts")),
    readable(SshAgent, Place::Home(".ssh/known_hosts2")),
    readable(SshAgent, Place::Home(".ssh/config")),

    socket(GpgAgent, Place::Run("gnupg/S.gpg-agent")),
    socket(GpgAgent, of_gnupg("S.gpg-agent")),
    // Public keys, and how far they are trusted.
    readable(GpgAgent, of_gnupg("pubring.kbx")),
    readable(GpgAgent, of_gnupg("pubring.gpg")),
    readable(GpgAgent, of_gnupg("trustdb.gpg")),
    readable(GpgAgent, of_gnupg("gpg.conf")),
    readable(GpgAgent, of_gnupg("common.conf")),

    socket(Docker, Place::Variable("DOCKER_HOST")),
    socket(Docker, Place::Absolute("/run/docker.sock")),
    socket(Docker, Place::Absolute("/var/run/docker.sock")),
    socket(Docker, Place::Run("docker.sock")),
    socket(Docker, Place::Home(".docker/run/docker.sock")),
    socket(Docker, Place::Home(".docker/desktop/docker.sock")),
];

/// Variables by which programs find the service.
const PASSED: &[(SocketPreset, &str)] = &[
    (SshAgent, "SSH_AUTH_SOCK"),
    (GpgAgent, "GNUPGHOME"),
    (Docker, "DOCKER_HOST"),
];

impl SocketPreset {
    /// What is reached by it, in a few words.
    ///
    /// ```
    /// use sandbox_core::SocketPreset;
    ///
    /// assert_eq!(SocketPreset::Docker.about(), "Docker, and with it this machine as root");
    /// ```
    pub const fn about(self) -> &'static str {
        match self {
            SshAgent => "Your ssh agent, which signs with your keys; known_hosts and config",
            GpgAgent => "Your gpg agent, which signs and decrypts with your keys; public keys",
            Docker => "Docker, and with it this machine as root",
        }
    }

    /// What whoever reaches it can do.
    pub(crate) const fn gives(self) -> &'static str {
        match self {
            SshAgent => "whatever your ssh keys open, for as long as the command runs",
            GpgAgent => {
                "what is encrypted to your keys, and signs in your name, while the command runs"
            }
            Docker => "this machine as root: containers mount all of it",
        }
    }

    /// The preset of this name.
    pub(crate) fn named(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|preset| preset.as_str() == word)
    }
}

/// The rules about files.
pub(crate) fn files(preset: SocketPreset, context: &Context) -> impl Iterator<Item = FileEntry> {
    let opened = OPENED.iter().filter(move |opened| opened.preset == preset);
    opened.flat_map(move |opened| {
        let rule = move |path: PathBuf| FileEntry {
            text: path.into_os_string().into(),
            pattern: false,
            access: opened.access,
            optional: true,
            is_instead: false,
            base: None,
            layer: 0,
            source: Source::Sockets(preset),
        };
        paths(opened.place, context).map(rule)
    })
}

/// The rules about variables.
pub(crate) fn environment(preset: SocketPreset) -> impl Iterator<Item = VariableEntry> {
    let passed = PASSED.iter().filter(move |(of, _)| *of == preset);
    passed.map(move |(_, name)| VariableEntry {
        pattern: (*name).into(),
        rule: VariableRule::Pass,
        source: Source::Sockets(preset),
    })
}

fn paths(place: Place, context: &Context) -> impl Iterator<Item = PathBuf> + use<> {
    let variable = |name: &str| context.variables.get(OsStr::new(name)).map(Path::new);
    let home = |name: &str| context.home.as_ref().map(|home| home.join(name));
    let places = match place {
        Place::Variable(name) => {
            let value = variable(name);
            let local =
                value.and_then(|value| Some(Path::new(value.to_str()?.strip_prefix("unix://")?)));
            [local.or(value).map(Path::to_owned), None]
        }
        Place::Below(directory, in_home, name) => {
            let directory = variable(directory).map(Path::to_owned);
            [
                directory.or_else(|| home(in_home)).map(|it| it.join(name)),
                None,
            ]
        }
        Place::Home(name) => [home(name), None],
        Place::Run(name) => [
            Some(
                Path::new("/run/user")
                    .join(context.uid.to_string())
                    .join(name),
            ),
            variable("XDG_RUNTIME_DIR").map(|directory| directory.join(name)),
        ],
        Place::Absolute(path) => [Some(path.into()), None],
    };
    let absolute = |path: &PathBuf| path.is_absolute();
    places.into_iter().flatten().filter(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let mut context = Context::new("/ws");
        context.home = Some("/home/ana".into());
        context.uid = 7;
        context
    }

    fn opened(preset: SocketPreset, context: &Context) -> Vec<String> {
        let rules = files(preset, context);
        let line = |rule: FileEntry| format!("{} = {}", rule.text.display(), rule.access);
        rules.map(line).collect()
    }

    #[test]
    fn a_service_is_where_the_callers_environment_says() {
        let mut context = context();
        assert_eq!(
            opened(SshAgent, &context),
            [
                "/home/ana/.ssh/known_hosts = read",
                "/home/ana/.ssh/known_hosts2 = read",
                "/home/ana/.ssh/config = read"
            ]
        );
        for (name, value) in [
            ("SSH_AUTH_SOCK", "/tmp/ssh-x/agent.1"),
            ("DOCKER_HOST", "unix:///run/d.sock"),
            ("XDG_RUNTIME_DIR", "/run/me"),
            ("GNUPGHOME", "relative"),
        ] {
            context.variables.insert(name.into(), value.into());
        }
        assert_eq!(opened(SshAgent, &context)[0], "/tmp/ssh-x/agent.1 = write");
        assert_eq!(opened(Docker, &context)[0], "/run/d.sock = write");
        assert_eq!(
            opened(GpgAgent, &context),
            [
                "/run/user/7/gnupg/S.gpg-agent = write",
                "/run/me/gnupg/S.gpg-agent = write"
            ]
        );
        context
            .variables
            .insert("DOCKER_HOST".into(), "tcp://10.0.0.1:2375".into());
        assert_eq!(opened(Docker, &context)[0], "/run/docker.sock = write");
    }
}
