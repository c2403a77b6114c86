//! What every program needs of the system beside files, line by line with its reason, and the options that open more.
//!
//! The lists are short: a service that starts programs, opens documents, reads the clipboard, draws, captures, or tells other
//! programs what to do is not in them. A name that no macOS of today knows costs nothing.

use sandbox_core::{MacOption, MacOptions};

use super::ProfileError;
use super::sbpl::{Filter, Line, Statement};

/// Services (launchd(8)) that system libraries ask by themselves.
#[rustfmt::skip]
const SERVICES: &[(&str, &str)] = &[
    ("com.apple.logd", "os_log(3): every program logs"),
    ("com.apple.system.logger", "syslog(3)"),
    ("com.apple.system.notification_center", "notify(3): changes of time zone and network"),
    ("com.apple.system.opendirectoryd.libinfo", "getpwuid(3): names of users"),
    ("com.apple.system.opendirectoryd.membership", "getgrouplist(3): groups of users"),
    ("com.apple.bsd.dirhelper", "confstr(3): the person's own directory of temporary files"),
    ("com.apple.securityd.xpc", "certificates that the system trusts; of keychains only what programs without entitlements get"),
    ("com.apple.SecurityServer", "certificates that the system trusts; it opens keychains whose files can be read"),
    ("com.apple.fonts", "the fonts of the system: tools that make pictures and documents"),
    ("com.apple.FontObjectsServer", "the fonts of the system: tools that make pictures and documents"),
    ("com.apple.lsd.mapdb", "which kind a file is of"),
    ("com.apple.coreservices.launchservicesd", "frameworks register themselves at start; nothing is opened by it"),
    ("com.apple.PowerManagement.control", "caffeinate(8): not to sleep while a build runs"),
    ("com.apple.audio.systemsoundserver", "the bell of a terminal"),
    ("com.apple.distributed_notifications@Uv3", "changes of the person's settings"),
];

/// What of sysctl(3) is read, by why.
#[rustfmt::skip]
const READABLE: &[(&[&str], &str)] = &[
    (&["hw.activecpu", "hw.logicalcpu", "hw.logicalcpu_max", "hw.ncpu", "hw.nperflevels", "hw.packages", "hw.physicalcpu", "hw.physicalcpu_max"], "how many threads to start"),
    (&["hw.byteorder", "hw.cpufamily", "hw.cputype", "hw.machine", "hw.vectorunit", "machdep.cpu.brand_string", "machdep.ptrauth_enabled", "sysctl.proc_cputype", "sysctl.proc_translated"], "which instructions there are, and whether they are translated"),
    (&["hw.busfrequency_compat", "hw.cpufrequency", "hw.cpufrequency_compat", "hw.tbfrequency_compat"], "how fast clocks run"),
    (&["hw.cacheconfig", "hw.cachelinesize", "hw.cachelinesize_compat", "hw.l1dcachesize", "hw.l1dcachesize_compat", "hw.l1icachesize", "hw.l1icachesize_compat", "hw.l2cachesize", "hw.l2cachesize_compat", "hw.l3cachesize", "hw.l3cachesize_compat"], "sizes of caches, which libraries that calculate ask for by either name"),
    (&["hw.memsize", "hw.pagesize", "hw.pagesize_compat", "vm.loadavg"], "memory and load"),
    (&["kern.argmax", "kern.maxfiles", "kern.maxfilesperproc", "kern.maxproc", "kern.ngroups", "kern.usrstack64"], "limits, as sysconf(3) gives them"),
    (&["kern.hostname", "kern.osproductversion", "kern.osrelease", "kern.ostype", "kern.osvariant_status", "kern.osversion", "kern.version"], "uname(3): which system this is"),
    (&["kern.bootargs", "kern.secure_kernel", "kern.tcsm_available", "kern.tcsm_enable", "kern.willshutdown", "security.mac.lockdown_mode_state"], "asked by libraries of the system at start"),
];

/// Beginnings of names of sysctl(3) that are read.
#[rustfmt::skip]
const READABLE_BELOW: &[(&str, &str)] = &[
    ("hw.optional.arm", "which instructions there are"),
    ("hw.perflevel", "how many fast and slow processors there are"),
    ("machdep.cpu.", "which instructions there are"),
    ("kern.proc.all", "ps(1): which processes there are"),
    ("kern.proc.pgrp.", "ps(1)"),
    ("kern.proc.pid.", "ps(1), and debuggers that look for themselves"),
    ("net.routetable.", "getifaddrs(3): which networks there are"),
];

/// Devices that are written, or asked for what they are.
#[rustfmt::skip]
const DEVICES: &[(&str, &str)] = &[
    ("/dev/null", "what is thrown away"),
    ("/dev/zero", "written by few, as null"),
    ("/dev/tty", "the terminal, where there is one"),
    ("/dev/stdout", "the command's own output"),
    ("/dev/stderr", "the command's own output"),
    ("/dev/dtracehelper", "the dynamic loader tells of probes"),
    ("/dev/autofs_nowait", "the automounter is told not to be waited for"),
];

/// Links as `/dev/stdout` lead here, and so does what shells give a program to write to (`>(…)`). Who opens one has what it has already.
const DESCRIPTORS: (&str, &str) = ("/dev/fd", "the command's own descriptors");

/// The same, only asked.
const ASKED: &[(&str, &str)] = &[
    ("/dev/random", "random numbers"),
    ("/dev/urandom", "random numbers"),
];

/// What of the system is read by every program before it runs, where nothing says that all can be read.
#[rustfmt::skip]
pub(super) const LOADER: &[(&str, &str)] = &[
    ("/usr/lib", "dyld(1), and libraries"),
    ("/System/Library", "frameworks"),
    ("/System/Cryptexes", "libraries that are updated by themselves"),
    ("/System/Volumes/Preboot/Cryptexes", "libraries that are updated by themselves"),
    ("/Library/Apple/System/Library", "libraries for programs of Intel machines"),
    ("/Library/Apple/usr/libexec/oah", "what translates programs of Intel machines"),
    ("/private/var/db/dyld", "the cache of libraries"),
    ("/private/var/db/timezone", "time zones"),
    ("/private/var/select", "which shell /bin/sh is"),
    ("/dev/null", "what reads as nothing"),
    ("/dev/zero", "what reads as zeros"),
    ("/dev/random", "random numbers"),
    ("/dev/urandom", "random numbers"),
    ("/dev/tty", "the terminal, where there is one"),
    DESCRIPTORS,
    ("/dev/stdin", "the command's own input"),
];

/// What is opened asks these.
const OPENING: [&str; 2] = [
    "com.apple.CoreServices.coreservicesd",
    "com.apple.coreservices.quarantine-resolver",
];

fn own() -> Vec<Line> {
    vec![Line::new(
        Filter::Plain("(target same-sandbox)"),
        "no process outside",
    )]
}

fn services<'a>(names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Statement {
    let names = names.into_iter();
    let lines =
        names.map(|(name, why)| Line::new(Filter::Named("global-name", name.to_owned()), why));
    Statement::allow(&["mach-lookup"], lines.collect())
}

/// What every program needs.
pub(super) fn statements() -> Vec<Statement> {
    let names = |names: &[&str]| {
        let of_name = |name: &&str| Filter::Named("sysctl-name", (*name).to_owned());
        Filter::Any(names.iter().map(of_name).collect())
    };
    let sysctls = READABLE
        .iter()
        .map(|(some, why)| Line::new(names(some), *why));
    let below = |(name, why): &(&str, &str)| {
        Line::new(
            Filter::Named("sysctl-name-prefix", (*name).to_owned()),
            *why,
        )
    };
    let sysctls = sysctls.chain(READABLE_BELOW.iter().map(below)).collect();
    let iokit = |kind, name: &str, why| Line::new(Filter::Named(kind, name.to_owned()), why);
    vec![
        Statement::allow(&["process-exec"], Vec::new())
            .because("programs; those that are hidden are denied below"),
        Statement::allow(&["process-fork"], Vec::new()).because("child processes"),
        Statement::allow(&["process-info*"], own()),
        Statement::allow(&["signal"], own()),
        Statement::allow(&["mach-priv-task-port"], own()),
        Statement::allow(&["user-preference-read"], Vec::new())
            .because("language and region; the files of settings are subject to the rules below"),
        services(SERVICES.iter().copied()),
        Statement::allow(&["ipc-posix-shm"], Vec::new())
            .because("shared memory of runtimes, and the notification center's, which is read"),
        Statement::allow(&["ipc-posix-sem"], Vec::new()).because("semaphores of runtimes"),
        Statement::allow(
            &["iokit-open"],
            vec![
                iokit(
                    "iokit-registry-entry-class",
                    "IOSurfaceRootUserClient",
                    "memory of pictures",
                ),
                iokit(
                    "iokit-registry-entry-class",
                    "RootDomainUserClient",
                    "whether the machine is about to sleep",
                ),
                iokit(
                    "iokit-user-client-class",
                    "IOSurfaceSendRight",
                    "memory of pictures",
                ),
            ],
        ),
        Statement::allow(&["iokit-get-properties"], Vec::new())
            .because("what the machine is made of: names and sizes of hardware"),
        Statement::allow(
            &["system-socket"],
            vec![Line::new(
                Filter::All(vec![
                    Filter::Plain("(socket-domain AF_SYSTEM)"),
                    Filter::Plain("(socket-protocol 2)"),
                ]),
                "libraries ask the kernel about the state of networks",
            )],
        ),
        Statement::allow(&["distributed-notification-post"], Vec::new())
            .because("frameworks tell that a setting has changed"),
        Statement::allow(&["sysctl-read"], sysctls),
        Statement::allow(
            &["sysctl-write"],
            vec![Line::new(
                Filter::Named("sysctl-name", "kern.tcsm_enable".to_owned()),
                "a program may ask for a stricter processor for itself",
            )],
        ),
    ]
}

/// What the policy opens beside files and network.
pub(super) fn options(options: &MacOptions) -> Result<Vec<Statement>, ProfileError> {
    let mut statements = Vec::new();
    for (option, source) in &options.allowed {
        let why = format!("{option} ({source}) opens {}", option.gives());
        let whole = |operation| Statement::allow(operation, Vec::new()).because(&why);
        match option {
            MacOption::Trustd => {
                statements.push(services([("com.apple.trustd.agent", why.as_str())]));
            }
            MacOption::AppleEvents => {
                statements.push(whole(&["appleevent-send"]));
                let service = "com.apple.coreservices.appleevents";
                statements.push(services([(service, why.as_str())]));
            }
            MacOption::Open => {
                statements.push(whole(&["lsopen"]));
                statements.push(services(OPENING.map(|name| (name, why.as_str()))));
            }
            MacOption::Pty => {
                let terminals = vec![
                    Line::new(Filter::Literal("/dev/ptmx".to_owned()), &why),
                    Line::new(Filter::Regex("^/dev/ttys".to_owned()), &why),
                ];
                statements.push(whole(&["pseudo-tty"]));
                let operations = &["file-ioctl", "file-read-data", "file-write-data"];
                statements.push(Statement::allow(operations, terminals));
            }
            // What is not known here is not opened.
            _ => {}
        }
    }
    for (name, source) in &options.mach_lookup {
        let (beginning, kind) = match name.strip_suffix('*') {
            Some(beginning) => (beginning, "global-name-prefix"),
            None => (name.as_str(), "global-name"),
        };
        let is_name =
            |letter: char| letter.is_ascii_graphic() && !matches!(letter, '*' | '"' | '\\');
        if beginning.is_empty() || !beginning.chars().all(is_name) {
            return Err(ProfileError::Service {
                name: name.clone(),
                at: source.clone(),
            });
        }
        let filter = Filter::Named(kind, beginning.to_owned());
        let why = format!("{name} ({source}) is not confined");
        let lines = vec![Line::new(filter, why)];
        statements.push(Statement::allow(&["mach-lookup"], lines));
    }
    Ok(statements)
}

/// The devices that every program writes to, whatever the rules about files are.
pub(super) fn devices() -> Vec<Statement> {
    let lines = |devices: &[(&str, &str)]| {
        let of_device =
            |(path, why): &(&str, &str)| Line::new(Filter::Literal((*path).to_owned()), *why);
        devices.iter().map(of_device).collect::<Vec<_>>()
    };
    let asked = [lines(DEVICES), lines(ASKED)].concat();
    let (path, why) = DESCRIPTORS;
    let descriptors = Line::new(Filter::Subpath(path.to_owned()), why);
    let written = [lines(DEVICES), vec![descriptors]].concat();
    vec![
        Statement::allow(&["file-write-data"], written),
        Statement::allow(&["file-ioctl"], asked),
    ]
}
