//! Programs that fetch pages: with a proxy in mind or without one, by HTTP 1 and 2, and over websockets.

use std::process::Command;

use sandbox_testing::needs;

use crate::servers::PYTHON;
use crate::world::{SAYS, World};

/// Two sites with a page; their ports.
fn site(programs: &[&str]) -> Option<(World, u16, u16)> {
    let mut world = World::with(&[programs, &[PYTHON]].concat())?;
    world.host.write("@outside/site/page", SAYS);
    let [http, https] = world.serve_site();
    Some((world, http, https))
}

#[test]
fn curl() {
    let Some((world, http, https)) = site(&["curl"]) else {
        return;
    };
    world.reaches_only_what_is_allowed(&format!("curl -sSf http://@name:{http}/page"));
    world.reaches_only_what_is_allowed(&format!(
        "curl -sSf --cacert @outside/ca.pem https://@name:{https}/page"
    ));
}

#[test]
fn wget() {
    let Some((world, http, https)) = site(&["wget"]) else {
        return;
    };
    world.reaches_only_what_is_allowed(&format!("wget -qO- --tries=1 http://@name:{http}/page"));
    world.reaches_only_what_is_allowed(&format!(
        "wget -qO- --tries=1 --ca-certificate=@outside/ca.pem https://@name:{https}/page"
    ));
}

#[test]
fn the_fetch_of_node() {
    let Some((world, http, https)) = site(&["node"]) else {
        return;
    };
    world.host.write(
        "fetch.js",
        "fetch(process.argv[2]).then((answer) => answer.ok ? answer.text() : Promise.reject(answer.status))
            .then(console.log, (error) => { console.error(error); process.exitCode = 1; })",
    );
    world.reaches_only_what_is_allowed(&format!("node fetch.js http://@name:{http}/page"));
    world.reaches_only_what_is_allowed(&format!(
        "NODE_EXTRA_CA_CERTS=@outside/ca.pem node fetch.js https://@name:{https}/page"
    ));
}

#[test]
fn urllib_of_python() {
    python(
        "urllib.request",
        "tls = ssl.create_default_context(cafile=sys.argv[2]); \
         print(urllib.request.urlopen(sys.argv[1], context=tls).read().decode())",
    );
}

#[test]
fn requests_of_python() {
    python(
        "requests",
        "answer = requests.get(sys.argv[1], verify=sys.argv[2]); \
         answer.raise_for_status(); print(answer.text)",
    );
}

/// It refuses to start where a variable names a proxy of a kind that it does not know.
#[test]
fn httpx_of_python() {
    python(
        "httpx",
        "answer = httpx.get(sys.argv[1], verify=ssl.create_default_context(cafile=sys.argv[2])); \
         answer.raise_for_status(); print(answer.text)",
    );
}

/// A module fetches both pages.
fn python(module: &str, fetch: &str) {
    if !has_module(module) {
        return;
    }
    let Some((world, http, https)) = site(&[]) else {
        return;
    };
    for url in [
        format!("http://@name:{http}/page"),
        format!("https://@name:{https}/page"),
    ] {
        world.reaches_only_what_is_allowed(&format!(
            "{PYTHON} -c 'import ssl, sys, {module}; {fetch}' {url} @outside/ca.pem"
        ));
    }
}

/// With the resolver of its own, and with the C library's.
#[test]
fn net_http_of_go() {
    let Some((world, http, https)) = site(&["go", "gcc"]) else {
        return;
    };
    world
        .host
        .write("@outside/fetch.go", include_str!("fetch.go"));
    for cgo in ["0", "1"] {
        world.outside(
            "GO111MODULE=off GOTOOLCHAIN=local GOCACHE=$PWD/go-cache GOFLAGS= CGO_ENABLED=$1 go build -o ../ws/fetch fetch.go",
            &[cgo],
        );
        world.reaches_only_what_is_allowed(&format!("./fetch http://@name:{http}/page"));
        world.reaches_only_what_is_allowed(&format!(
            "SSL_CERT_FILE=@outside/ca.pem ./fetch https://@name:{https}/page"
        ));
    }
}

#[test]
fn clients_of_http_2() {
    let Some(mut world) = World::with(&["node", "curl"]) else {
        return;
    };
    let mut server = Command::new("node");
    server.args([
        "-e",
        include_str!("http2.js"),
        &world.address.to_string(),
        SAYS,
    ]);
    let [port] = world.serve(server);
    let format = r"%{http_version}\n";
    world.reaches_only_what_is_allowed(&format!(
        "curl -sSf --http2 --cacert @outside/ca.pem -w '{format}' https://@name:{port}/ > page; grep -qx 2 page; cat page"
    ));
    world.host.write(
        "fetch.js",
        "const client = require('http2').connect(process.argv[2]);
        const fail = (error) => { console.error(error); process.exit(1); };
        client.on('error', fail);
        const stream = client.request({ ':path': '/' });
        stream.on('error', fail).on('data', (data) => process.stdout.write(data)).on('end', () => client.close());",
    );
    world.reaches_only_what_is_allowed(&format!(
        "NODE_EXTRA_CA_CERTS=@outside/ca.pem node fetch.js https://@name:{port}/"
    ));
}

#[test]
fn websockets() {
    if !has_module("websockets") {
        return;
    }
    let Some(mut world) = World::with(&[PYTHON]) else {
        return;
    };
    let command = world.python(include_str!("websocket.py"), &[SAYS]);
    let [plain, tls] = world.serve(command);
    world.host.write(
        "talk.py",
        "import asyncio, ssl, sys, websockets\n\
         async def talk():\n    \
             tls = ssl.create_default_context(cafile=sys.argv[2]) if sys.argv[1].startswith('wss') else None\n    \
             async with websockets.connect(sys.argv[1], ssl=tls) as socket:\n        \
                 await socket.send('say it')\n        \
                 print(await socket.recv())\n\
         asyncio.run(talk())\n",
    );
    for url in [
        format!("ws://@name:{plain}/"),
        format!("wss://@name:{tls}/"),
    ] {
        world.reaches_only_what_is_allowed(&format!("{PYTHON} talk.py {url} @outside/ca.pem"));
    }
}

fn has_module(name: &str) -> bool {
    let import = Command::new(PYTHON)
        .args(["-c", &format!("import {name}")])
        .output();
    let is_there = import.is_ok_and(|output| output.status.success());
    needs(&format!("{name} of {PYTHON}"), is_there)
}
