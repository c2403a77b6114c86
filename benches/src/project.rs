//! A project as people have it, to work in: a repository of many files, a crate, a C file, an archive.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Home, start};

/// The project of a [`Home`], filled.
#[derive(Debug)]
pub struct Project {
    workspace: PathBuf,
    files: usize,
    variables: [(OsString, OsString); 2],
}

impl Project {
    /// Fills it with so many files, in directories of a hundred; all is committed. Jobs have `target` for what they make; this
    /// program lies there as `work`, so that it is seen wherever it was built.
    ///
    /// # Errors
    ///
    /// [`Error::Prepare`], and [`Error::Start`] or [`Error::Failed`] if `git` or `tar` can't do their part.
    pub fn fill(home: &Home, files: usize) -> Result<Self, Error> {
        let project = Self {
            workspace: home.workspace(),
            files,
            variables: [
                ("HOME".into(), home.path().into()),
                ("PATH".into(), search_path()),
            ],
        };
        let put = |name: &str, content: &str| home.put(Path::new("project").join(name), content);
        for number in 0..files {
            put(&Self::file(number), &format!("file {number}\n"))?;
        }
        put("crate/Cargo.toml", MANIFEST)?;
        put("crate/src/lib.rs", &functions(300, rust))?;
        put("unit.c", &functions(30, c))?;
        put(".gitignore", "target\n")?;
        let target = project.workspace.join("target");
        let copied =
            fs::create_dir(&target).and_then(|()| fs::copy("/proc/self/exe", target.join("work")));
        copied.map_err(|source| Error::Prepare {
            path: target,
            source,
        })?;
        let author = "-c user.name=bench -c user.email=bench@localhost";
        for line in [
            "git init -q",
            // It would go on in the background, and take files away from under `find`.
            "git config gc.auto 0",
            "git add .",
            &format!("git {author} commit -q -m files"),
            "tar -cf target/thousand.tar d?",
        ] {
            let mut shell = Command::new("/bin/sh");
            let shell = project.place(&mut shell, &project.variables);
            start(line, shell.args(["-c", line]))?;
        }
        Ok(project)
    }

    /// The name of a file in it.
    #[must_use]
    pub fn file(number: usize) -> String {
        format!("d{}/f{number}", number / 100)
    }

    /// The environment that a policy chooses from.
    #[must_use]
    pub fn variables(&self) -> [(OsString, OsString); 2] {
        self.variables.clone()
    }

    /// Has `command` work in it, with these variables and no others.
    pub fn place<'a>(
        &self,
        command: &'a mut Command,
        variables: &[(OsString, OsString)],
    ) -> &'a mut Command {
        let variables = variables.iter().map(|(name, value)| (name, value));
        command
            .env_clear()
            .envs(variables)
            .current_dir(&self.workspace)
    }

    /// Does `job` so many times in one shell. Its temporary files lie in the project: `/tmp` is memory inside, and may be a disk outside.
    #[must_use]
    pub fn script(&self, job: &str, times: usize) -> String {
        format!(
            "export TMPDIR=\"$PWD/target\" FILES={}; \
             i=0; while [ $i -lt {times} ]; do {{ {job}; }} || exit 1; i=$((i+1)); done",
            self.files
        )
    }
}

const MANIFEST: &str = "[package]\nname = \"bench\"\nedition = \"2021\"\n";

/// So many of one form: what a compiler is given, with nothing to fetch.
fn functions(count: usize, form: fn(usize) -> String) -> String {
    (0..count).map(form).collect()
}

fn rust(number: usize) -> String {
    format!(
        "pub fn f{number}(n: u64) -> String {{ format!(\"{{:?}}\", (0..n).map(|m| m ^ {number}).collect::<Vec<_>>()) }}\n"
    )
}

fn c(number: usize) -> String {
    format!(
        "int f{number}(int n) {{ int s = 0; for (int m = 0; m < n; m++) s += m ^ {number}; return s; }}\n"
    )
}

/// With the directory where `cargo` itself is: rustup would want its own directories, and would be one more program to start.
fn search_path() -> OsString {
    let mut path = OsString::from("/usr/bin:/bin");
    let output = Command::new("rustc").args(["--print", "sysroot"]).output();
    if let Some(sysroot) = output
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
    {
        path.push(":");
        path.push(Path::new(sysroot.trim_end()).join("bin"));
    }
    path
}
