//! The hostile program of the tests: raw system calls, processes that want to stay, sockets, terminals.
//!
//! It uses nothing but the standard library, and prints what happened instead of judging it: the tests compare its
//! output inside a sandbox with its output outside.

mod attempts;
mod calls;
mod names;
mod network;
mod processes;
mod raw;
mod sockets;
mod terminal;

use std::{env, ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let Some(verb) = args.next() else {
        panic!("usage: payload VERB [ARGS]");
    };
    let rest: Vec<OsString> = args.collect();
    let words = || -> Vec<String> {
        rest.iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    };
    match verb.to_string_lossy().as_ref() {
        "call" => calls::run(&words()),
        "attempts" => attempts::make(),
        "name" => names::make(&words()),
        "slow-names" => names::make_slowly(),
        "i386" => raw::print_i386_getpid(),
        "descriptors" => calls::print_descriptors(),
        "environment" => print_environment(),
        "arguments" => println!("{}", rest.len()),
        "wait" => processes::wait(),
        "brood" => processes::brood(),
        "daemon" => processes::daemon(),
        "bomb" => processes::bomb(&words()),
        "chains" => processes::chains(&words()),
        "ignore" => processes::ignore(&words()),
        "signals" => processes::print_signals(&words()),
        "die" => processes::die(&words()),
        "trace-child" => processes::trace_child(),
        "tcp" => network::tcp(&words()),
        "udp" => network::udp(&words()),
        "ask" => network::ask(&words()),
        "bind" => network::bind(&words()),
        "serve" => return network::serve(&rest),
        "flood" => network::flood(&words()),
        "abstract" => network::abstract_socket(&words()),
        "unix" => sockets::unix(&rest),
        "bound" => sockets::bound(&rest),
        "loopback" => network::loopback(),
        "on-terminal" => return terminal::take_and_run(&rest),
        "terminal" => terminal::describe(),
        "sizes" => terminal::print_sizes(),
        other => panic!("unknown verb `{other}`"),
    }
    ExitCode::SUCCESS
}

/// Prints the environment as the C library holds it, one variable a line.
fn print_environment() {
    for (name, value) in env::vars_os() {
        println!("{}={}", name.to_string_lossy(), value.to_string_lossy());
    }
}
