//! Programs that fetch code and log in elsewhere.

use std::process::Command;

use sandbox_testing::is_root;

use crate::servers::{PYTHON, inetd};
use crate::world::{SAYS, World};

/// A repository with a file, which a server of files and git's own both have.
const REPOSITORY: &str = "
    git init -q work
    echo \"$1\" > work/page
    git -C work add page
    git -C work -c user.name=a -c user.email=a@allowed.test commit -q -m page
    git clone -q --bare work site/page.git
    git -C site/page.git update-server-info
";

#[test]
fn git_over_https() {
    let Some(mut world) = World::with(&["git", PYTHON]) else {
        return;
    };
    world.outside(REPOSITORY, &[SAYS]);
    let [_, port] = world.serve_site();
    world.reaches_only_what_is_allowed(&format!(
        "rm -rf clone; git -c http.sslCAInfo=@outside/ca.pem clone -q https://@name:{port}/page.git clone; cat clone/page"
    ));
}

/// The protocol of git's own, which knows of no proxy.
#[test]
fn git_over_its_own_protocol() {
    let Some(world) = World::with(&["git"]) else {
        return;
    };
    world.outside(REPOSITORY, &[SAYS]);
    let site = world.host.path("@outside/site");
    let port = inetd(world.address, move || {
        let mut daemon = Command::new("git");
        daemon.args(["daemon", "--inetd", "--export-all"]);
        daemon.arg(format!("--base-path={}", site.display()));
        daemon.arg(&site);
        daemon
    });
    world.reaches_only_what_is_allowed(&format!(
        "rm -rf clone; git clone -q git://@name:{port}/page.git clone; cat clone/page"
    ));
}

/// The server speaks first.
#[test]
fn ssh() {
    const SSHD: &str = "/usr/sbin/sshd";
    let Some(world) = World::with(&["ssh", SSHD, "unshare"]) else {
        return;
    };
    world.outside(
        "ssh-keygen -q -t ed25519 -N '' -f host-key; ssh-keygen -q -t ed25519 -N '' -f client-key; chmod 600 client-key",
        &[],
    );
    let settings = "HostKey @outside/host-key\n\
        AuthorizedKeysFile @outside/client-key.pub\n\
        StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nLogLevel ERROR\n";
    world
        .host
        .write("@outside/sshd_config", world.host.expand(settings));
    let settings = world.host.path("@outside/sshd_config");
    let port = inetd(world.address, move || {
        let mut server = if is_root() {
            // For root it insists on a directory that only its package's service makes.
            let mut server = Command::new("unshare");
            let script = "mount -t tmpfs run /run; mkdir -m 755 /run/sshd; exec \"$@\"";
            server.args(["--mount", "sh", "-ec", script, "sh", SSHD]);
            server
        } else {
            Command::new(SSHD)
        };
        server.args(["-i", "-f"]).arg(&settings);
        server
    });
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let user = user.unwrap().unwrap().name;
    world.reaches_only_what_is_allowed(&format!(
        "ssh -F none -p {port} -i @outside/client-key -o BatchMode=yes -o StrictHostKeyChecking=no \
         -o UserKnownHostsFile=known-hosts {user}@@name echo '{SAYS}'"
    ));
}
