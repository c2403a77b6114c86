//! Calls that pass with any arguments. What they can do is bounded by something else: the mounts, Landlock, the
//! namespaces, the credentials. A group's reason says by what.

use super::{Call, Group};

#[rustfmt::skip]
pub(super) const ALLOWED: &[Group] = &[
    Group { why: "open descriptors: opening was decided, and nothing reaches beyond what is open", calls: calls![
        SYS_read SYS_write SYS_pread64 SYS_pwrite64 SYS_readv SYS_writev SYS_preadv SYS_pwritev SYS_preadv2 SYS_pwritev2
        SYS_lseek SYS_close SYS_close_range SYS_dup SYS_dup3 SYS_pipe2 SYS_sendfile SYS_splice SYS_tee SYS_vmsplice
        SYS_copy_file_range SYS_fsync SYS_fdatasync SYS_sync_file_range SYS_sync SYS_syncfs SYS_ftruncate SYS_fallocate
        SYS_fadvise64 SYS_readahead SYS_flock SYS_getdents64 SYS_fstat SYS_fstatfs SYS_cachestat] },
    Group { why: "paths: mounts and Landlock decide which exist and which can be written", calls: calls![
        SYS_newfstatat SYS_statx SYS_statfs SYS_faccessat SYS_faccessat2 SYS_readlinkat SYS_getcwd SYS_chdir SYS_fchdir
        SYS_unlinkat
        SYS_fchown SYS_fchownat SYS_utimensat SYS_file_getattr
        SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch] },
    // mkdir can't make a setgid directory: the kernel keeps the permission bits and the sticky bit only (vfs_mkdir).
    Group { why: "attributes: the namespaces of consequence (security, trusted) need a capability", calls: calls![
        SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_setxattrat SYS_getxattr SYS_lgetxattr SYS_fgetxattr SYS_getxattrat
        SYS_listxattr SYS_llistxattr SYS_flistxattr SYS_listxattrat
        SYS_removexattr SYS_lremovexattr SYS_fremovexattr SYS_removexattrat] },
    Group { why: "mounts, read only: what /proc/self/mountinfo shows", calls: calls![SYS_statmount SYS_listmount] },
    Group { why: "waiting and asynchronous input and output on what is open", calls: calls![
        SYS_pselect6 SYS_ppoll SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_signalfd4
        SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime
        SYS_io_setup SYS_io_destroy SYS_io_submit SYS_io_cancel SYS_io_getevents SYS_io_pgetevents] },
    Group { why: "own memory", calls: calls![
        SYS_mmap SYS_munmap SYS_mprotect SYS_mremap SYS_msync SYS_mincore SYS_madvise SYS_brk SYS_remap_file_pages
        SYS_mlock SYS_mlock2 SYS_munlock SYS_mlockall SYS_munlockall SYS_mseal SYS_memfd_create SYS_map_shadow_stack
        SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect] },
    Group { why: "memory policy of own pages; other processes by ptrace's rules (JVM, numactl)", calls: calls![
        SYS_mbind SYS_set_mempolicy SYS_get_mempolicy SYS_set_mempolicy_home_node SYS_move_pages] },
    Group { why: "System V and POSIX queues, semaphores, shared memory: of the own ipc namespace", calls: calls![
        SYS_shmget SYS_shmat SYS_shmctl SYS_shmdt SYS_semget SYS_semop SYS_semtimedop SYS_semctl
        SYS_msgget SYS_msgsnd SYS_msgrcv SYS_msgctl
        SYS_mq_open SYS_mq_unlink SYS_mq_timedsend SYS_mq_timedreceive SYS_mq_notify SYS_mq_getsetattr] },
    Group { why: "processes: execution never gains a privilege (no_new_privs), numbers are those of the own pid namespace", calls: calls![
        SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_set_tid_address SYS_restart_syscall
        SYS_getpid SYS_getppid SYS_gettid SYS_getpgid SYS_setpgid SYS_getsid SYS_setsid SYS_pidfd_open SYS_process_mrelease] },
    // init is not dumpable and keeps capabilities, so ptrace's rules protect it; what is outside has no number inside.
    Group { why: "debuggers, strace, LeakSanitizer: only processes of the sandbox, by ptrace's rules", calls: calls![
        SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_pidfd_getfd SYS_kcmp SYS_process_madvise] },
    // A process group can't be named through a pidfd: PIDFD_SIGNAL_PROCESS_GROUP wants one of the group's leader.
    Group { why: "signals: to processes that are visible inside", calls: calls![
        SYS_tkill SYS_tgkill SYS_pidfd_send_signal SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_rt_sigaction
        SYS_rt_sigprocmask SYS_rt_sigpending SYS_rt_sigtimedwait SYS_rt_sigsuspend SYS_rt_sigreturn SYS_sigaltstack] },
    Group { why: "threads", calls: calls![
        SYS_futex SYS_futex_waitv SYS_futex_wake SYS_futex_wait SYS_futex_requeue SYS_set_robust_list SYS_get_robust_list
        SYS_rseq SYS_membarrier SYS_getcpu SYS_sched_yield] },
    // On init they fail: it keeps capabilities that the command lacks, and the kernel wants a subset (cap_task_setscheduler).
    Group { why: "scheduling of processes that are visible inside; raising it needs a limit or capability", calls: calls![
        SYS_sched_setaffinity SYS_sched_getaffinity SYS_sched_setparam SYS_sched_getparam SYS_sched_setscheduler
        SYS_sched_getscheduler SYS_sched_setattr SYS_sched_getattr SYS_sched_get_priority_max SYS_sched_get_priority_min
        SYS_sched_rr_get_interval SYS_getpriority SYS_ioprio_get] },
    Group { why: "own limits, read, and own use", calls: calls![
        SYS_getrlimit SYS_getrusage SYS_times SYS_sysinfo SYS_uname] },
    Group { why: "identity: there is no capability, so only what the process has already", calls: calls![
        SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getgroups SYS_getresuid SYS_getresgid SYS_capget SYS_capset
        SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setfsuid SYS_setfsgid SYS_setgroups] },
    Group { why: "clocks, read; timers, own", calls: calls![
        SYS_gettimeofday SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_nanosleep SYS_getitimer SYS_setitimer
        SYS_timer_create SYS_timer_settime SYS_timer_gettime SYS_timer_getoverrun SYS_timer_delete] },
    Group { why: "sockets that exist: which ones can be made is inspected", calls: calls![
        SYS_accept SYS_accept4 SYS_listen SYS_shutdown SYS_getsockname SYS_getpeername
        SYS_getsockopt SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_sendmmsg SYS_recvmmsg] },
    // prctl: what changes more than the caller itself (PR_SET_MM, PR_SET_IO_FLUSHER, PR_SCHED_CORE on others) asks for a
    // capability or follows ptrace's rules; a child subreaper is one within the pid namespace.
    Group { why: "a process about itself", calls: calls![SYS_prctl SYS_getrandom SYS_lsm_get_self_attr SYS_lsm_list_modules] },
    Group { why: "confining oneself further: a domain or a filter only ever takes away", calls: calls![
        SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self] },
];
