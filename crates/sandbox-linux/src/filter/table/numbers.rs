//! Call numbers: libc's, and those of calls that its tables do not have for every target yet.
//!
//! Since 424 a call has the same number on every architecture, so the literals hold everywhere
//! (`include/uapi/asm-generic/unistd.h` of Linux); below that each architecture has its own. A constant of this file takes the place of libc's of the same name.

pub(super) use libc::*;

numbers! {
    SYS_cachestat = 451;
    SYS_fchmodat2 = 452;
    SYS_map_shadow_stack = 453;
    SYS_futex_wake = 454;
    SYS_futex_wait = 455;
    SYS_futex_requeue = 456;
    SYS_statmount = 457;
    SYS_listmount = 458;
    SYS_lsm_get_self_attr = 459;
    SYS_lsm_set_self_attr = 460;
    SYS_lsm_list_modules = 461;
    SYS_mseal = 462;
    SYS_setxattrat = 463;
    SYS_getxattrat = 464;
    SYS_listxattrat = 465;
    SYS_removexattrat = 466;
    SYS_open_tree_attr = 467;
    SYS_file_getattr = 468;
    SYS_file_setattr = 469;
    SYS_listns = 470;
}

#[cfg(target_arch = "x86_64")]
numbers! {
    SYS_io_pgetevents = 333;
    SYS_uretprobe = 335;
    SYS_uprobe = 336;
}

#[cfg(target_arch = "aarch64")]
numbers! {
    SYS_io_pgetevents = 292;
    SYS_kexec_file_load = 294;
}
