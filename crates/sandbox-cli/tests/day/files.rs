//! Files that people make, save, pack and move.

use sandbox_testing::{needs, tool};
use serde_json::Value;

use crate::{Day, Step, denied, step};

const MADE: &str = "set -e
    mkdir made; cd made; i=0
    while [ $i -lt 12 ]; do echo \"int part$i(void) { return $i; }\" > part$i.c; i=$((i+1)); done
    echo 'int part11(void); int main(void) { return part11() - 11; }' > main.c
    printf 'objects = $(patsubst %%.c,%%.o,$(wildcard *.c))\\napp: $(objects)\\n\\tgcc -o $@ $^\\n%%.o: %%.c\\n\\tgcc -MD -c -o $@ $<\\ncheck: app\\n\\t./app\\ninstall: app\\n\\tmkdir -p $(DESTDIR)/bin; install -m 755 app $(DESTDIR)/bin\\nclean:\\n\\trm -f *.o *.d app\\n' > Makefile
    mkdir -p .vscode .github/workflows; touch .vscode/settings.json .github/workflows/ci.yml .gdbinit";

#[rustfmt::skip]
const MAKE: &[Step] = &[
    denied("rm -rf made; cp -a @outside/made .", &["made/.vscode", "made/.gdbinit"]),
    step("cd made; make -sj8; make -sj8 check; touch part3.c; make -s; make -s install DESTDIR=$PWD/../installed"),
    step("cd made; gcc -c -fPIC part1.c; gcc -shared -o libpart1.so part1.o; ar rcs libparts.a part*.o; ranlib libparts.a; strip libpart1.so; make -s clean"),
];

#[test]
fn make_works_all_day() {
    if needs(
        "make and gcc",
        tool("make").is_some() && tool("gcc").is_some(),
    ) {
        Day::new(MADE).passes(MAKE);
    }
}

/// What editors do when they save, each with the names that it makes for it.
#[rustfmt::skip]
const SAVES: &[Step] = &[
    step("mkdir -p src; seq 9 > src/file; chmod 640 src/file"),
    // vim with `backupcopy=no`: whether it may make a file, the old one as backup, the new one under the name.
    step("cd src; : > .file.swp; : > 4913; rm 4913; mv file file~; seq 8 > file; sync file; chmod 640 file; rm file~ .file.swp"),
    // vim with `backupcopy=yes`, nano: a copy as backup, the file in place.
    step("cd src; cp -p file file~; seq 7 > file; sync file; rm file~"),
    // emacs: a link that says who has it open, a further name as backup, a new file over the old one, what is not saved yet.
    step("cd src; ln -s somebody@host.123:456 .#file; seq 6 > '#file#'; ln file file~; seq 6 > .file.tmp; chmod 640 .file.tmp; sync .file.tmp; mv -f .file.tmp file; rm '#file#' .#file file~"),
    // VS Code: in place, cut off first.
    step("cd src; truncate -s 0 file; seq 5 > file; seq 4 | dd of=file conv=notrunc status=none; sync -d file"),
    // JetBrains' editors, gedit, kate.
    step("cd src; seq 3 > file___jb_tmp___; ln file file___jb_old___; mv -f file___jb_tmp___ file; rm file___jb_old___; seq 3 > .goutputstream-X1; mv -f .goutputstream-X1 file; seq 3 > file.X1; mv -f file.X1 file"),
    // Qt's: a file without a name, until it is whole.
    step("cd src; python3 -c 'import os; f = os.open(\".\", os.O_TMPFILE | os.O_RDWR, 0o640); os.write(f, b\"2\\n\"); os.fsync(f); os.link(\"/proc/self/fd/%d\" % f, \"tmp\", src_dir_fd=f); os.replace(\"tmp\", \"file\")'"),
    step("cd src; sed -i.orig 1s/2/two/ file; cp -b file other; mv -b other file; install -m 600 file copy; perl -pi -e s/two/zwei/ copy; cat copy"),
];

#[test]
fn editors_save_all_day() {
    if needs(
        "python3 and perl",
        tool("python3").is_some() && tool("perl").is_some(),
    ) {
        Day::new("").passes(SAVES);
    }
}

/// Sources as they are handed around, in which each name that is protected lies beside one that is not.
const SOURCES: &str = "set -e
    mkdir -p tree/.vscode tree/.github/workflows tree/a/b tree/a/.idea; cd tree
    for file in .vscode/settings.json .npmrc .envrc .github/workflows/ci.yml .env a/.idea/x.xml a/.bashrc a/.editorconfig a/b/.gitignore a/b/run zlast; do echo $file > $file; done
    ln -s b/run a/run; ln zlast zlinked; chmod 755 a/b/run; chmod 750 a/b
    find . -exec touch -hd 2001-01-01T00:00:00Z {} +; cd ..
    tar -cf tree.tar tree; gzip -k tree.tar
    cd tree; python3 -c 'import os, zipfile; z = zipfile.ZipFile(\"../tree.zip\", \"w\"); [z.write(os.path.join(d, f)) for d, _, fs in sorted(os.walk(\".\")) for f in sorted(fs)]'";

const PROTECTED: &[&str] = &[
    "tree/.vscode",
    "tree/.npmrc",
    "tree/.envrc",
    "tree/a/.idea",
    "tree/a/.bashrc",
];

#[rustfmt::skip]
const ARCHIVES: &[Step] = &[
    denied("rm -rf tree; tar -xf @outside/tree.tar", PROTECTED),
    step("rm -rf tree"),
    denied("rm -rf tree; tar -xzf @outside/tree.tar.gz", PROTECTED),
    step("find tree -name ci.yml -exec sed -i s/ci/CI/ {} +; find tree -type f -name 'z*' | xargs sed -i s/z/Z/; grep -rl Z tree | sort; rm -rf tree"),
    denied("rm -rf tree; cp -a @outside/tree .", PROTECTED),
    step("rm -rf tree"),
    denied("rm -rf tree; cp -r @outside/tree .", PROTECTED),
    step("tar -cf packed.tar tree; rm -rf tree; mkdir -p a/b/c; chmod 700 a; mv a d; mv d/b e; rmdir e/c e; rm -r d; mkfifo f; rm packed.tar"),
    denied("rm -rf tree; mkdir -p tree; tar -C @outside -cf - tree | tar -xf -", PROTECTED),
    denied("rm -rf tree; mkdir tree; cd tree; unzip -q @outside/tree.zip", PROTECTED),
    step("rm -rf tree"),
];

#[test]
fn archives_are_unpacked_all_day() {
    if needs(
        "tar, unzip and python3",
        ["tar", "unzip", "python3"]
            .iter()
            .all(|name| tool(name).is_some()),
    ) {
        Day::new(SOURCES).passes(ARCHIVES);
    }
}

const HELD: &str = "set -e
    cd ../ws; git init -q .; mkdir .vscode; touch .npmrc .vscode/file; git add .; git commit -qm first
    git switch -qc other; echo x > .npmrc; git commit -qam other; git switch -q main";

/// The kernel refuses it without having asked anybody. A rule that opens the name is the control.
#[test]
fn a_removal_that_a_mount_refuses_is_not_told() {
    if !needs("git", tool("git").is_some()) {
        return;
    }
    for (script, name) in [
        ("rm .npmrc", ".npmrc"),
        ("rm .vscode/file", ".vscode"),
        ("chmod 600 .npmrc", ".npmrc"),
        ("git checkout -q other .npmrc", ".npmrc"),
    ] {
        let day = Day::new(HELD);
        let before = day.host.snapshot(name);
        let denied = day.run(script, Some(&[]));
        assert_ne!(denied.outcome.code(), Some(0), "{script}");
        assert_eq!(denied.events, [Value::Null; 0], "{script}");
        before.is_unchanged();
        let options = ["--write".to_owned(), name.to_owned()];
        day.run(script, Some(&options)).outcome.succeeds();
    }
}
