use std::collections::BTreeMap;

use super::*;
use crate::{Context, Ruleset};

/// Reads from a table instead of a machine.
fn loaded(files: &[(&str, &str)]) -> Result<PolicyFile, PolicyErrors> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let read = |path: &Path| match files.get(tidy(path).unwrap().to_str().unwrap()) {
        Some(text) => Ok(Contents {
            bytes: text.as_bytes().to_vec(),
            names: 1,
        }),
        None => Err(PolicyError::Read {
            path: path.to_owned(),
            source: std::io::Error::from_raw_os_error(2).into(),
        }),
    };
    load(Path::new("/p/a.toml"), &read)
}

fn refusal(files: &[(&str, &str)]) -> String {
    loaded(files).unwrap_err().to_string()
}

#[test]
fn presets_come_first_then_files_in_their_order_then_the_rules() {
    let file = loaded(&[
        (
            "/p/a.toml",
            "extends = ['b.toml', 'agent', 'q/c.toml']\n[files]\n'/x' = 'read'\n",
        ),
        (
            "/p/b.toml",
            "extends = ['strict']\n[files]\n'/x' = 'hide'\n'/y' = 'hide'\n'./z' = 'read'\n",
        ),
        ("/p/q/c.toml", "[files]\n'/y' = 'write'\n'./z' = 'read'\n"),
    ])
    .unwrap();
    insta::assert_snapshot!(file.policy(), @r#"
    extends = ["strict", "agent"]

    [files]
    "/p/./z" = "read"
    "/y" = "write"
    "/p/q/./z" = "read"
    "/x" = "read"
    "#);
    let parts: Vec<&Path> = file.parts().collect();
    assert_eq!(
        parts,
        ["/p/a.toml", "/p/b.toml", "/p/q/c.toml"].map(Path::new)
    );
    assert_eq!(file.path(), Path::new("/p/a.toml"));
}

#[test]
fn of_two_presets_the_rules_of_the_later_hold() {
    let access = |extends: &str| {
        let text = format!("extends = [{extends}]\n");
        let file = loaded(&[("/p/a.toml", &text)]).unwrap();
        let ruleset = Ruleset::resolve(file.policy(), &Context::new("/usr/lib")).unwrap();
        ruleset.files().access("/srv".as_ref()).0.to_string()
    };
    assert_eq!(access("'agent', 'strict'"), "hide");
    assert_eq!(access("'strict', 'agent'"), "read");
    assert_eq!(access("'agent', 'strict', 'agent'"), "read");
}

#[test]
fn a_file_that_cannot_be_extended_is_told_with_the_place_that_names_it() {
    for (files, expected) in [
        (
            &[("/p/a.toml", "extends = ['agent',\n 'b.toml']")][..],
            "/p/a.toml:2: cannot extend `b.toml`: cannot read the policy `/p/b.toml`: No such file or directory (os error 2) (write the file's path, absolute or from the directory of this file)",
        ),
        (
            &[("/p/a.toml", "extends = ['./a.toml']")],
            "/p/a.toml:1: cannot extend `./a.toml`: it extends itself, by way of this file (leave out `./a.toml`)",
        ),
        (
            &[
                ("/p/a.toml", "extends = ['b.toml']"),
                ("/p/b.toml", "extends = ['../p/a.toml']"),
            ],
            "/p/b.toml:1: cannot extend `../p/a.toml`: it extends itself, by way of this file (leave out `../p/a.toml`)",
        ),
        (
            &[
                ("/p/a.toml", "extends = ['b.toml', 'c.json']\n"),
                ("/p/b.toml", "[files]\n'x' = 'raed'"),
                ("/p/c.json", "{]"),
            ],
            "/p/b.toml:2: unknown access `raed` for `x` (write `read`)\n/p/c.json:1: invalid JSON: unexpected token in object",
        ),
        (
            &[(
                "/p/a.toml",
                "extends = ['~/b.toml', '', 'b\\u0000.toml', \"c\\u0000.toml\"]",
            )],
            "/p/a.toml:1: cannot use `~/b.toml`: `~` means nothing in the name of a file (write the file's path, absolute or from the directory of this file)\n/p/a.toml:1: unknown preset `` for `extends` (write `agent`, `read-only`, `strict`, `none`, `github`, `gitlab`, `bitbucket`, `docker-hub`, `ghcr`, `anthropic`, `openai`, `gemini`, `huggingface`, `npm`, `pip`, `cargo`, `go`, `maven`, `debian`, `ssh-agent`, `gpg-agent` or `docker`)\n/p/a.toml:1: the path `c\\0.toml` contains a NUL byte",
        ),
    ] {
        assert_eq!(refusal(files), expected);
    }
}

#[test]
fn depth_and_number_of_files_are_bounded() {
    let name = |at: usize| {
        format!(
            "/p/{}.toml",
            if at == 0 { "a".into() } else { at.to_string() }
        )
    };
    let chain: Vec<(String, String)> = (0..=DEPTH + 1)
        .map(|at| (name(at), format!("extends = ['{}.toml']", at + 1)))
        .collect();
    let chain: Vec<(&str, &str)> = chain
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(
        refusal(&chain),
        "/p/8.toml:1: cannot extend `9.toml`: more than 8 files extend one another"
    );
    let wide = format!("extends = [{}]", "'./b.toml',".repeat(FILES));
    assert_eq!(
        refusal(&[("/p/a.toml", &wide), ("/p/b.toml", "")]),
        "/p/a.toml:1: cannot extend `./b.toml`: more than 64 files are extended"
    );
}

#[test]
fn a_text_extends_presets_only() {
    let errors = Policy::from_toml("extends = ['agent', '../base.toml']", None).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "line 1: cannot extend `../base.toml`: a policy that is given as text extends presets only"
    );
}

#[test]
fn what_is_no_file_to_extend_is_told_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("directory.toml")).unwrap();
    std::fs::write(at("large.toml"), "#".repeat((1 << 20) + 1)).unwrap();
    std::fs::write(at("bom.toml"), "\u{feff}").unwrap();
    std::os::unix::fs::symlink("/dev/zero", at("device.toml")).unwrap();
    for (name, expected) in [
        (
            "directory.toml",
            "DIR/a.toml:1: cannot extend `directory.toml`: `DIR/directory.toml` is a directory, not a policy file (name a regular file)",
        ),
        (
            "device.toml",
            "DIR/a.toml:1: cannot extend `device.toml`: `DIR/device.toml` is a device, not a policy file (name a regular file)",
        ),
        (
            "large.toml",
            "DIR/a.toml:1: cannot extend `large.toml`: the policy `DIR/large.toml` is larger than 1 MiB",
        ),
        (
            "./policy.yaml",
            "DIR/a.toml:1: cannot extend `./policy.yaml`: the name `DIR/./policy.yaml` does not say whether it is TOML or JSON (give it a name that ends in `.toml` or `.json`)",
        ),
        (
            "bom.toml",
            "DIR/bom.toml:1: invalid text: a byte order mark, which UTF-8 does without (save it as plain UTF-8 text, without a byte order mark)",
        ),
    ] {
        std::fs::write(at("a.toml"), format!("extends = ['{name}']")).unwrap();
        let errors = PolicyFile::read(at("a.toml")).unwrap_err().to_string();
        assert_eq!(
            errors.replace(&*directory.path().to_string_lossy(), "DIR"),
            expected
        );
    }
}

#[test]
fn what_a_file_fixes_holds_against_the_one_that_extends_it() {
    let read = |own: &str| {
        let text = format!("extends = ['b.toml']\n[files]\n{own}");
        let file = loaded(&[
            ("/p/a.toml", &text),
            (
                "/p/b.toml",
                "[files]\n'/' = 'read'\n[fixed.files]\n'/usr' = 'hide'\n",
            ),
        ]);
        Ruleset::resolve(file.unwrap().policy(), &Context::new("/usr/lib"))
    };
    assert!(read("'/etc' = 'write'").is_ok());
    assert_eq!(
        read("'/usr/lib' = 'read'").unwrap_err().to_string(),
        "/p/a.toml:3: `/usr/lib` would be `read` instead of `hide`, which is fixed by /p/b.toml:4"
    );
}

/// What a file fixes that another one extends stands on its own presets, not on those of whoever extends it.
#[test]
fn what_an_extended_file_fixes_has_the_presets_of_that_file() {
    let extended = |presets: &str| {
        let fixing = format!("extends = [{presets}]\n[fixed.files]\n'/' = 'read'\n");
        let files = [
            ("/p/a.toml", "extends = ['b.toml']\n"),
            ("/p/b.toml", &fixing),
        ];
        loaded(&files).unwrap().into_policy()
    };
    let resolves = |policy: &Policy| Ruleset::resolve(policy, &Context::new("/usr/lib")).is_ok();
    // It shows the directory for reading, whatever the preset below it opens.
    let agent = || Policy::preset(Preset::Agent);
    let below = agent().layer(extended("'none'"));
    assert!(resolves(&below));
    assert!(!resolves(&below.layer(Policy::new().write("/usr/lib"))));
    // Its own preset opens it.
    let below = Policy::preset(Preset::None).layer(extended("'agent'"));
    assert!(resolves(&below));
    assert!(resolves(
        &below.clone().layer(Policy::new().write("/usr/lib"))
    ));
    assert!(!resolves(&below.layer(Policy::new().write("/usr/share"))));
}
