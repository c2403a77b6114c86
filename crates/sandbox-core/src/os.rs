//! What the operating system has a say in: how names are made of bytes, how a file is opened, who we are.

#[cfg_attr(target_os = "linux", path = "os/listing/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "os/listing/other.rs")]
mod listing;
#[cfg_attr(unix, path = "os/unix.rs")]
#[cfg_attr(not(unix), path = "os/other.rs")]
mod system;

pub(crate) use self::listing::list;
pub(crate) use self::system::{
    OsStrExt, OsStringExt, identity, is_device, is_fifo, names, open_without_waiting, own_name,
    own_uid, version,
};
