//! What a process makes its kernel seem to lack, for good.

use nix::libc;

/// From now on the kernel seems to have no netfilter, for this process and what it starts.
pub fn forbid_netfilter() {
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };
    let is = |at, value: i32| {
        let value = u64::from(value.cast_unsigned());
        SeccompCondition::new(at, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).unwrap()
    };
    let netfilter = vec![is(0, libc::AF_NETLINK), is(2, libc::NETLINK_NETFILTER)];
    let rules = [(libc::SYS_socket, vec![SeccompRule::new(netfilter).unwrap()])];
    let missing = SeccompAction::Errno(libc::EPROTONOSUPPORT.cast_unsigned());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules.into(), SeccompAction::Allow, missing, arch).unwrap();
    seccompiler::apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}
