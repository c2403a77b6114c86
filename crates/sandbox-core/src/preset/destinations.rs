//! What presets of destinations name.
//!
//! Services are named by whole domains of theirs where these are theirs alone, and by single names in domains that others have
//! names in as well: whoever reaches all of somebody's storage reaches everybody who keeps something there.

use crate::policy::{DestinationEntry, Grant};
use crate::{DestinationPreset, Source};

use DestinationPreset::{
    Anthropic, Bitbucket, DockerHub, Gemini, Ghcr, Github, Gitlab, Huggingface, Openai,
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
        }
    }

    /// The preset of this name.
    pub(crate) fn named(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|preset| preset.as_str() == word)
    }
}

/// The rules of a preset.
pub(crate) fn of(preset: DestinationPreset) -> impl Iterator<Item = DestinationEntry> {
    let named = NAMED.iter().filter(move |named| named.preset == preset);
    named.filter_map(|named| {
        Some(DestinationEntry {
            text: named.destination.to_owned(),
            pattern: named.destination.parse().ok()?,
            name_only: false,
            grant: Grant::Allow { udp: false },
            layer: 0,
            source: Source::Destinations(named.preset),
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
