//! The operations that the kernel asks about.

/// Each operation that a profile may name, and each that a test may ask about. The wildcards are made of them: a name and `*` stands
/// for what begins with it.
const KNOWN: &[&str] = &[
    "appleevent-send",
    "authorization-right-obtain",
    "darwin-notification-post",
    "device-camera",
    "device-microphone",
    "distributed-notification-post",
    "dynamic-code-generation",
    "file-chroot",
    "file-clone",
    "file-ioctl",
    "file-issue-extension",
    "file-link",
    "file-lock",
    "file-map-executable",
    "file-mknod",
    "file-mount",
    "file-read-data",
    "file-read-metadata",
    "file-read-xattr",
    "file-revoke",
    "file-search",
    "file-test-existence",
    "file-unmount",
    "file-write-acl",
    "file-write-create",
    "file-write-data",
    "file-write-flags",
    "file-write-mode",
    "file-write-owner",
    "file-write-setugid",
    "file-write-times",
    "file-write-umount",
    "file-write-unlink",
    "file-write-xattr",
    "fs-quota-get",
    "fs-rename",
    "fs-snapshot-create",
    "generic-issue-extension",
    "hid-control",
    "iokit-get-properties",
    "iokit-open",
    "iokit-open-service",
    "iokit-open-user-client",
    "iokit-set-properties",
    "ipc-posix-issue-extension",
    "ipc-posix-sem-create",
    "ipc-posix-sem-open",
    "ipc-posix-sem-post",
    "ipc-posix-sem-unlink",
    "ipc-posix-sem-wait",
    "ipc-posix-shm-read-data",
    "ipc-posix-shm-read-metadata",
    "ipc-posix-shm-write-create",
    "ipc-posix-shm-write-data",
    "ipc-posix-shm-write-unlink",
    "ipc-sysv-msg",
    "ipc-sysv-sem",
    "ipc-sysv-shm",
    "job-creation",
    "load-unsigned-code",
    "lsopen",
    "mach-bootstrap",
    "mach-cross-domain-lookup",
    "mach-host-exception-port-set",
    "mach-host-special-port-set",
    "mach-issue-extension",
    "mach-lookup",
    "mach-per-user-lookup",
    "mach-priv-host-port",
    "mach-priv-task-port",
    "mach-register",
    "mach-task-name",
    "managed-preference-read",
    "necp-client-open",
    "network-bind",
    "network-inbound",
    "network-outbound",
    "nvram-delete",
    "nvram-get",
    "nvram-set",
    "process-codesigning-status-get",
    "process-codesigning-status-set",
    "process-exec",
    "process-exec-interpreter",
    "process-fork",
    "process-info-codesignature",
    "process-info-dirtycontrol",
    "process-info-listpids",
    "process-info-pidfdinfo",
    "process-info-pidinfo",
    "process-info-rusage",
    "process-info-setcontrol",
    "pseudo-tty",
    "qtn-user",
    "signal",
    "sysctl-read",
    "sysctl-write",
    "system-acct",
    "system-audit",
    "system-automount",
    "system-chud",
    "system-debug",
    "system-fsctl",
    "system-info",
    "system-kext-load",
    "system-kext-query",
    "system-mac-label",
    "system-mac-syscall",
    "system-nfssvc",
    "system-necp-client-action",
    "system-package-check",
    "system-privilege",
    "system-reboot",
    "system-sched",
    "system-set-time",
    "system-socket",
    "system-suspend-resume",
    "system-swap",
    "system-write-bootstrap",
    "user-preference-read",
    "user-preference-write",
];

/// Names that are wildcards without a `*`: `default`, and inner nodes that Apple's profiles use without one.
const INNER: &[&str] = &[
    "ipc-posix-sem",
    "ipc-posix-shm",
    "process-exec",
    "iokit-open",
];

/// Whether a rule may name it.
pub(crate) fn is_known(name: &str) -> bool {
    name == "default"
        || KNOWN.contains(&name)
        || INNER.contains(&name)
        || name.strip_suffix('*').is_some_and(|stem| {
            !stem.is_empty() && KNOWN.iter().any(|known| known.starts_with(stem))
        })
}

/// What rules are about an operation: the operation itself, then each wildcard above it, up to `default`.
pub(crate) fn levels(operation: &str) -> impl Iterator<Item = Vec<String>> {
    let stems = std::iter::successors(Some(operation), |stem| {
        stem.rsplit_once('-').map(|(above, _)| above)
    });
    let levels = stems.enumerate().map(|(depth, stem)| {
        let mut names = vec![format!("{stem}*")];
        if depth == 0 || INNER.contains(&stem) {
            names.push(stem.to_owned());
        }
        names
    });
    levels.chain([vec!["default".to_owned()]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_has_the_wildcards_above_it() {
        let names: Vec<String> = levels("file-write-unlink").flatten().collect();
        assert_eq!(
            names,
            [
                "file-write-unlink*",
                "file-write-unlink",
                "file-write*",
                "file*",
                "default"
            ]
        );
        assert!(is_known("file-write*") && is_known("process-exec*") && is_known("default"));
        assert!(!is_known("file-wrote*") && !is_known("file-writes") && !is_known("*"));
    }
}
