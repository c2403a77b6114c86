//! `sandbox init`: a policy for this project, with a comment on every line that somebody may want to change.

mod projects;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use self::projects::{PROJECTS, Project};
use crate::args::{Init, PROJECT};
use crate::failure::Failure;
use crate::policy::written_beside;
use crate::render;

/// Names of the project's directory that are looked at: its own files are among the first of any project.
const MAX_NAMES: usize = 10_000;

/// Writes the policy, unless there is one.
pub(crate) fn init(init: &Init) -> Result<ExitCode, Failure> {
    let directory = Path::new(".");
    let found = projects(directory).map_err(|source| Failure::Directory {
        path: directory.to_owned(),
        source,
    })?;
    let text = policy(&found);
    if init.print {
        render::answer(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    write_new(Path::new(PROJECT), &text).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::PolicyExists {
            path: PROJECT.into(),
        },
        _ => Failure::WriteFile {
            path: PROJECT.into(),
            source,
        },
    })?;
    let names: Vec<_> = found.iter().map(|project| project.name).collect();
    let for_what = if names.is_empty() {
        "no tool that is known".to_owned()
    } else {
        names.join(", ")
    };
    render::answer(&format!(
        "`{PROJECT}` is written ({for_what}). It holds for every `sandbox run -- COMMAND` here\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// What the project is made with.
fn projects(directory: &Path) -> std::io::Result<Vec<&'static Project>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)?.take(MAX_NAMES) {
        names.extend(entry?.file_name().into_string());
    }
    let found = PROJECTS.iter().filter(|project| project.is_told_by(&names));
    Ok(found.collect())
}

/// Puts a whole file in place, or none: never over one that is there, a dangling link included.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(0o644);
    written_beside(path, text, permissions)?.persist_noclobber(path)?;
    Ok(())
}

const START: &str = r#"#:schema ./sandbox.schema.json
# What commands of this project may do: `sandbox run -- COMMAND` in this directory.
# An editor completes and checks this file after `sandbox policy schema > sandbox.schema.json`.
# `sandbox check` says whether it is valid and safe, `sandbox explain PATH` what it means for a path.
# What opens more than there is without it has to be approved, by `sandbox trust`.

# Everything can be read but secrets, this directory written, /tmp is private, there is no network.
# The others: "read-only", and "strict", which reads only the system and this directory; "." below stays writable.
extends = ["agent"]

# path or pattern = "hide", "read", "write" or "scratch" (private and empty). The most specific rule wins.
[files]
"." = "write"
# The command does not change what it may do next time.
"./sandbox.toml" = "read"
# Secrets that projects keep.
"**/.env"       = "hide"
"**/.env.local" = "hide"
"#;

const NETWORK: &str = r#"
[network]
# "host" is the host's network, not isolated: everything that the command can read it can then send.
default = "deny"
"#;

const ENVIRONMENT: &str = r#"
# Variables with credentials are dropped unless one is named: "pass", "drop" or { set = "value" }.
[environment]
#"GITHUB_TOKEN" = "pass"
"#;

const LIMITS: &str = r#"
[limits]
#time = "30m"
#memory = "4GiB"
"#;

/// The policy for these kinds of projects.
fn policy(projects: &[&Project]) -> String {
    let mut text = START.to_owned();
    for project in projects {
        let _ = writeln!(
            text,
            "\n# {}: the caches below are read-only. With \"write\" they are kept, and so is what a hostile package leaves in them\n# for builds outside of the sandbox.",
            project.name
        );
        for (path, what) in project.caches {
            let _ = writeln!(
                text,
                "#\"{path}\" = {{ access = \"write\", optional = true }}  # {what}"
            );
        }
    }
    text.push_str(NETWORK);
    text.push_str(ENVIRONMENT);
    let variables: Vec<_> = projects
        .iter()
        .flat_map(|project| project.variables)
        .collect();
    if !variables.is_empty() {
        text.push_str("# The preset points these into the private /tmp; with \"pass\" the caches above are used.\n");
    }
    for variable in variables {
        let _ = writeln!(text, "#\"{variable}\" = \"pass\"");
    }
    text.push_str(LIMITS);
    text
}

#[cfg(test)]
mod tests {
    use sandbox_core::{Context, Ruleset};
    use sandboxed::{Policy, Preset};

    use super::*;

    #[test]
    fn a_policy_for_every_kind_of_project() {
        let node: Vec<_> = PROJECTS
            .iter()
            .filter(|project| project.name == "node")
            .collect();
        insta::assert_snapshot!(policy(&node), @r#"
        #:schema ./sandbox.schema.json
        # What commands of this project may do: `sandbox run -- COMMAND` in this directory.
        # An editor completes and checks this file after `sandbox policy schema > sandbox.schema.json`.
        # `sandbox check` says whether it is valid and safe, `sandbox explain PATH` what it means for a path.
        # What opens more than there is without it has to be approved, by `sandbox trust`.

        # Everything can be read but secrets, this directory written, /tmp is private, there is no network.
        # The others: "read-only", and "strict", which reads only the system and this directory; "." below stays writable.
        extends = ["agent"]

        # path or pattern = "hide", "read", "write" or "scratch" (private and empty). The most specific rule wins.
        [files]
        "." = "write"
        # The command does not change what it may do next time.
        "./sandbox.toml" = "read"
        # Secrets that projects keep.
        "**/.env"       = "hide"
        "**/.env.local" = "hide"

        # node: the caches below are read-only. With "write" they are kept, and so is what a hostile package leaves in them
        # for builds outside of the sandbox.
        #"~/.npm" = { access = "write", optional = true }  # packages that npm downloaded
        #"~/.cache/yarn" = { access = "write", optional = true }  # packages that yarn downloaded
        #"~/.local/share/pnpm/store" = { access = "write", optional = true }  # packages that pnpm links into projects
        #"~/.bun/install/cache" = { access = "write", optional = true }  # packages that bun downloaded

        [network]
        # "host" is the host's network, not isolated: everything that the command can read it can then send.
        default = "deny"

        # Variables with credentials are dropped unless one is named: "pass", "drop" or { set = "value" }.
        [environment]
        #"GITHUB_TOKEN" = "pass"
        # The preset points these into the private /tmp; with "pass" the caches above are used.
        #"npm_config_cache" = "pass"
        #"NPM_CONFIG_CACHE" = "pass"
        #"YARN_CACHE_FOLDER" = "pass"
        #"PNPM_HOME" = "pass"
        #"pnpm_config_store_dir" = "pass"
        #"BUN_INSTALL_CACHE_DIR" = "pass"

        [limits]
        #time = "30m"
        #memory = "4GiB"
        "#);
        for project in PROJECTS {
            let text = policy(&[project]);
            let _ = Policy::from_toml(&text, None).unwrap();
            // Every line that is offered is one that can be taken.
            let offered: String = text
                .lines()
                .map(|line| match line.strip_prefix('#') {
                    Some(line) if !line.starts_with([' ', ':']) => format!("{line}\n"),
                    _ => format!("{line}\n"),
                })
                .collect();
            let taken = Policy::from_toml(&offered, None).unwrap().to_string();
            assert!(
                project.caches.iter().all(|(path, _)| taken.contains(path)),
                "{taken}"
            );
        }
    }

    /// To write `pass` for any other would change nothing, or let something in.
    #[test]
    fn every_variable_is_one_that_the_preset_points_into_the_private_directory() {
        let agent = Policy::preset(Preset::Agent);
        let project = tempfile::tempdir().unwrap();
        let ruleset = Ruleset::resolve(&agent, &Context::new(project.path())).unwrap();
        let variables = PROJECTS.iter().flat_map(|project| project.variables);
        for variable in variables {
            let value = ruleset.environment().value(variable.as_ref());
            let value = value.and_then(|value| value.to_str()).unwrap_or_default();
            assert!(value.starts_with("/tmp/.cache"), "{variable}: {value:?}");
        }
    }

    #[test]
    fn projects_are_told_by_their_files() {
        for (file, expected) in [
            ("package.json", "node"),
            ("Cargo.toml", "cargo"),
            ("pyproject.toml", "python"),
            ("go.mod", "go"),
            ("pom.xml", "java"),
            ("build.gradle.kts", "java"),
            ("a.gemspec", "ruby"),
            ("composer.json", "php"),
            ("App.csproj", "dotnet"),
            (".csproj", ""),
            ("README.md", ""),
        ] {
            let told: Vec<_> = PROJECTS
                .iter()
                .filter(|project| project.is_told_by(&[file.to_owned()]))
                .map(|project| project.name)
                .collect();
            assert_eq!(told.concat(), expected, "{file}");
        }
    }
}
