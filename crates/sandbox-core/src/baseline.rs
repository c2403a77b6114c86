//! What `strict` lets a command read: programs, their libraries, and the settings without which they do not start.
//!
//! Nothing of a person's but the toolchains that version managers keep in homes. `/proc` and `/dev` are no rules: every
//! sandbox has its own. Everything is an offer: what a machine does not have is not missed.

/// A path that is readable, and why.
pub(crate) struct Readable {
    pub(crate) path: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "for who audits the table"))]
    pub(crate) reason: &'static str,
}

const fn read(path: &'static str, reason: &'static str) -> Readable {
    Readable { path, reason }
}

/// What tools need of `/run`, which is private in every preset.
#[rustfmt::skip]
pub(crate) const RUN: &[Readable] = &[
    // Not the directory: the sockets in it are doors to the host's resolver.
    read("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf is a link to it"),
    read("/run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf is a link to it"),
    read("/run/resolvconf", "/etc/resolv.conf is a link into it"),
    read("/run/NetworkManager/resolv.conf", "/etc/resolv.conf is a link to it"),
    read("/run/current-system", "every program of NixOS"),
    read("/run/booted-system", "the kernel's modules of NixOS"),
    read("/run/opengl-driver", "graphics libraries of NixOS"),
    read("/run/wrappers", "programs of NixOS that are in PATH"),
];

/// One line an entry: programs and libraries, settings, kernel, toolchains.
#[rustfmt::skip]
pub(crate) const BASELINE: &[Readable] = &[
    read("/usr", "programs, libraries, headers"),
    read("/bin", "programs"),
    read("/sbin", "programs"),
    read("/lib", "libraries"),
    read("/lib32", "libraries"),
    read("/lib64", "the dynamic loader"),
    read("/libx32", "libraries"),
    read("/opt", "programs that are not the distribution's"),
    read("/nix/store", "programs and libraries of Nix"),
    read("/nix/var/nix/profiles", "links to programs of Nix"),
    read("/gnu/store", "programs and libraries of Guix"),
    read("/home/linuxbrew/.linuxbrew", "programs of Homebrew"),
    read("/snap/bin", "programs of snaps"),

    read("/etc/ld.so.cache", "where libraries are"),
    read("/etc/ld.so.conf", "where libraries are"),
    read("/etc/ld.so.conf.d", "where libraries are"),
    read("/etc/ld.so.preload", "the loader looks for it at every start"),
    read("/etc/ld-musl-x86_64.path", "where libraries are"),
    read("/etc/ld-musl-aarch64.path", "where libraries are"),
    read("/etc/alternatives", "links from /usr/bin to programs"),
    read("/etc/passwd", "names of users: git and ssh refuse to work for nobody"),
    read("/etc/group", "names of groups"),
    read("/etc/nsswitch.conf", "how names are looked up"),
    read("/etc/hosts", "localhost"),
    read("/etc/hostname", "the name of the host"),
    read("/etc/host.conf", "how host names are looked up"),
    read("/etc/resolv.conf", "who is asked for host names"),
    read("/etc/gai.conf", "which address comes first"),
    read("/etc/services", "names of ports"),
    read("/etc/protocols", "names of protocols"),
    read("/etc/networks", "names of networks"),
    read("/etc/localtime", "the time zone"),
    read("/etc/timezone", "the time zone"),
    read("/etc/locale.conf", "the language"),
    read("/etc/locale.alias", "the language"),
    read("/etc/default/locale", "the language"),
    read("/etc/os-release", "installers ask which system this is"),
    read("/etc/lsb-release", "installers ask which system this is"),
    read("/etc/debian_version", "installers ask which system this is"),
    read("/etc/alpine-release", "installers ask which system this is"),
    read("/etc/fedora-release", "installers ask which system this is"),
    read("/etc/redhat-release", "installers ask which system this is"),
    read("/etc/system-release", "installers ask which system this is"),
    read("/etc/machine-id", "some runtimes refuse to start without one"),
    read("/etc/mime.types", "types of files"),
    read("/etc/magic", "types of files"),
    read("/etc/terminfo", "what the terminal can do"),
    read("/etc/inputrc", "keys of interactive programs"),
    read("/etc/profile", "settings of shells"),
    read("/etc/profile.d", "settings of shells"),
    read("/etc/bash.bashrc", "settings of shells"),
    read("/etc/bashrc", "settings of shells"),
    read("/etc/bash_completion.d", "settings of shells"),
    read("/etc/zsh", "settings of shells"),
    read("/etc/zshrc", "settings of shells"),
    read("/etc/zshenv", "settings of shells"),
    read("/etc/fish", "settings of shells"),
    read("/etc/shells", "which programs are shells"),
    read("/etc/environment", "settings of the system"),
    read("/etc/gitconfig", "the system's settings of git"),
    read("/etc/gitattributes", "the system's settings of git"),
    read("/etc/npmrc", "the system's settings of npm"),
    read("/etc/pip.conf", "the system's settings of pip"),
    read("/etc/python3", "settings of python"),
    read("/etc/python3.9", "settings of python"),
    read("/etc/python3.10", "settings of python"),
    read("/etc/python3.11", "settings of python"),
    read("/etc/python3.12", "settings of python"),
    read("/etc/python3.13", "settings of python"),
    read("/etc/python3.14", "settings of python"),
    read("/etc/perl", "settings of perl"),
    read("/etc/java", "settings of Java"),
    read("/etc/java-17-openjdk", "settings of Java"),
    read("/etc/java-21-openjdk", "settings of Java"),
    read("/etc/java-25-openjdk", "settings of Java"),
    read("/etc/maven", "settings of Maven"),
    read("/etc/R", "settings of R"),
    read("/etc/emacs", "settings of emacs"),
    read("/etc/vim", "settings of vim"),
    read("/etc/nanorc", "settings of nano"),
    read("/etc/fonts", "where fonts are"),
    read("/etc/papersize", "asked by printing libraries"),
    read("/etc/OpenCL", "where drivers are"),
    read("/etc/vulkan", "where drivers are"),
    read("/etc/ssl/certs", "whom TLS believes"),
    read("/etc/ssl/openssl.cnf", "settings of TLS"),
    read("/etc/ssl/cert.pem", "whom TLS believes"),
    read("/etc/ca-certificates", "whom TLS believes"),
    read("/etc/ca-certificates.conf", "whom TLS believes"),
    read("/etc/pki/tls/certs", "whom TLS believes"),
    read("/etc/pki/tls/cert.pem", "whom TLS believes"),
    read("/etc/pki/tls/openssl.cnf", "settings of TLS"),
    read("/etc/pki/ca-trust", "whom TLS believes"),
    read("/etc/crypto-policies", "settings of TLS"),
    read("/etc/gnutls", "settings of TLS"),
    read("/etc/static", "where NixOS keeps the files of /etc"),
    read("/etc/nix", "settings of Nix"),

    read("/sys/devices/system/cpu", "how many processors there are"),
    read("/sys/devices/system/node", "how memory is divided"),
    read("/sys/fs/cgroup", "runtimes size their pools by its limits"),
    read("/sys/kernel/mm/transparent_hugepage", "runtimes and allocators ask for it"),
    read("/sys/kernel/mm/hugepages", "runtimes and allocators ask for it"),

    read("~/.cargo/bin", "cargo and what it installed"),
    read("~/.cargo/env", "sourced by shells"),
    read("~/.cargo/registry", "crates that were fetched"),
    read("~/.cargo/git", "crates that were fetched"),
    read("~/.cargo/config.toml", "settings of cargo"),
    read("~/.cargo/.package-cache", "cargo locks it"),
    read("~/.rustup", "Rust toolchains"),
    read("~/go/pkg/mod", "Go modules that were fetched"),
    read("~/go/bin", "programs that go installed"),
    read("~/.local/go", "a Go toolchain"),
    read("~/sdk", "Go toolchains"),
    read("~/.nvm", "Node versions"),
    read("~/.fnm", "Node versions"),
    read("~/.local/share/fnm", "Node versions"),
    read("~/.volta", "Node versions"),
    read("~/.n", "Node versions"),
    read("~/.npm-global", "programs that npm installed"),
    read("~/.bun/bin", "bun"),
    read("~/.deno/bin", "deno"),
    read("~/.pyenv", "Python versions"),
    read("~/.local/share/uv", "Python versions and tools"),
    read("~/.local/pipx", "Python tools"),
    read("~/.local/share/pipx", "Python tools"),
    read("~/.local/lib", "Python packages of the account"),
    read("~/.local/bin", "programs of the account"),
    read("~/miniconda3", "Python distributions"),
    read("~/anaconda3", "Python distributions"),
    read("~/.rbenv", "Ruby versions"),
    read("~/.rvm", "Ruby versions"),
    read("~/.sdkman", "Java versions"),
    read("~/.jenv", "Java versions"),
    read("~/.ghcup", "Haskell toolchains"),
    read("~/.elan", "Lean toolchains"),
    read("~/.opam", "OCaml toolchains"),
    read("~/.juliaup", "Julia versions"),
    read("~/.asdf", "versions of many tools"),
    read("~/.local/share/mise", "versions of many tools"),
    read("~/.proto", "versions of many tools"),
    read("~/.nix-profile", "programs of Nix"),
    read("~/.local/state/nix/profiles", "links to programs of Nix"),
    read("~/.gitconfig", "name and address for commits; credentials live elsewhere"),
    read("~/.config/git/config", "name and address for commits; credentials live elsewhere"),
    read("~/.config/git/ignore", "what git does not see"),
    read("~/.config/git/attributes", "how git treats files"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_absolute_has_a_reason_and_is_there_once() {
        let all: Vec<&Readable> = RUN.iter().chain(BASELINE).collect();
        let mut paths: Vec<_> = all.iter().map(|entry| entry.path).collect();
        paths.sort_unstable();
        paths
            .windows(2)
            .for_each(|pair| assert_ne!(pair[0], pair[1]));
        for entry in all {
            assert!(
                entry.path.starts_with('/') || entry.path.starts_with("~/"),
                "{}",
                entry.path
            );
            assert!(
                !entry.reason.is_empty() && !entry.reason.ends_with('.'),
                "{}",
                entry.path
            );
        }
    }
}
