//! Every key of settings, and what becomes of it: the table that `docs/settings.md` shows.

/// A key.
pub(super) struct Known {
    /// With its section before it; empty sections are the settings themselves.
    pub(super) key: &'static str,
    pub(super) shape: Shape,
    pub(super) fate: Fate,
    /// For who reads the table.
    #[cfg_attr(not(test), expect(dead_code, reason = "for who audits the table"))]
    pub(super) note: &'static str,
}

/// What a value has to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Boolean,
    Text,
    Texts,
    /// Text, or `{"path", "literal"}`.
    Paths,
    AllowedDomains,
    DeniedDomains,
    Ranges,
    Number(u64, u64),
    Words(&'static [&'static str]),
    TextByText,
    TextsByText,
    List,
    Table,
    /// A table of keys of its own.
    Section,
}

impl Shape {
    /// What an error says that the value has to be.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Boolean => "`true` or `false`",
            Self::Text | Self::Words(_) => "a string",
            Self::Texts => "a list of strings",
            Self::Paths => "a list of paths",
            Self::AllowedDomains | Self::DeniedDomains => "a list of hosts",
            Self::Ranges => "a list of addresses",
            Self::Number(1, 10) => "a number from 1 to 10",
            Self::Number(..) => "a number from 1 to 65535",
            Self::TextByText => "an object of strings",
            Self::TextsByText => "an object of lists of strings",
            Self::List => "a list of objects",
            Self::Table | Self::Section => "an object",
        }
    }
}

/// What becomes of a value of the right shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It becomes rules.
    Rules,
    /// It holds without a rule, or is about something that there is not here.
    Holds,
    /// It is refused, unless it allows nothing: `false`, an empty list or table.
    Refused(Missing),
}

/// What would be needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Gateway,
    Library,
}

impl Missing {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Gateway => "the gateway of this version cannot do it",
            Self::Library => "it is a function of a program that links the other sandbox",
        }
    }
}

use Fate::{Holds, Refused, Rules};
use Missing::{Gateway, Library};
use Shape::{
    AllowedDomains, Boolean, DeniedDomains, List, Number, Paths, Ranges, Section, Table, Text,
    TextByText, Texts, TextsByText, Words,
};

const fn known(key: &'static str, shape: Shape, fate: Fate, note: &'static str) -> Known {
    Known {
        key,
        shape,
        fate,
        note,
    }
}

/// Words that say what happens to a signature.
const SIGNATURE: Shape = Words(&["deny", "passthrough"]);

/// One line an entry, section by section.
#[rustfmt::skip]
pub(super) const KEYS: &[Known] = &[
    known("network", Section, Rules, "required"),
    known("network.allowedDomains", AllowedDomains, Rules, "required; `allow`; empty: nothing can be reached; `localhost` is the name, not its addresses"),
    known("network.deniedDomains", DeniedDomains, Rules, "required; `deny`, also where something below is allowed"),
    known("network.deniedDomainReasons", TextByText, Rules, "what whoever is denied is told; at most 200 characters"),
    known("network.strictAllowlist", Boolean, Holds, "nobody is asked"),
    known("network.deniedResolvedAddresses", Ranges, Rules, "`deny` of the addresses, whatever name leads there"),
    known("network.allowUnixSockets", Texts, Rules, "these sockets, and those in these directories, are shown and can be connected to; no others of the host"),
    known("network.allowAllUnixSockets", Boolean, Rules, "every socket that can be seen can be connected to, and no connection waits for a decision; `/run`, `/tmp` and `/dev/shm` are private"),
    known("network.allowLocalBinding", Boolean, Rules, "the command's own loopback can always be used, the host's where `allowedDomains` names it; on macOS, in the profile: any port may be bound, and each of the host's loopback reached"),
    known("network.allowMachLookup", Texts, Rules, "macOS only, in the profile: services, one `*` at the end of a name stands for the rest of it"),
    known("network.httpProxyPort", Number(1, 65535), Refused(Gateway), "a proxy of the host's does not take the gateway's place"),
    known("network.socksProxyPort", Number(1, 65535), Refused(Gateway), "a proxy of the host's does not take the gateway's place"),
    known("network.mitmProxy", Table, Refused(Gateway), "a proxy of the host's does not take the gateway's place"),
    known("network.parentProxy", Table, Rules, "`upstream`: `http` or `https`, the same if both are there; a name that the host does not know is left to it; `noProxy` is refused"),
    known("network.tlsTerminate", Table, Holds, "no connection is opened, since `filterRequest` and `mask` are refused"),
    known("network.filterRequest", Table, Refused(Library), "no setting can hold a function"),
    known("network.allowPlaintextHeaderSet", Boolean, Holds, "only with `filterRequest`"),
    known("network.stripResponseHeaders", Texts, Holds, "only with `filterRequest`"),
    known("network.refuseOpaqueTunnels", Boolean, Holds, "only with `filterRequest`"),
    known("network.requireHostMatch", Boolean, Holds, "only with `filterRequest`"),
    known("network.ambiguousRequestTarget", Words(&["refuse", "asSpelled", "normalize"]), Holds, "only with `filterRequest`"),

    known("filesystem", Section, Rules, "required"),
    known("filesystem.denyRead", Paths, Rules, "required; `hide`; what `allowRead` or `allowWrite` name below stays visible"),
    known("filesystem.allowRead", Paths, Rules, "shows what `denyRead` hides; a secret that it names, too"),
    known("filesystem.allowWrite", Paths, Rules, "required; `write`; what does not exist can be made, where the directory around it is there"),
    known("filesystem.denyWrite", Paths, Rules, "required; `read`, also where something below is allowed, and for what does not exist yet"),
    known("filesystem.allowGitConfig", Boolean, Rules, "`.git/config` of the current directory can be written where `.git` can"),
    known("filesystem.disabled", Boolean, Rules, "no rule about files; `/tmp`, `/run` and `/dev/shm` stay private, since sockets of the host are in them"),

    known("credentials", Section, Rules, ""),
    known("credentials.envVars", List, Rules, "`deny`: the variable is dropped; `mask` is refused: the gateway does not look into TLS"),
    known("credentials.files", List, Rules, "`deny`: hidden, whatever is allowed; `mask` is refused: the gateway does not look into TLS"),
    known("credentials.awsPairs", List, Refused(Gateway), "requests would have to be signed anew"),
    known("credentials.sigv4", Section, Holds, "only with `awsPairs`"),
    known("credentials.sigv4.streaming", SIGNATURE, Holds, "only with `awsPairs`"),
    known("credentials.sigv4.presigned", SIGNATURE, Holds, "only with `awsPairs`"),
    known("credentials.sigv4.sigv4a", SIGNATURE, Holds, "only with `awsPairs`"),
    known("credentials.allowPlaintextInject", Boolean, Holds, "only with `mask`"),

    known("ignoreViolations", TextsByText, Holds, "about what srt does not report; what is denied is told here all the same"),
    known("enableWeakerNestedSandbox", Boolean, Holds, "`/proc` is always the sandbox's own"),
    known("allowNestedUserNamespaces", Boolean, Rules, "`[system] nested = \"allow\"`"),
    known("enableWeakerNetworkIsolation", Boolean, Rules, "macOS only, in the profile: trustd, which checks certificates for Go programs and may fetch what a certificate names"),
    known("allowAppleEvents", Boolean, Rules, "macOS only, in the profile: Apple events, by which unconfined programs can be told what to do"),
    known("allowPty", Boolean, Rules, "macOS only, in the profile; elsewhere a terminal can always be opened"),
    known("mandatoryDenySearchDepth", Number(1, 10), Rules, "protected names that exist are mounted read-only at the top of each writable tree, and so many directories deep below the current one; 3 unless it is written. By name they are protected anywhere"),
    known("ripgrep", Table, Holds, "no helper is needed"),
    known("bwrapPath", Text, Holds, "no helper is needed"),
    known("socatPath", Text, Holds, "no helper is needed"),
    known("javaAgentJarPath", Text, Holds, "no helper is needed"),
    known("seccomp", Table, Holds, "no helper is needed"),
    known("git", Section, Rules, ""),
    known("git.safeDirectories", Texts, Rules, "`safe.directory` by `GIT_CONFIG_COUNT`, which replaces the caller's"),
    known("windows", Table, Holds, "Windows only"),

    known("sandbox", Section, Rules, "the second form: nothing stands beside it"),
    known("sandbox.autoAllowMode", Boolean, Holds, "whether a person is asked: here nobody is"),
    known("sandbox.filesystem", Section, Rules, ""),
    known("sandbox.filesystem.allowedWritePaths", Paths, Rules, "as `allowWrite`, with `${CWD}` and `${HOME}`"),
    known("sandbox.filesystem.deniedReadPaths", Paths, Rules, "as `denyRead`, with `${CWD}` and `${HOME}`"),
    known("sandbox.network", Section, Rules, ""),
    known("sandbox.network.policy", Words(&["deny", "allowlist"]), Rules, "with `deny` nothing can be reached, whatever `allowedDomains` say"),
    known("sandbox.network.allowedDomains", AllowedDomains, Rules, "`allow`; empty: nothing can be reached"),
];

/// Keys that have to be there.
pub(super) const REQUIRED: &[&str] = &[
    "network",
    "network.allowedDomains",
    "network.deniedDomains",
    "filesystem",
    "filesystem.denyRead",
    "filesystem.allowWrite",
    "filesystem.denyWrite",
];

/// The names that a section has.
macro_rules! names {
    ($($section:literal $words:ident $table:literal: $($name:literal)+;)+) => {
        $(const $words: &[&str] = &[$($name),+];)+

        /// The names of a section's keys, and what errors call it.
        pub(super) fn of_section(section: &str) -> (&'static str, &'static [&'static str]) {
            match section {
                $($section => ($table, $words),)+
                _ => ("", &[]),
            }
        }

        #[cfg(test)]
        pub(super) const SECTIONS: &[&str] = &[$($section),+];
    };
}

names! {
    "" ROOT "the settings": "network" "filesystem" "credentials" "ignoreViolations" "enableWeakerNestedSandbox"
        "allowNestedUserNamespaces" "enableWeakerNetworkIsolation" "allowAppleEvents" "allowPty" "mandatoryDenySearchDepth"
        "ripgrep" "bwrapPath" "socatPath" "javaAgentJarPath" "seccomp" "git" "windows" "sandbox";
    "network" NETWORK "the section `network`": "allowedDomains" "deniedDomains" "deniedDomainReasons" "strictAllowlist"
        "deniedResolvedAddresses" "allowUnixSockets" "allowAllUnixSockets" "allowLocalBinding" "allowMachLookup" "httpProxyPort"
        "socksProxyPort" "mitmProxy" "parentProxy" "tlsTerminate" "filterRequest" "allowPlaintextHeaderSet"
        "stripResponseHeaders" "refuseOpaqueTunnels" "requireHostMatch" "ambiguousRequestTarget";
    "filesystem" FILESYSTEM "the section `filesystem`": "denyRead" "allowRead" "allowWrite" "denyWrite" "allowGitConfig" "disabled";
    "credentials" CREDENTIALS "the section `credentials`": "envVars" "files" "awsPairs" "sigv4" "allowPlaintextInject";
    "credentials.sigv4" SIGV4 "the section `credentials.sigv4`": "streaming" "presigned" "sigv4a";
    "git" GIT "the section `git`": "safeDirectories";
    "sandbox" SANDBOX "the section `sandbox`": "autoAllowMode" "filesystem" "network";
    "sandbox.filesystem" SANDBOX_FILESYSTEM "the section `sandbox.filesystem`": "allowedWritePaths" "deniedReadPaths";
    "sandbox.network" SANDBOX_NETWORK "the section `sandbox.network`": "policy" "allowedDomains";
}

/// The entry of a key in a section.
pub(super) fn find(section: &str, name: &str) -> Option<&'static Known> {
    KEYS.iter().find(|known| match known.key.rsplit_once('.') {
        Some((before, last)) => before == section && last == name,
        None => section.is_empty() && known.key == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_the_names_of_the_table() {
        let mut count = 0;
        for section in SECTIONS {
            for name in of_section(section).1 {
                assert!(find(section, name).is_some(), "{section} {name}");
                count += 1;
            }
        }
        assert_eq!(count, KEYS.len());
        assert!(
            REQUIRED
                .iter()
                .all(|key| KEYS.iter().any(|known| known.key == *key))
        );
    }

    #[test]
    fn the_document_shows_the_table() {
        let document = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/settings.md"
        ))
        .unwrap();
        for known in KEYS.iter().filter(|known| !known.note.is_empty()) {
            let fate = match known.fate {
                Rules => "becomes rules",
                Holds => "accepted",
                Refused(Gateway) => "refused: the gateway cannot do it",
                Refused(Library) => "refused",
            };
            let row = format!("| `{}` | {fate} | {} |\n", known.key, known.note);
            assert!(
                document.contains(&row),
                "docs/settings.md lacks this line:\n{row}"
            );
        }
        let rows = document.lines().filter(|line| line.starts_with("| `"));
        let noted = KEYS.iter().filter(|known| !known.note.is_empty());
        assert_eq!(rows.count(), noted.count());
    }
}
