//! The group `ci`: what a server runs by itself as soon as it is pushed, with the secrets of the project.
//!
//! Opt-in, since to change it is ordinary work, and nothing on the person's machine runs it. Not in it is what such a file names, as
//! scripts: they are ordinary files of the project.

use super::{ProtectedPath, ci};

/// One line an entry.
#[rustfmt::skip]
pub(super) const CI: &[ProtectedPath] = &[
    // Forges. Sources: the documents of GitHub (Workflow syntax; Creating a composite action), GitLab (CI/CD YAML; Agent for
    // Kubernetes), Bitbucket (Pipelines), Forgejo and Gitea (Actions), sourcehut (builds.sr.ht, git.sr.ht), Azure (Pipelines, YAML schema),
    // OneDev (Build spec), JetBrains Space (Automation), Tangled (Spindles), Radicle (CI broker).
    ci(".github/workflows", "GitHub runs them"),
    ci(".github/actions", "steps of workflows"),
    ci(".gitlab-ci.yml", "GitLab runs it"),
    ci(".gitlab/ci", "where pipelines often include from"),
    ci(".gitlab/agents", "what an agent of GitLab deploys"),
    ci("bitbucket-pipelines.yml", "Bitbucket runs it"),
    ci(".forgejo/workflows", "Forgejo runs them"),
    ci(".forgejo/actions", "steps of workflows"),
    ci(".gitea/workflows", "Gitea and Forgejo run them"),
    ci(".gitea/actions", "steps of workflows"),
    ci(".build.yml", "sourcehut runs it"),
    ci(".builds", "sourcehut runs them"),
    ci("azure-pipelines.yml", "Azure Pipelines runs it"),
    ci("azure-pipelines.yaml", "Azure Pipelines runs it"),
    ci(".azure-pipelines", "where Azure Pipelines often looks"),
    ci(".vsts-ci.yml", "Azure Pipelines runs it"),
    ci(".onedev-buildspec.yml", "OneDev runs it"),
    ci(".space.kts", "JetBrains Space runs it"),
    ci(".tangled/workflows", "Tangled runs them"),
    ci(".radicle", "Radicle's CI runs what is in it"),

    // Servers of their own. Sources: the documents of CircleCI (Configuration reference), Jenkins (Pipeline), Travis CI, Buildkite (agent
    // pipeline upload), Woodpecker and Crow (Workflow syntax), Drone (Pipelines), AppVeyor (appveyor.yml), Cirrus CI (Writing tasks;
    // Starlark), Semaphore (Pipelines), TeamCity (Kotlin DSL), Bamboo (Bamboo specs), Tekton (Pipelines-as-Code), Zuul (Project
    // configuration), Prow (ProwJobs), Screwdriver, Agola, Codemagic, Bitrise, Scrutinizer, Harness, Google Cloud Build, AWS CodeBuild,
    // Read the Docs (Build process), Packit, COPR (make_srpm).
    ci(".circleci", "CircleCI runs it"),
    ci("circle.yml", "CircleCI runs it"),
    ci("Jenkinsfile", "Jenkins runs it"),
    ci(".travis.yml", "Travis CI runs it"),
    ci(".buildkite", "Buildkite runs it"),
    ci("buildkite.yml", "Buildkite runs it"),
    ci("buildkite.yaml", "Buildkite runs it"),
    ci("buildkite.json", "Buildkite runs it"),
    ci(".woodpecker", "Woodpecker runs it"),
    ci(".woodpecker.yml", "Woodpecker runs it"),
    ci(".woodpecker.yaml", "Woodpecker runs it"),
    ci(".crow", "Crow runs it"),
    ci(".crow.yml", "Crow runs it"),
    ci(".crow.yaml", "Crow runs it"),
    ci(".drone.yml", "Drone runs it"),
    ci(".drone.yaml", "Drone runs it"),
    ci(".drone.jsonnet", "Drone runs it"),
    ci(".drone.star", "Drone runs it"),
    ci("appveyor.yml", "AppVeyor runs it"),
    ci(".appveyor.yml", "AppVeyor runs it"),
    ci(".appveyor", "where AppVeyor often looks"),
    ci(".cirrus.yml", "Cirrus CI runs it"),
    ci(".cirrus.yaml", "Cirrus CI runs it"),
    ci(".cirrus.star", "Cirrus CI runs it"),
    ci(".semaphore", "Semaphore runs it"),
    ci(".teamcity", "TeamCity runs it"),
    ci("bamboo-specs", "Bamboo runs it"),
    ci(".tekton", "Pipelines as Code runs them"),
    ci("zuul.yaml", "Zuul runs it"),
    ci("zuul.d", "Zuul runs it"),
    ci(".zuul.yaml", "Zuul runs it"),
    ci(".zuul.d", "Zuul runs it"),
    ci(".prow.yaml", "Prow runs it"),
    ci(".prow", "Prow runs it"),
    ci("screwdriver.yaml", "Screwdriver runs it"),
    ci(".agola", "Agola runs it"),
    ci("codemagic.yaml", "Codemagic runs it"),
    ci("bitrise.yml", "Bitrise runs it"),
    ci(".scrutinizer.yml", "Scrutinizer runs it"),
    ci(".harness", "Harness runs it"),
    ci("cloudbuild.yaml", "Cloud Build runs it"),
    ci("cloudbuild.json", "Cloud Build runs it"),
    ci("buildspec.yml", "CodeBuild runs it"),
    ci("buildspec.yaml", "CodeBuild runs it"),
    ci(".readthedocs.yml", "Read the Docs runs its jobs"),
    ci(".readthedocs.yaml", "Read the Docs runs its jobs"),
    ci(".packit.yml", "Packit runs its actions"),
    ci(".packit.yaml", "Packit runs its actions"),
    ci("packit.yml", "Packit runs its actions"),
    ci("packit.yaml", "Packit runs its actions"),
    ci(".copr", "COPR runs its Makefile"),
];
