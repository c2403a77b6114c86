//! Lists the corpora, and puts them into the test: it runs where these files cannot be read.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    println!("cargo::rerun-if-changed={}", corpora.display());
    let mut inputs = Vec::new();
    for target in fs::read_dir(&corpora)? {
        let target = target?;
        for input in fs::read_dir(target.path())? {
            inputs.push((target.file_name(), input?.path()));
        }
    }
    inputs.sort();
    // As literals of the language.
    let text = |name: &OsStr| name.to_string_lossy().escape_default().to_string();
    let mut list = "const CORPORA: &[(&str, &str, &[u8])] = &[\n".to_owned();
    for (target, path) in inputs {
        let name = path.file_name().unwrap_or_default();
        let (target, name, path) = (text(&target), text(name), text(path.as_os_str()));
        let _ = writeln!(
            list,
            "(\"{target}\", \"{name}\", include_bytes!(\"{path}\")),"
        );
    }
    list.push_str("];\n");
    let out = env::var_os("OUT_DIR").unwrap_or_default();
    fs::write(Path::new(&out).join("corpora.rs"), list)
}
