//! A client that asks for TLS in a protocol of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use sandbox_testing::{is_root, needs};

use crate::world::{SAYS, World};

/// Where Debian has the programs of a server; they are not on `PATH`.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .map(|version| version.unwrap().path().join("bin"))
        .find(|bin| {
            bin.join("initdb").try_exists().unwrap() && bin.join("psql").try_exists().unwrap()
        })
}

/// A program that refuses to run as root.
fn unprivileged(program: PathBuf) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
    command.arg(program);
    command
}

#[test]
fn psql() {
    let bin = programs();
    if !needs("postgresql", bin.is_some()) {
        return;
    }
    // Not in a home, which only its owner may enter. It goes after the server.
    let place = tempfile::Builder::new()
        .prefix("sandbox-test-")
        .tempdir_in("/var/tmp")
        .unwrap();
    let Some(mut world) = World::with(&["setpriv"]) else {
        return;
    };
    let bin = bin.unwrap();
    let data = place.path().join("data");
    world.outside(
        "cp server.pem server.key ca.pem \"$1\"; chmod 600 \"$1/server.key\"; [ $(id -u) != 0 ] || chown -R nobody:nogroup \"$1\"",
        &[place.path().to_str().unwrap()],
    );
    let mut make = unprivileged(bin.join("initdb"));
    make.args([
        "--auth=trust",
        "--no-sync",
        "--locale=C",
        "--username=page",
        "-D",
    ])
    .arg(&data);
    let output = make.current_dir(place.path()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let port = world.free_port();
    let mut server = unprivileged(bin.join("postgres"));
    server
        .arg("-D")
        .arg(&data)
        .args(["-h", &world.address.to_string(), "-p", &port.to_string()]);
    let setting = |name: &str, value: String| format!("{name}={value}");
    let path = |name: &str| place.path().join(name).display().to_string();
    for setting in [
        setting("unix_socket_directories", String::new()),
        setting("dynamic_shared_memory_type", "mmap".to_owned()),
        setting("fsync", "off".to_owned()),
        setting("ssl", "on".to_owned()),
        setting("ssl_cert_file", path("server.pem")),
        setting("ssl_key_file", path("server.key")),
    ] {
        server.args(["-c", &setting]);
    }
    // Whom it does not know comes over TLS.
    fs::write(
        data.join("pg_hba.conf"),
        "hostssl all all all trust\nhostnossl all plain all trust\n",
    )
    .unwrap();
    world.serve_on(port, server);
    let psql = bin.join("psql");
    world.reaches_only_what_is_allowed(&format!(
        "{} -XAt 'host=@name port={port} user=page dbname=postgres sslmode=verify-full sslrootcert=@outside/ca.pem' -c \"select '{SAYS}'\"",
        psql.display()
    ));
}
