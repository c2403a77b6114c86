//! What a project is made with, by its files: the caches of each tool, and the variables by which the presets put them into
//! the private `/tmp`.

/// A kind of project.
pub(super) struct Project {
    pub(super) name: &'static str,
    /// Files that tell it, in the project's directory: a name, or `*` and an ending.
    pub(super) files: &'static [&'static str],
    /// Where its tools keep what they download or build, and what that is.
    pub(super) caches: &'static [(&'static str, &'static str)],
    /// Variables that a preset points into the private `/tmp`.
    pub(super) variables: &'static [&'static str],
}

/// One line an entry of each list.
pub(super) const PROJECTS: &[Project] = &[
    Project {
        name: "node",
        files: &[
            "package.json",
            "deno.json",
            "deno.jsonc",
            "bun.lockb",
            "bun.lock",
        ],
        caches: &[
            ("~/.npm", "packages that npm downloaded"),
            ("~/.cache/yarn", "packages that yarn downloaded"),
            (
                "~/.local/share/pnpm/store",
                "packages that pnpm links into projects",
            ),
            ("~/.bun/install/cache", "packages that bun downloaded"),
        ],
        variables: &[
            "npm_config_cache",
            "NPM_CONFIG_CACHE",
            "YARN_CACHE_FOLDER",
            "PNPM_HOME",
            "pnpm_config_store_dir",
            "BUN_INSTALL_CACHE_DIR",
        ],
    },
    Project {
        name: "cargo",
        files: &["Cargo.toml"],
        caches: &[
            ("~/.cargo/registry", "crates that cargo downloaded"),
            ("~/.cargo/git", "repositories that cargo downloaded"),
        ],
        variables: &["SCCACHE_DIR"],
    },
    Project {
        name: "python",
        files: &[
            "pyproject.toml",
            "setup.py",
            "setup.cfg",
            "requirements.txt",
            "Pipfile",
            "uv.lock",
        ],
        caches: &[
            ("~/.cache/pip", "wheels that pip downloaded or built"),
            ("~/.cache/uv", "packages that uv links into environments"),
            ("~/.cache/pypoetry", "packages that poetry downloaded"),
        ],
        variables: &["PIP_CACHE_DIR", "UV_CACHE_DIR", "XDG_CACHE_HOME"],
    },
    Project {
        name: "go",
        files: &["go.mod", "go.work"],
        caches: &[
            ("~/go/pkg/mod", "modules that go downloaded"),
            ("~/.cache/go-build", "packages that go compiled"),
        ],
        variables: &["GOCACHE"],
    },
    Project {
        name: "java",
        files: &[
            "pom.xml",
            "build.gradle",
            "build.gradle.kts",
            "settings.gradle",
            "settings.gradle.kts",
        ],
        caches: &[
            ("~/.m2/repository", "artifacts that maven downloaded"),
            (
                "~/.gradle",
                "artifacts, daemons and locks of gradle, which fails where it cannot write them",
            ),
        ],
        variables: &["GRADLE_USER_HOME"],
    },
    Project {
        name: "ruby",
        files: &["Gemfile", "*.gemspec"],
        caches: &[
            ("~/.gem", "gems that were installed for this account"),
            ("~/.bundle/cache", "gems that bundler downloaded"),
        ],
        variables: &[],
    },
    Project {
        name: "php",
        files: &["composer.json"],
        caches: &[("~/.cache/composer", "packages that composer downloaded")],
        variables: &["COMPOSER_CACHE_DIR"],
    },
    Project {
        name: "dotnet",
        files: &[
            "global.json",
            "*.sln",
            "*.slnx",
            "*.csproj",
            "*.fsproj",
            "*.vbproj",
        ],
        caches: &[
            ("~/.nuget/packages", "packages that NuGet downloaded"),
            ("~/.local/share/NuGet", "what NuGet keeps of servers"),
        ],
        variables: &[],
    },
];

impl Project {
    /// Whether one of these names of the project's directory tells it.
    pub(super) fn is_told_by(&self, names: &[String]) -> bool {
        self.files.iter().any(|file| {
            names.iter().any(|name| match file.strip_prefix('*') {
                Some(ending) => name.len() > ending.len() && name.ends_with(ending),
                None => name == file,
            })
        })
    }
}
