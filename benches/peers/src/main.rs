//! Other libraries that start a command confined, next to ours and to bubblewrap. Each as its documentation says, with the host's
//! programs readable, no network, and nothing else that is not asked for: what they confine differs, and the table says how.
//!
//! `peers [--rounds N]`. A peer that does not run here is named with its reason.

use std::env;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use benches::{Bwrap, Contender, Error, Home, again, interleave, micros, start};
use lexopt::prelude::*;
use sandboxed::{Policy, Preset, Sandbox};

const TRUE: &str = "/usr/bin/true";

fn main() -> ExitCode {
    let result = options().and_then(|options| match options {
        (rounds, None) => {
            let home = Home::new()?;
            let args = ["--rounds", &rounds.to_string(), "--as", "caller"];
            start("the measuring process", &mut again(&home, &args))
        }
        (rounds, Some(role)) if role == "caller" => measure(rounds),
        _ => by_birdcage(),
    });
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

fn options() -> Result<(usize, Option<String>), Error> {
    let (mut rounds, mut role) = (60, None);
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("rounds") => rounds = words.value()?.parse()?,
            Long("as") => role = Some(words.value()?.string()?),
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok((rounds, role))
}

fn measure(rounds: usize) -> Result<(), Error> {
    let policy = Policy::preset(Preset::Agent);
    let warm = Sandbox::new(&policy)?;
    let bwrap = Bwrap::like(warm.plan(), &env::current_dir().unwrap_or_default())?;
    let root = root(&env::current_dir().unwrap_or_default())?;
    let all: Vec<(Contender<'_>, &str)> = vec![
        (
            Contender::new("posix_spawn", || {
                start("true", quiet(&mut Command::new(TRUE)))
            }),
            "nothing",
        ),
        (
            Contender::new("bwrap", || {
                let mut command = bwrap.command()?;
                start("bwrap", command.arg(TRUE).stdout(Stdio::null()))
            }),
            "our plan and filter; no Landlock",
        ),
        (
            Contender::new("ours, cold", || ours(&Sandbox::new(&policy)?)),
            "preset `agent`",
        ),
        (Contender::new("ours, warm", || ours(&warm)), "the same"),
        (
            Contender::new("hakoniwa", by_hakoniwa),
            "namespaces, a root of its own; Landlock",
        ),
        (
            Contender::new("ferroday-cage", || by_ferroday_cage(&root)),
            "namespaces, a root of its own; filter, capabilities",
        ),
        (
            Contender::new("birdcage", || {
                let mut helper = Command::new("/proc/self/exe");
                start("birdcage", quiet(helper.args(["--as", "birdcage"])))
            }),
            "namespaces, filter; confines its caller, so a process of its own",
        ),
        (
            Contender::new("unshare", by_unshare),
            "namespaces alone: hides nothing",
        ),
    ];
    let mut contenders = Vec::new();
    let mut remarks = Vec::new();
    println!(
        "other libraries, `true`: median µs of {rounds} interleaved rounds, what is added to posix_spawn"
    );
    for (mut contender, remark) in all {
        match contender.attempt() {
            Ok(()) => {
                contenders.push(contender);
                remarks.push(remark);
            }
            Err(error) => {
                let cause = std::error::Error::source(&error);
                let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
                println!("  {:<14} does not run here: {error}{cause}", contender.name);
            }
        }
    }
    interleave(&mut contenders, rounds)?;
    let bare = contenders.first().map_or(0, |bare| micros(bare.median()));
    for (contender, remark) in contenders.iter().zip(remarks) {
        let median = micros(contender.median());
        println!(
            "  {:<14}{median:>8}{:>+9}   {remark}",
            contender.name,
            median - bare
        );
    }
    println!();
    Ok(())
}

fn ours(sandbox: &Sandbox) -> Result<(), Error> {
    let mut command = sandbox.command(TRUE);
    let command = command
        .stdin(sandboxed::Stdio::null())
        .stdout(sandboxed::Stdio::null());
    ended(command.status()?.success(), "ours")
}

fn by_hakoniwa() -> Result<(), Error> {
    use hakoniwa::landlock::{FsAccess, Resource, Ruleset};
    let mut ruleset = Ruleset::default();
    ruleset.restrict(Resource::FS, hakoniwa::landlock::CompatMode::Enforce);
    for path in ["/usr", "/bin", "/lib", "/lib64", "/etc"] {
        ruleset.allow_path(path, FsAccess::R | FsAccess::X);
    }
    let mut container = hakoniwa::Container::new();
    let made = container
        .rootfs("/")
        .map_err(|error| failed("hakoniwa", error))?;
    made.unshare(hakoniwa::Namespace::Network)
        .unshare(hakoniwa::Namespace::Ipc)
        .unshare(hakoniwa::Namespace::Uts)
        .unshare(hakoniwa::Namespace::Cgroup)
        .devfsmount("/dev")
        .tmpfsmount("/tmp")
        .landlock_ruleset(ruleset);
    let mut command = container.command(TRUE);
    let status = command
        .status()
        .map_err(|error| failed("hakoniwa", error))?;
    ended(status.success(), "hakoniwa")
}

/// It takes a root of its own: `root` has the links of one into `/usr`.
fn by_ferroday_cage(root: &Path) -> Result<(), Error> {
    use ferroday_cage::{Cage, Network, SeccompPolicy};
    let failed = |error| failed("ferroday-cage", error);
    let cage = Cage::builder()
        .rootfs(root)
        .bind_ro("/usr", "/usr")
        .bind_ro("/etc", "/etc")
        .command(TRUE)
        .network(Network::Isolated)
        .seccomp(SeccompPolicy::Curated)
        .drop_all_capabilities()
        .build()
        .map_err(failed)?;
    ended(cage.run().map_err(failed)?.success(), "ferroday-cage")
}

fn root(parent: &Path) -> Result<PathBuf, Error> {
    let root = parent.join("root");
    let failed = |source| Error::Prepare {
        path: root.clone(),
        source,
    };
    for directory in ["usr", "etc", "dev", "proc", "tmp"] {
        std::fs::create_dir_all(root.join(directory)).map_err(failed)?;
    }
    for link in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{link}"), root.join(link)).map_err(failed)?;
    }
    Ok(root)
}

/// In a process of its own, which is confined, too.
fn by_birdcage() -> Result<(), Error> {
    use birdcage::{Birdcage, Exception, Sandbox as _};
    let failed = |error| failed("birdcage", error);
    let mut sandbox = Birdcage::new();
    for path in ["/usr", "/bin", "/lib", "/lib64"] {
        if Path::new(path).symlink_metadata().is_ok() {
            let exception = Exception::ExecuteAndRead(path.into());
            sandbox.add_exception(exception).map_err(failed)?;
        }
    }
    let command = birdcage::process::Command::new(TRUE);
    let mut child = sandbox.spawn(command).map_err(failed)?;
    let status = child.wait().map_err(|source| Error::Start {
        contender: "birdcage".to_owned(),
        source,
    })?;
    ended(status.success(), "birdcage")
}

fn by_unshare() -> Result<(), Error> {
    use unshare::Namespace::{Ipc, Mount, Net, Pid, User, Uts};
    let (uid, gid) = ids();
    let status = unshare::Command::new(TRUE)
        .unshare(&[User, Mount, Pid, Net, Ipc, Uts])
        .set_id_maps(
            vec![unshare::UidMap {
                inside_uid: uid,
                outside_uid: uid,
                count: 1,
            }],
            vec![unshare::GidMap {
                inside_gid: gid,
                outside_gid: gid,
                count: 1,
            }],
        )
        .status()
        .map_err(|error| failed("unshare", error))?;
    ended(status.success(), "unshare")
}

/// Those of this process: who owns what it has in `/proc`.
fn ids() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map_or((0, 0), |data| (data.uid(), data.gid()))
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null())
}

fn ended(well: bool, contender: &'static str) -> Result<(), Error> {
    if well {
        Ok(())
    } else {
        Err(Error::Confined { contender })
    }
}

fn failed(contender: &str, error: impl std::fmt::Display) -> Error {
    Error::Start {
        contender: contender.to_owned(),
        source: std::io::Error::other(error.to_string()),
    }
}
