//! Real clients reach the name that is allowed, and are denied the next one at the same address: with the variables that name
//! the proxies, and without them. Servers, certificates, registries and names are the tests' own.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod code;
mod configured;
mod database;
mod packages;
mod resolvers;
mod servers;
mod web;
mod world;
