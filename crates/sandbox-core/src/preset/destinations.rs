//! What presets of destinations name, and what those of package managers name where the person has configured nothing.
//!
//! Services are named by whole domains of theirs where these are theirs alone, and by single names in domains that others have
//! names in as well: whoever reaches all of somebody's storage reaches everybody who keeps something there. Of package managers it
//! is the domain, not the registry's host: a host that is spelled out is right until it moves.

use crate::policy::{DestinationEntry, Grant};
use crate::{DestinationPreset, Source};

use super::packages::{self, Person};
use DestinationPreset::{
    Anthropic, Bitbucket, Cargo, Debian, DockerHub, Gemini, Ghcr, Github, Gitlab, Go, Huggingface,
    Maven, Npm, Openai, Pip,
};

/// A destination that a preset allows.
struct Named {
    preset: DestinationPreset,
    destination: &'static str,
    reason: &'static str,
    /// Who says so in public: an address on the web.
    #[cfg_attr(not(test), expect(dead_code, reason = "for who audits the table"))]
    document: &'static str,
}

const fn named(
    preset: DestinationPreset,
    destination: &'static str,
    reason: &'static str,
    document: &'static str,
) -> Named {
    Named {
        preset,
        destination,
        reason,
        document,
    }
}

const RUNNERS: &str =
    "https://docs.github.com/en/actions/concepts/runners/communicating-with-self-hosted-runners";
const GITLAB: &str = "https://docs.gitlab.com/user/gitlab_com/";
const ATLASSIAN: &str = "https://support.atlassian.com/organization-administration/docs/ip-addresses-and-domains-for-atlassian-cloud-products/";
const DOCKER: &str = "https://docs.docker.com/desktop/setup/allow-list/";
const CLAUDE: &str = "https://code.claude.com/docs/en/network-config";
const OPENAI: &str = "https://help.openai.com/en/articles/9247338-network-recommendations-for-chatgpt-errors-on-web-and-apps";
const GEMINI: &str = "https://ai.google.dev/api";
const HUGGING_FACE: &str = "https://huggingface.co/.well-known/meta.json";
const INFERENCE: &str = "https://huggingface.co/docs/inference-providers/index";
const NPM: &str = "https://docs.npmjs.com/cli/v11/using-npm/registry";
const YARN: &str = "https://yarnpkg.com/configuration/yarnrc";
const PYPI: &str = "https://docs.pypi.org/api/index-api/";
const CRATES: &str = "https://doc.rust-lang.org/cargo/reference/registry-index.html";
const MODULES: &str = "https://go.dev/ref/mod#environment-variables";
const POM: &str =
    "https://maven.apache.org/guides/introduction/introduction-to-the-pom.html#super-pom";
const CENTRAL: &str = "https://central.sonatype.org/consume/consume-apache-maven/";
const APT: &str = "https://www.debian.org/mirror/list";

/// One line a destination, in the order of the presets.
#[rustfmt::skip]
const NAMED: &[Named] = &[
    named(Github, "github.com", "git by HTTPS and ssh, releases, the site", RUNNERS),
    named(Github, "*.github.com", "the API, archives, uploads, ssh on port 443", RUNNERS),
    named(Github, "*.githubusercontent.com", "raw files, what releases and Git LFS hold", RUNNERS),
    named(Github, "github-cloud.s3.amazonaws.com", "what Git LFS holds", RUNNERS),

    named(Gitlab, "gitlab.com", "git by HTTPS and ssh, the API, the site", GITLAB),
    named(Gitlab, "*.gitlab.com", "images, ssh on port 443", GITLAB),

    named(Bitbucket, "bitbucket.org", "git by HTTPS and ssh, the site", ATLASSIAN),
    named(Bitbucket, "*.bitbucket.org", "the API, ssh on port 443", ATLASSIAN),

    named(DockerHub, "*.docker.io", "the registry, and sign-in", DOCKER),
    named(DockerHub, "*.docker.com", "layers of images, the site, sign-in", DOCKER),
    named(DockerHub, "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com", "layers of images", DOCKER),

    named(Ghcr, "ghcr.io", "the registry, and sign-in", RUNNERS),
    named(Ghcr, "pkg-containers.githubusercontent.com", "layers of images", RUNNERS),

    named(Anthropic, "*.anthropic.com", "the API", CLAUDE),
    named(Anthropic, "claude.ai", "sign-in", CLAUDE),
    named(Anthropic, "*.claude.ai", "downloads of the agent", CLAUDE),
    named(Anthropic, "*.claude.com", "sign-in to the console", CLAUDE),

    named(Openai, "*.openai.com", "the API, and sign-in", OPENAI),
    named(Openai, "chatgpt.com", "models by a subscription instead of a key", OPENAI),

    named(Gemini, "generativelanguage.googleapis.com", "the API", GEMINI),

    named(Huggingface, "huggingface.co", "models, data sets, git, the API", HUGGING_FACE),
    named(Huggingface, "*.huggingface.co", "inference", INFERENCE),
    named(Huggingface, "hf.co", "the short name", HUGGING_FACE),
    named(Huggingface, "*.hf.co", "large files", HUGGING_FACE),

    named(Npm, "*.npmjs.org", "the registry", NPM),
    named(Npm, "*.yarnpkg.com", "the name under which yarn asks it, and yarn itself", YARN),

    named(Pip, "pypi.org", "the index", PYPI),
    named(Pip, "*.pypi.org", "the index", PYPI),
    named(Pip, "*.pythonhosted.org", "files of packages", PYPI),

    named(Cargo, "*.crates.io", "the index, and files of packages", CRATES),

    named(Go, "*.golang.org", "the proxy of modules, and their sums", MODULES),

    named(Maven, "*.maven.apache.org", "the central repository", POM),
    named(Maven, "*.maven.org", "the central repository", CENTRAL),

    named(Debian, "*.debian.org", "the archives", APT),
];

impl DestinationPreset {
    /// What is reached by it, in a few words.
    ///
    /// ```
    /// use sandbox_core::DestinationPreset;
    ///
    /// assert_eq!(DestinationPreset::Ghcr.about(), "GitHub's registry of images");
    /// ```
    pub const fn about(self) -> &'static str {
        match self {
            Self::Github => "GitHub: git, API, releases, raw files",
            Self::Gitlab => "GitLab's own service: git, API, images",
            Self::Bitbucket => "Bitbucket Cloud: git, API",
            Self::DockerHub => "Docker's registry of images",
            Self::Ghcr => "GitHub's registry of images",
            Self::Anthropic => "Anthropic's models",
            Self::Openai => "OpenAI's models",
            Self::Gemini => "Google's Gemini models, by their key",
            Self::Huggingface => "Hugging Face: models, data sets, inference",
            Self::Npm => "What your npm is configured to ask, or its own registry",
            Self::Pip => "What your pip and uv are configured to ask, or PyPI",
            Self::Cargo => "What your cargo is configured to ask, or crates.io",
            Self::Go => "What your Go is configured to ask for modules, or its own proxy",
            Self::Maven => "What your Maven is configured to ask, or the central repository",
            Self::Debian => "What this machine's apt is configured to ask, or Debian's archives",
        }
    }

    /// The preset of this name.
    pub(crate) fn named(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|preset| preset.as_str() == word)
    }
}

/// The rules of a preset. Without a person, those of one who has configured nothing.
pub(crate) fn of(preset: DestinationPreset, person: Option<&Person<'_>>) -> Vec<DestinationEntry> {
    let configured = person.map(|person| packages::configured(preset, person));
    let (mut rules, is_replaced) = configured.unwrap_or_default();
    if !is_replaced {
        rules.extend(entries(preset));
    }
    rules
}

fn entries(preset: DestinationPreset) -> impl Iterator<Item = DestinationEntry> {
    let named = NAMED.iter().filter(move |named| named.preset == preset);
    named.filter_map(|named| {
        Some(DestinationEntry {
            text: named.destination.to_owned(),
            pattern: named.destination.parse().ok()?,
            name_only: false,
            grant: Grant::Allow { udp: false },
            layer: 0,
            source: Source::Destinations {
                preset: named.preset,
                configuration: None,
            },
        })
    })
}

/// Why a preset names a destination.
pub(crate) fn reason(preset: DestinationPreset, destination: &str) -> Option<&'static str> {
    let mut all = NAMED.iter();
    let named = all.find(|named| named.preset == preset && named.destination == destination);
    named.map(|named| named.reason)
}

#[cfg(test)]
mod tests;
