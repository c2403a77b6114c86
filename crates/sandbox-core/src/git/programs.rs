//! The settings that name a program, or lead to where one is named: a table, from git's documentation.
//!
//! Nothing is decided by it, since what is not known to be harmless is frozen. It is here so that nobody adds one of these to
//! what is harmless, and that what they lead to in a writable tree is held.

use super::rewrite::{GitDenial, may_rewrite_git_config as rewrite};
use super::settings::settings;
use super::targets::leading_of;

/// `*` is any name between section and key; a value for which git runs something; where git documents it.
#[rustfmt::skip]
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("alias.x", "!evil", "config/alias.adoc"),
    ("alias.*.command", "!evil", "config/alias.adoc"),
    ("attr.tree", "evil", "config/attr.adoc"),
    ("branch.*.mergeoptions", "-s evil", "config/branch.adoc"),
    ("branch.*.pushremote", "evil::x", "config/branch.adoc"),
    ("branch.*.remote", "evil::x", "config/branch.adoc"),
    ("browser.*.cmd", "evil", "config/browser.adoc"),
    ("browser.*.path", "/evil", "config/browser.adoc"),
    ("bundle.*.uri", "https://evil", "config/bundle.adoc"),
    ("core.alternaterefscommand", "evil", "config/core.adoc"),
    ("core.askpass", "evil", "config/core.adoc"),
    ("core.attributesfile", "/evil", "config/core.adoc"),
    ("core.editor", "evil", "config/core.adoc"),
    ("core.fsmonitor", "evil", "config/core.adoc"),
    ("core.fsmonitor", "true", "config/core.adoc"),
    ("core.gitproxy", "evil", "config/core.adoc"),
    ("core.hookspath", "evil", "config/core.adoc"),
    ("core.pager", "evil", "config/core.adoc"),
    ("core.sshcommand", "evil", "config/core.adoc"),
    ("core.worktree", "/", "config/core.adoc"),
    ("credential.helper", "!evil", "config/credential.adoc"),
    ("credential.*.helper", "!evil", "config/credential.adoc"),
    ("diff.external", "evil", "config/diff.adoc"),
    ("diff.*.command", "evil", "config/diff.adoc"),
    ("diff.*.textconv", "evil", "config/diff.adoc"),
    ("diff.guitool", "evil", "config/difftool.adoc"),
    ("diff.tool", "evil", "config/difftool.adoc"),
    ("difftool.*.cmd", "evil", "config/difftool.adoc"),
    ("difftool.*.path", "/evil", "config/difftool.adoc"),
    ("fetch.bundleuri", "https://evil", "config/fetch.adoc"),
    ("filter.*.clean", "evil", "config/filter.adoc"),
    ("filter.*.process", "evil", "gitattributes.adoc"),
    ("filter.*.smudge", "evil", "config/filter.adoc"),
    ("gc.recentobjectshook", "evil", "config/gc.adoc"),
    ("gitcvs.dbdriver", "Evil", "config/gitcvs.adoc"),
    ("gpg.program", "evil", "config/gpg.adoc"),
    ("gpg.*.program", "evil", "config/gpg.adoc"),
    ("gpg.ssh.defaultkeycommand", "evil", "config/gpg.adoc"),
    ("guitool.*.cmd", "evil", "config/guitool.adoc"),
    ("help.autocorrect", "immediate", "config/help.adoc"),
    ("help.browser", "evil", "config/help.adoc"),
    ("hook.*.command", "evil", "config/hook.adoc"),
    ("hook.*.enabled", "true", "config/hook.adoc"),
    ("hook.*.event", "pre-commit", "config/hook.adoc"),
    ("imap.tunnel", "evil", "config/imap.adoc"),
    ("include.path", "/evil", "config/includeif.adoc"),
    ("includeif.*.path", "/evil", "config/includeif.adoc"),
    ("init.templatedir", "/evil", "config/init.adoc"),
    ("instaweb.browser", "evil", "config/instaweb.adoc"),
    ("instaweb.httpd", "evil", "config/instaweb.adoc"),
    ("instaweb.modulepath", "/evil", "config/instaweb.adoc"),
    ("interactive.difffilter", "evil", "config/interactive.adoc"),
    ("man.viewer", "evil", "config/man.adoc"),
    ("man.*.cmd", "evil", "config/man.adoc"),
    ("man.*.path", "/evil", "config/man.adoc"),
    ("merge.guitool", "evil", "config/merge.adoc"),
    ("merge.tool", "evil", "config/merge.adoc"),
    ("merge.*.driver", "evil", "config/merge.adoc"),
    ("mergetool.*.cmd", "evil", "config/mergetool.adoc"),
    ("mergetool.*.path", "/evil", "config/mergetool.adoc"),
    ("pager.x", "evil", "config/pager.adoc"),
    ("protocol.allow", "always", "config/protocol.adoc"),
    ("protocol.*.allow", "always", "config/protocol.adoc"),
    ("pull.octopus", "evil", "config/pull.adoc"),
    ("pull.twohead", "evil", "config/pull.adoc"),
    ("remote.pushdefault", "evil::x", "config/remote.adoc"),
    ("remote.*.proxy", "evil", "config/remote.adoc"),
    ("remote.*.pushurl", "ext::evil", "config/remote.adoc"),
    ("remote.*.receivepack", "evil", "config/remote.adoc"),
    ("remote.*.uploadpack", "evil", "config/remote.adoc"),
    ("remote.*.url", "ext::evil", "config/remote.adoc"),
    ("remote.*.vcs", "evil", "config/remote.adoc"),
    ("safe.barerepository", "all", "config/safe.adoc"),
    ("safe.directory", "*", "config/safe.adoc"),
    ("sendemail.cccmd", "evil", "config/sendemail.adoc"),
    ("sendemail.headercmd", "evil", "config/sendemail.adoc"),
    ("sendemail.sendmailcmd", "evil", "git-send-email.adoc"),
    ("sendemail.smtpserver", "/evil", "config/sendemail.adoc"),
    ("sendemail.smtpserveroption", "evil", "config/sendemail.adoc"),
    ("sendemail.tocmd", "evil", "config/sendemail.adoc"),
    ("sendemail.*.tocmd", "evil", "config/sendemail.adoc"),
    ("sequence.editor", "evil", "config/sequencer.adoc"),
    ("ssh.variant", "simple", "config/ssh.adoc"),
    ("submodule.*.gitdir", "/evil", "config/submodule.adoc"),
    ("submodule.*.update", "!evil", "config/submodule.adoc"),
    ("submodule.*.url", "ext::evil", "config/submodule.adoc"),
    ("svn.authorsprog", "evil", "git-svn.adoc"),
    ("tar.*.command", "evil", "git-archive.adoc"),
    ("trace2.eventtarget", "/evil", "config/trace2.adoc"),
    ("trailer.*.cmd", "evil", "config/trailer.adoc"),
    ("trailer.*.command", "evil", "config/trailer.adoc"),
    ("uploadpack.packobjectshook", "evil", "config/uploadpack.adoc"),
    ("url.*.insteadof", "https://", "config/url.adoc"),
    ("url.*.pushinsteadof", "https://", "config/url.adoc"),
    ("web.browser", "evil", "config/web.adoc"),
];

const ADDRESS: &str = "an address, or the name of a remote";
const STRATEGY: &str = "a strategy, which is found in `PATH`";
const TOOL: &str = "the name of a tool, whose command is a setting of its own";
const WHETHER: &str = "says whether something is done, and names no file";
/// Those of them that lead to no file of a working tree, and why.
#[rustfmt::skip]
const NOT_LED: &[(&str, &str)] = &[
    ("attr.tree", "what is in a commit"),
    ("branch.*.mergeoptions", STRATEGY),
    ("branch.*.pushremote", ADDRESS),
    ("branch.*.remote", ADDRESS),
    ("bundle.*.uri", ADDRESS),
    ("core.worktree", "where files are written"),
    ("diff.guitool", TOOL),
    ("diff.tool", TOOL),
    ("fetch.bundleuri", ADDRESS),
    ("gitcvs.dbdriver", "a module of Perl's, which is found where those are"),
    ("help.autocorrect", WHETHER),
    ("help.browser", TOOL),
    ("hook.*.enabled", WHETHER),
    ("hook.*.event", WHETHER),
    ("instaweb.browser", TOOL),
    ("man.viewer", TOOL),
    ("merge.guitool", TOOL),
    ("merge.tool", TOOL),
    ("protocol.allow", WHETHER),
    ("protocol.*.allow", WHETHER),
    ("pull.octopus", STRATEGY),
    ("pull.twohead", STRATEGY),
    ("remote.pushdefault", ADDRESS),
    ("remote.*.proxy", ADDRESS),
    ("remote.*.pushurl", ADDRESS),
    ("remote.*.url", ADDRESS),
    ("remote.*.vcs", "a helper of git's that is found in `PATH`"),
    ("safe.barerepository", WHETHER),
    ("safe.directory", WHETHER),
    ("sendemail.smtpserveroption", "options of the program"),
    ("ssh.variant", WHETHER),
    ("submodule.*.gitdir", "a git directory, which is protected as such"),
    ("submodule.*.url", ADDRESS),
    ("trace2.eventtarget", "what is written, and not read"),
    ("url.*.insteadof", ADDRESS),
    ("url.*.pushinsteadof", ADDRESS),
    ("web.browser", TOOL),
];

/// The text of a file with one setting.
fn file(name: &str, value: &str) -> String {
    let (section, key) = name.rsplit_once('.').unwrap();
    let section = match section.split_once('.') {
        Some((section, "*")) => format!("{section} \"x\""),
        Some((section, name)) => format!("{section} \"{name}\""),
        None => section.to_owned(),
    };
    format!("[{section}]\n\t{key} = {value}\n")
}

#[test]
fn no_setting_that_names_a_program_is_harmless() {
    for (name, value, source) in PROGRAMS {
        let denial = rewrite(None, file(name, value).as_bytes());
        let full_name = name.replace('*', "x").into_bytes();
        assert_eq!(
            denial,
            Err(GitDenial::Setting { name: full_name }),
            "{name}: {source}"
        );
    }
}

#[test]
fn what_names_a_program_may_not_be_taken_away_or_changed() {
    for (name, value, source) in PROGRAMS {
        let old = file(name, value);
        for new in [String::new(), file(name, "other"), format!("{old}{old}")] {
            let denial = rewrite(Some(old.as_bytes()), new.as_bytes());
            assert!(denial.is_err(), "{name}: {source}");
        }
        let new = format!("{old}[user]\n\tname = x\n");
        assert_eq!(
            rewrite(Some(old.as_bytes()), new.as_bytes()),
            Ok(()),
            "{name}"
        );
    }
}

#[test]
fn what_names_a_program_is_followed_to_it() {
    let is_not_led = |name: &str| NOT_LED.iter().any(|(not_led, _)| *not_led == name);
    for (name, value, source) in PROGRAMS {
        let all = settings(file(name, value).as_bytes()).unwrap();
        let is_led = all.iter().any(|setting| leading_of(setting).is_some());
        assert_eq!(is_led, !is_not_led(name), "{name}: {source}");
    }
    for (name, _) in NOT_LED {
        let is_there = PROGRAMS.iter().any(|(program, ..)| program == name);
        assert!(is_there, "{name}");
    }
}
