//! Which variables of the caller the command has.
//!
//! Of the rules that match a name, the one with the most literal characters holds; a name beats a pattern of as many;
//! then `drop` wins. Names of the table of secrets are compared without regard to case. So `"*" = "pass"` opens no secret, and a rule that names one does. Where no rule matches, the
//! variable is dropped. An address with a password in it is a secret under any name: no pattern passes it.

pub(crate) mod wider;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::caches::KEPT;
use crate::os::OsStrExt;
use crate::policy::{VariableEntry, VariableRule};
use crate::resolve::{PathKind, Resolver};
use crate::ruleset::has_secrets;
use crate::secrets;
use crate::{
    Access, Context, FileRules, Lost, Policy, Preset, RuleRef, SocketPreset, Source, Why, preset,
};

/// The rules about variables, resolved.
///
/// ```
/// use sandbox_core::{Context, Policy, Preset, Ruleset};
///
/// let policy = Policy::preset(Preset::Agent);
/// let ruleset = Ruleset::resolve(&policy, &Context::new("/usr/lib")).unwrap();
/// let caller = [("LANG", "C"), ("NPM_TOKEN", "s3cret")].map(|(name, value)| (name.into(), value.into()));
/// let inside = ruleset.environment().apply(caller);
/// assert!(inside.contains(&("LANG".into(), "C".into())));
/// assert!(!inside.iter().any(|(name, _)| name == "NPM_TOKEN"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Environment {
    presets: Vec<Preset>,
    sockets: Vec<SocketPreset>,
    written: Vec<VariableEntry>,
    /// Where downloaded programs are.
    kept: Vec<VariableEntry>,
    /// The one that holds first. Put in order at the first question: nothing that is done about files waits for it.
    rules: OnceLock<Vec<NameRule>>,
}

/// A rule about the names that a pattern matches.
#[derive(Clone, Debug)]
pub(crate) struct NameRule {
    pattern: OsString,
    pub(crate) rule: VariableRule,
    pub(crate) source: Source,
    /// Why the table of secrets has it.
    pub(crate) reason: Option<&'static str>,
}

impl NameRule {
    /// The name or pattern as it was written.
    pub(crate) fn text(&self) -> &OsStr {
        &self.pattern
    }

    fn matches(&self, name: &OsStr) -> bool {
        // Each variable of the caller meets the whole table at every start: most part at the first or the last byte.
        let (pattern, bytes) = (self.pattern.as_bytes(), name.as_bytes());
        let part = |pattern: Option<&u8>, byte: Option<&u8>| match (pattern, byte) {
            (Some(b'*' | b'?') | None, _) => false,
            (Some(pattern), byte) => !byte.is_some_and(|byte| pattern.eq_ignore_ascii_case(byte)),
        };
        if part(pattern.first(), bytes.first()) || part(pattern.last(), bytes.last()) {
            return false;
        }
        let is_same = match self.source {
            Source::Secret => |a: u8, b: u8| a.eq_ignore_ascii_case(&b),
            _ => |a: u8, b: u8| a == b,
        };
        matches(self.pattern.as_bytes(), name.as_bytes(), is_same)
    }

    pub(crate) fn is_literal(&self) -> bool {
        !self
            .pattern
            .as_bytes()
            .iter()
            .any(|byte| matches!(byte, b'*' | b'?'))
    }

    /// Characters that are not special.
    fn literals(&self) -> usize {
        let bytes = self.pattern.as_bytes().iter();
        bytes.filter(|byte| !matches!(byte, b'*' | b'?')).count()
    }

    /// Smallest first is the one that holds.
    fn order(&self) -> impl Ord + use<> {
        let drops_first = u8::from(self.rule != VariableRule::Drop);
        (
            std::cmp::Reverse(self.literals()),
            !self.is_literal(),
            drops_first,
        )
    }

    /// The rule, as answers name it.
    pub(crate) fn reference(&self) -> RuleRef {
        let pattern = self.pattern.to_string_lossy().into_owned();
        RuleRef {
            reason: self.reason,
            ..RuleRef::new(pattern, self.source.clone())
        }
    }

    /// What it does, in the word that a policy uses.
    fn word(&self) -> &'static str {
        match self.rule {
            VariableRule::Pass => "pass",
            VariableRule::Drop => "drop",
            VariableRule::Set(_) => "set",
        }
    }
}

impl Environment {
    /// Setters and parser have seen to it that only single names are set.
    pub(crate) fn resolve(policy: &Policy) -> Self {
        Self {
            presets: policy.presets.iter().map(|(preset, _)| *preset).collect(),
            sockets: policy.socket_presets.iter().map(|(it, _)| *it).collect(),
            written: policy.environment.clone(),
            kept: Vec::new(),
            rules: OnceLock::new(),
        }
    }

    /// Points tools to the programs that they have downloaded into the caller's cache, where the command can see them, and the caller does
    /// not say where they are.
    pub(crate) fn keep(&mut self, files: &FileRules, context: &Context, resolver: &Resolver) {
        let mut presets = self.presets.iter().filter(|it| **it != Preset::None);
        let Some(preset) = presets.next() else {
            return;
        };
        let named = context.variables.get(OsStr::new("XDG_CACHE_HOME"));
        let named = named.map(PathBuf::from).filter(|path| path.is_absolute());
        let Some(cache) = named.or_else(|| Some(context.home.as_ref()?.join(".cache"))) else {
            return;
        };
        let is_seen = |path: &Path| {
            let is_seen = |access| matches!(access, Access::Read | Access::Write);
            let resolved = resolver.resolve(path);
            resolved
                .is_ok_and(|it| it.kind == PathKind::Directory && is_seen(files.access(&it.path).0))
        };
        let said = |variable: &str| context.variables.contains_key(OsStr::new(variable));
        for kept in KEPT.iter().filter(|kept| !said(kept.variable)) {
            let path = cache.join(kept.value);
            if is_seen(&path) {
                self.kept.push(VariableEntry {
                    pattern: kept.variable.into(),
                    rule: VariableRule::Set(path.into()),
                    source: Source::Preset(*preset),
                });
            }
        }
        self.rules = OnceLock::new();
    }

    fn rules(&self) -> &[NameRule] {
        self.rules.get_or_init(|| self.in_order())
    }

    /// Every rule, those that are replaced by later ones too, layer by layer.
    fn all(&self) -> Vec<NameRule> {
        let drop = |secret: &secrets::SecretVariable| NameRule {
            pattern: secret.name.into(),
            rule: VariableRule::Drop,
            source: Source::Secret,
            reason: Some(secret.reason),
        };
        let written = |entry: VariableEntry| NameRule {
            pattern: entry.pattern,
            rule: entry.rule,
            source: entry.source,
            reason: None,
        };
        let secrets = secrets::VARIABLES
            .iter()
            .filter(|_| has_secrets(&self.presets));
        let presets = self
            .presets
            .iter()
            .flat_map(|preset| preset::environment(*preset));
        let sockets = self.sockets.iter();
        let sockets = sockets.flat_map(|preset| preset::sockets::environment(*preset));
        let later = self.kept.iter().chain(&self.written).cloned();
        let entries = presets.chain(sockets).chain(later);
        secrets.map(drop).chain(entries.map(written)).collect()
    }

    fn in_order(&self) -> Vec<NameRule> {
        let mut rules = self.all();
        // By pattern; of those with the same one the last stays.
        rules.reverse();
        rules.sort_by(|a, b| a.pattern.cmp(&b.pattern));
        rules.dedup_by(|later, earlier| later.pattern == earlier.pattern);
        // Stable: patterns of equal weight stay in the order of their text.
        rules.sort_by_cached_key(NameRule::order);
        rules
    }

    /// The environment inside, made of the caller's: sorted by name, each name once. Of a name that the caller has
    /// twice, the first counts, as for getenv(3). What is no variable (no name, or bytes that end one) is dropped.
    pub fn apply(
        &self,
        caller: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Vec<(OsString, OsString)> {
        let mut inside = BTreeMap::new();
        for (name, value) in caller {
            if self.passes(&name, &value) {
                inside.entry(name).or_insert(value);
            }
        }
        for rule in self.rules() {
            // A name is set by the rule of that very name, since nothing weighs more.
            if let VariableRule::Set(value) = &rule.rule {
                inside.insert(rule.pattern.clone(), value.clone());
            }
        }
        inside.into_iter().collect()
    }

    /// Whether a variable of the caller's with this value is inside. Whether its name is allowed is not all of it: a
    /// pattern passes no address with a password.
    pub fn passes(&self, name: &OsStr, value: &OsStr) -> bool {
        let passes = |rule: &NameRule| {
            rule.rule == VariableRule::Pass
                && (rule.is_literal() || !has_password(value.as_bytes()))
        };
        is_variable(name, value) && self.rule(name).is_some_and(passes)
    }

    /// Whether a rule that somebody wrote names this very variable.
    pub fn names(&self, name: &OsStr) -> bool {
        let written = |rule: &&NameRule| !matches!(rule.source, Source::Secret | Source::Preset(_));
        let mut rules = self.rules().iter().filter(written);
        rules.any(|rule| rule.is_literal() && rule.matches(name))
    }

    /// What a rule sets this variable to.
    pub fn value(&self, name: &OsStr) -> Option<&OsStr> {
        match &self.rule(name)?.rule {
            VariableRule::Set(value) => Some(value),
            VariableRule::Pass | VariableRule::Drop => None,
        }
    }

    /// Every rule about variables as it was written, the one that holds first, and what it does: `pass`, `drop`, or `set`.
    pub fn iter(&self) -> impl Iterator<Item = (RuleRef, &'static str)> {
        self.rules()
            .iter()
            .map(|rule| (rule.reference(), rule.word()))
    }

    /// Whether the table of secrets applies.
    pub(crate) fn hides_secrets(&self) -> bool {
        has_secrets(&self.presets)
    }

    /// The rules that no preset and no table has.
    pub(crate) fn written(&self) -> impl Iterator<Item = &NameRule> {
        self.rules()
            .iter()
            .filter(|rule| !matches!(rule.source, Source::Secret | Source::Preset(_)))
    }

    /// What can be known by a variable that this rule passes and the table drops.
    pub(crate) fn secret(&self, rule: &NameRule) -> Option<&'static str> {
        let is_about = |secret: &&secrets::SecretVariable| {
            let (pattern, name) = (secret.name.as_bytes(), rule.pattern.as_bytes());
            let is_same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b);
            pattern == name || (rule.is_literal() && matches(pattern, name, is_same))
        };
        let secret = secrets::VARIABLES.iter().find(is_about)?;
        self.hides_secrets().then_some(secret.reason)
    }

    /// Every rule that speaks of a name and does not hold, those that weigh more first.
    pub(crate) fn lost(&self, name: &OsStr) -> Vec<Lost> {
        let Some(winner) = self.rule(name) else {
            return Vec::new();
        };
        let mut all = self.all();
        all.retain(|rule| rule.matches(name));
        // Of those with the same pattern the last one holds.
        let is_last = |at: usize, rule: &NameRule| {
            let after = all.get(at + 1..).unwrap_or_default();
            !after.iter().any(|later| later.pattern == rule.pattern)
        };
        let mut lost: Vec<(&NameRule, Why)> = Vec::new();
        for (at, rule) in all.iter().enumerate() {
            let why = match (is_last(at, rule), rule.literals().cmp(&winner.literals())) {
                (false, _) => Why::Replaced,
                (true, _) if rule.pattern == winner.pattern => continue,
                (true, std::cmp::Ordering::Less) => Why::LessSpecific,
                (true, _) if winner.is_literal() => Why::Pattern,
                (true, _) => Why::Tie,
            };
            lost.push((rule, why));
        }
        lost.sort_by_cached_key(|(rule, _)| (rule.order(), rule.pattern.clone()));
        lost.into_iter()
            .map(|(rule, why)| Lost::new(rule.reference(), why))
            .collect()
    }

    /// The rule that holds for a name.
    pub(crate) fn rule(&self, name: &OsStr) -> Option<&NameRule> {
        self.rules().iter().find(|rule| rule.matches(name))
    }
}

fn is_variable(name: &OsStr, value: &OsStr) -> bool {
    let name = name.as_bytes();
    !name.is_empty()
        && !name.contains(&b'=')
        && !name.contains(&0)
        && !value.as_bytes().contains(&0)
}

/// Whether a text contains an address with a password: `scheme://user:password@host`, or a user's name alone where it is
/// a token (`https://token@host`).
fn has_password(text: &[u8]) -> bool {
    let starts = text.windows(3).enumerate();
    starts.filter(|(_, three)| three == b"://").any(|(at, _)| {
        let (before, after) = text.split_at(at);
        let after = after.get(3..).unwrap_or_default();
        let is_end = |byte: &u8| {
            matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'') || byte.is_ascii_whitespace()
        };
        let authority = after.split(is_end).next().unwrap_or_default();
        let Some(end) = authority.iter().rposition(|byte| *byte == b'@') else {
            return false;
        };
        let user = authority.get(..end).unwrap_or_default();
        match user.iter().position(|byte| *byte == b':') {
            Some(colon) => colon + 1 < user.len(),
            None => !user.is_empty() && (before.ends_with(b"http") || before.ends_with(b"https")),
        }
    })
}

/// Whether a name is one of a pattern's: `*` is any bytes, `?` is one.
///
/// In time linear in the name for each star: on a mismatch only the last star takes one byte more.
fn matches(pattern: &[u8], name: &[u8], is_same: fn(u8, u8) -> bool) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = name.get(read) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(&expected) if expected == b'?' || is_same(expected, byte) => {
                at += 1;
                read += 1;
            }
            _ => match &mut star {
                Some((before, taken)) => {
                    *taken += 1;
                    at = *before + 1;
                    read = *taken;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_patterns() {
        for (pattern, name, expected) in [
            ("A", "A", true),
            ("A", "AB", false),
            ("*", "", true),
            ("*_TOKEN", "NPM_TOKEN", true),
            ("*_TOKEN", "TOKEN", false),
            ("*_TOKEN", "A_TOKEN_TOKEN", true),
            ("*_SECRET*", "MY_SECRET_KEY", true),
            ("LC_?", "LC_X", true),
            ("LC_?", "LC_", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*a*a*a*a*a*a*a*b", &"a".repeat(5000), false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes(), |a, b| a == b),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn addresses_with_passwords_are_told_from_others() {
        for (text, expected) in [
            ("http://ana:s3cret@proxy:3128", true),
            ("redis://:s3cret@host/0", true),
            ("--index-url https://u:p@host/simple", true),
            ("amqp://a:b@c@host", true),
            ("https://s3crettoken@host/x.git", true),
            ("http://proxy:3128", false),
            ("http://host:80/x@y", false),
            ("ssh://git@host/x.git", false),
            ("socks5h://ana:@host", false),
            ("ana:b@host", false),
            ("/usr/bin:/bin", false),
            ("://", false),
        ] {
            assert_eq!(has_password(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_password_in_an_address_passes_by_name_only() {
        let caller = || {
            [
                ("HTTP_PROXY", "http://ana:s3cret@proxy"),
                ("NO_PROXY", "localhost"),
            ]
            .map(|(name, value)| (name.into(), value.into()))
        };
        let names = |policy: &Policy| -> Vec<OsString> {
            let inside = Environment::resolve(policy).apply(caller());
            inside.into_iter().map(|(name, _)| name).collect()
        };
        let by_pattern = Policy::default().pass("*");
        assert_eq!(names(&by_pattern), ["NO_PROXY"]);
        assert_eq!(
            names(&by_pattern.pass("HTTP_PROXY")),
            ["HTTP_PROXY", "NO_PROXY"]
        );
    }

    #[test]
    fn names_of_secrets_are_dropped_in_any_case_and_common_names_pass() {
        let agent = Environment::resolve(&Policy::preset(crate::Preset::Agent));
        let passes = |name: &str| {
            let rule = agent.rule(name.as_ref());
            rule.is_some_and(|rule| rule.rule != VariableRule::Drop)
        };
        for name in "PATH HOME USER LOGNAME SHELL PWD OLDPWD INIT_CWD TERM COLORTERM LANG LC_ALL TZ EDITOR PAGER LESS \
                     LESSKEY KEYBOARD KEYMAP XKB_DEFAULT_LAYOUT XKB_CONFIG_ROOT MONKEY COMPASS BYPASS AUTHOR \
                     GIT_AUTHOR_NAME TOKENIZERS_PARALLELISM HTTP_PROXY https_proxy NO_PROXY NODE_ENV RUSTFLAGS CI \
                     DESKTOP_SESSION XDG_DATA_DIRS XDG_CONFIG_HOME VIRTUAL_ENV JAVA_HOME MAKEFLAGS PORT BASE_URL"
            .split_whitespace()
        {
            assert!(passes(name), "{name}");
        }
        for name in "db_password Npm_Token npm_config__authToken github_token DEPLOY_KEY ssh_key DB_PW DB_PWD MYSQL_PWD \
                     CLIENTSECRET SESSION_COOKIE COOKIE AUTHORIZATION authorization X_BEARER id_rsa KEYSTOREPASS \
                     CELERY_BROKER_URL RABBITMQ_URL MY_DATABASE_URL REDIS_URL MONGODB_URL KUBE_CONFIG_DATA \
                     GCP_SERVICE_ACCOUNT_JSON FASTLANE_SESSION APP_JWT AWSCREDS ssh_auth_sock"
            .split_whitespace()
        {
            assert!(!passes(name), "{name}");
        }
    }
}
