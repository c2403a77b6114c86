use sandbox_core::{Context, Policy, Preset};

use super::*;
use crate::Lowering;

/// The plan of a policy that needs nothing of this machine but its root directory.
fn plan(policy: &Policy, facts: &HostFacts) -> Result<Plan, Unenforceable> {
    let ruleset = Ruleset::resolve(policy, &Context::new("/")).expect("the policy is right");
    Plan::compile(&ruleset, facts)
}

fn hidden_root() -> Policy {
    Policy::preset(Preset::None)
}

#[test]
fn an_assembled_root_contains_nothing_of_the_host() {
    let plan = plan(&hidden_root(), &HostFacts::complete()).unwrap();
    insta::assert_snapshot!(plan.to_string(), @r"
     1. clone init with its own user mount pid ipc uts cgroup namespaces
     2. map the user into the sandbox: uid 1000, gid 1000
     3. make a network of its own
     4. bring up the loopback interface
     5. cut the mounts off from the host's
     6. make a private root
     7. make the directory /proc
     8. make the directory /dev
     9. mount /proc (read-only,nosuid,nodev,noexec)
    10. mount a private directory at /dev (mode 755, nosuid,noexec)
    11. take /dev/null (read-only,nosuid,noexec)
    12. make the file /dev/null
    13. show /dev/null
    14. take /dev/zero (read-only,nosuid,noexec)
    15. make the file /dev/zero
    16. show /dev/zero
    17. take /dev/full (read-only,nosuid,noexec)
    18. make the file /dev/full
    19. show /dev/full
    20. take /dev/random (read-only,nosuid,noexec)
    21. make the file /dev/random
    22. show /dev/random
    23. take /dev/urandom (read-only,nosuid,noexec)
    24. make the file /dev/urandom
    25. show /dev/urandom
    26. take /dev/tty (read-only,nosuid,noexec)
    27. make the file /dev/tty
    28. show /dev/tty
    29. make the directory /dev/pts
    30. mount /dev/pts
    31. make the link /dev/fd to /proc/self/fd
    32. make the link /dev/stdin to /proc/self/fd/0
    33. make the link /dev/stdout to /proc/self/fd/1
    34. make the link /dev/stderr to /proc/self/fd/2
    35. make the link /dev/ptmx to pts/ptmx
    36. make the directory /dev/shm
    37. mount a private directory at /dev/shm (mode 1777, nosuid,nodev)
    38. make read-only /dev
    39. make read-only /
    40. enter the private root
    41. make a Landlock ruleset for Execute | WriteFile | ReadFile | ReadDir | RemoveDir | RemoveFile | MakeChar | MakeDir | MakeReg | MakeSock | MakeFifo | MakeBlock | MakeSym | Refer | Truncate | IoctlDev; 2 scopes
    42. grant by Landlock /: ReadDir
    43. grant by Landlock /dev: Execute | WriteFile | ReadFile | ReadDir | Truncate | IoctlDev
    44. grant by Landlock /dev/shm: Execute | WriteFile | ReadFile | ReadDir | RemoveDir | RemoveFile | MakeDir | MakeReg | MakeSock | MakeFifo | MakeSym | Refer | Truncate | IoctlDev
    45. grant by Landlock /proc: Execute | ReadFile | ReadDir
    46. set a limit: 1 core file bytes
    47. read the filter: allow 289 calls · by arguments 21 · EOPNOTSUPP 2 · EPERM 51 · ENOSYS everything else (490 instructions)
    ");
}

#[test]
fn a_live_root_is_restricted_before_anything_is_put_over_it() {
    let plan = plan(
        &Policy::preset(Preset::None).read("/"),
        &HostFacts::complete(),
    )
    .unwrap();
    insta::assert_snapshot!(plan.to_string(), @r"
     1. clone init with its own user mount pid ipc uts cgroup namespaces
     2. map the user into the sandbox: uid 1000, gid 1000
     3. make a network of its own
     4. bring up the loopback interface
     5. cut the mounts off from the host's
     6. take /dev/null (read-only,nosuid,noexec)
     7. take /dev/zero (read-only,nosuid,noexec)
     8. take /dev/full (read-only,nosuid,noexec)
     9. take /dev/random (read-only,nosuid,noexec)
    10. take /dev/urandom (read-only,nosuid,noexec)
    11. take /dev/tty (read-only,nosuid,noexec)
    12. make the file system read-only inside (read-only,nosuid,nodev)
    13. mount /proc (read-only,nosuid,nodev,noexec)
    14. mount a private directory at /dev (mode 755, nosuid,noexec)
    15. make the file /dev/null
    16. show /dev/null
    17. make the file /dev/zero
    18. show /dev/zero
    19. make the file /dev/full
    20. show /dev/full
    21. make the file /dev/random
    22. show /dev/random
    23. make the file /dev/urandom
    24. show /dev/urandom
    25. make the file /dev/tty
    26. show /dev/tty
    27. make the directory /dev/pts
    28. mount /dev/pts
    29. make the link /dev/fd to /proc/self/fd
    30. make the link /dev/stdin to /proc/self/fd/0
    31. make the link /dev/stdout to /proc/self/fd/1
    32. make the link /dev/stderr to /proc/self/fd/2
    33. make the link /dev/ptmx to pts/ptmx
    34. make the directory /dev/shm
    35. mount a private directory at /dev/shm (mode 1777, nosuid,nodev)
    36. make read-only /dev
    37. make a Landlock ruleset for Execute | WriteFile | ReadFile | ReadDir | RemoveDir | RemoveFile | MakeChar | MakeDir | MakeReg | MakeSock | MakeFifo | MakeBlock | MakeSym | Refer | Truncate | IoctlDev; 2 scopes
    38. grant by Landlock /: Execute | ReadFile | ReadDir
    39. grant by Landlock /dev: Execute | WriteFile | ReadFile | ReadDir | Truncate | IoctlDev
    40. grant by Landlock /dev/shm: Execute | WriteFile | ReadFile | ReadDir | RemoveDir | RemoveFile | MakeDir | MakeReg | MakeSock | MakeFifo | MakeSym | Refer | Truncate | IoctlDev
    41. grant by Landlock /proc: Execute | ReadFile | ReadDir
    42. set a limit: 1 core file bytes
    43. read the filter: allow 289 calls · by arguments 21 · EOPNOTSUPP 2 · EPERM 51 · ENOSYS everything else (490 instructions)
    ");
}

#[test]
fn a_lesser_host_gets_fewer_mechanisms_and_the_report_says_so() {
    let debian_12 = HostFacts::complete().lowered(&"linux-6.1".parse::<Lowering>().unwrap());
    let plan = plan(&hidden_root().network(Network::Host), &debian_12).unwrap();
    insta::assert_snapshot!(plan.enforcement().to_string(), @r"
    writes           mount namespace + Landlock
                     not held: cutting off a standard stream that is open for reading, if its file is not visible inside (Landlock before ABI 3)
    hidden paths     mount namespace + Landlock
    protected paths  mount namespace
                     not held: names that do not exist yet, or lie below the top directory of a writable tree, and what the host replaces meanwhile
    sockets by path  not held
                     not held: a command can connect to a socket of the host whose path it can see: hide it
    network          not held
                     not held: the policy leaves the command on the host's network
    abstract sockets not held
                     not held: on the host's network this kernel's Landlock (before ABI 6) does not keep the command off them
    processes        pid namespace + seccomp
    lifetime         pid namespace + pidfd of the caller
    privileges       no capabilities + no_new_privs + user namespace
    system calls     seccomp
    devices          private /dev + nodev mounts
    IPC, names       ipc, uts and cgroup namespaces + session keyring
    environment      the caller
    ");
}

#[test]
fn a_host_without_namespaces_is_refused_with_what_lifts_it() {
    let facts =
        HostFacts::complete().lowered(&"user.max_user_namespaces=0".parse::<Lowering>().unwrap());
    let error = plan(&hidden_root(), &facts).unwrap_err();
    assert!(matches!(error, Unenforceable::Host { .. }), "{error}");
    assert!(error.remedy().is_some());
}

#[test]
fn every_limit_of_the_policy_is_a_step() {
    let policy = hidden_root().memory(1 << 30).processes(7).open_files(9);
    let plan = plan(&policy, &HostFacts::complete()).unwrap();
    let bounds: Vec<_> = plan
        .steps()
        .iter()
        .filter_map(|step| match step {
            Step::Limit { resource, bound } => Some((*resource, *bound)),
            _ => None,
        })
        .collect();
    let expected = [
        (Resource::Core, 1),
        (Resource::Data, 1 << 30),
        (Resource::Processes, 7),
        (Resource::OpenFiles, 9),
    ];
    assert_eq!(bounds, expected);
}
