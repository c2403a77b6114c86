//! A table of cases, put to all three.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sandbox_core::{Access, Context, Policy, Preset, Ruleset};
use sandbox_linux::{HostFacts, Plan, Step};
use sandboxed::Sandbox;

use crate::case::Table;
use crate::kernel::Kernel;
use crate::seatbelt::{Seatbelt, Together};
use crate::simulator::{Impossible, Layers, Simulator};
use crate::{Attempt, Listing, Tree, rules};

/// What a program needs of the system, where no rule is about `/`.
const SYSTEM: [&str; 4] = ["/usr", "/bin", "/lib", "/lib64"];

/// A policy of these rules, and what the payload needs besides.
pub fn policy(tree: &Tree, rules: &[(OsString, Access)]) -> Policy {
    let mut policy = Policy::default();
    if !rules
        .iter()
        .any(|(rule, access)| rule == "/" && *access != Access::Hide)
    {
        policy = SYSTEM.iter().fold(policy, Policy::read_if_exists);
    }
    policy = policy.read(tree.payload());
    rules.iter().fold(policy, |policy, (rule, access)| {
        add(policy, &expanded(tree, rule), *access)
    })
}

fn add(policy: Policy, rule: &OsStr, access: Access) -> Policy {
    match access {
        Access::Read => policy.read_matching(rule),
        Access::Write => policy.write_matching(rule),
        Access::Scratch => policy.scratch_matching(rule),
        _ => policy.hide_matching(rule),
    }
}

/// A rule with the places of the tree in it.
fn expanded(tree: &Tree, rule: &OsStr) -> OsString {
    let is_place = rule.as_bytes().starts_with(b"@");
    if is_place {
        tree.path(rule).into_os_string()
    } else {
        rule.to_owned()
    }
}

/// What the policies of a tree are resolved for.
#[must_use]
pub fn context(tree: &Tree) -> Context {
    Context::new(tree.workspace())
}

/// A table, made ready.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ready<'a> {
    table: &'a Table,
    tree: Tree,
    policy: Policy,
    context: Context,
    ruleset: Ruleset,
    /// What the host has.
    pub listing: Listing,
    /// The steps on this kernel.
    pub steps: Vec<Step>,
}

impl<'a> Ready<'a> {
    /// Makes the host, resolves the policy and compiles the plan.
    #[must_use]
    pub fn of(table: &'a Table) -> Self {
        let mut tree = Tree::default();
        tree.fill(&table.host, &table.mounts);
        let mut policy = policy(&tree, &table.policy);
        let mut context = context(&tree);
        if let Some(home) = &table.home {
            let home = tree.path(home);
            context.home = Some(home.clone());
            context.homes = vec![home];
            policy = Policy::preset(Preset::ReadOnly).layer(policy);
        }
        policy = policy.hide_by(table.hide);
        let ruleset = Ruleset::resolve(&policy, &context)
            .unwrap_or_else(|error| panic!("{}: {error:?}", table.name));
        let plan = Plan::compile(&ruleset, &HostFacts::complete())
            .unwrap_or_else(|error| panic!("{}: {error:?}", table.name));
        Self {
            table,
            listing: tree.listing(),
            tree,
            policy,
            context,
            ruleset,
            steps: plan.steps().to_vec(),
        }
    }

    /// An attempt with the paths of this host.
    #[must_use]
    pub fn attempt(&self, attempt: &Attempt) -> Attempt {
        let path = |path: &Path| self.tree.path(path.as_os_str());
        match attempt {
            Attempt::Read(it) => Attempt::Read(path(it)),
            Attempt::List(it) => Attempt::List(path(it)),
            Attempt::Execute(it) => Attempt::Execute(path(it)),
            Attempt::Write(it) => Attempt::Write(path(it)),
            Attempt::Create(it) => Attempt::Create(path(it)),
            Attempt::Delete(it) => Attempt::Delete(path(it)),
            Attempt::Rename(from, to) => Attempt::Rename(path(from), path(to)),
        }
    }

    /// Every case of which the rules, the plan or the kernel say something else than the table.
    #[must_use]
    pub fn disagreements(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let simulators = [Layers::All, Layers::Mounts, Layers::Landlock].map(|layers| {
            Simulator::of(&self.listing, &self.steps, layers)
                .unwrap_or_else(|Impossible(why)| panic!("{}: {why}", self.table.name))
        });
        let [all, mounts, landlock] = simulators;
        let all = all.decided_by(&self.ruleset);
        let has_notifier = lowered().notifier;
        let sandbox = Sandbox::builder()
            .context(self.context.clone())
            .facts(lowered())
            .build(&self.policy)
            .unwrap();
        let attempts: Vec<Attempt> = self
            .table
            .cases
            .iter()
            .map(|case| self.attempt(&case.attempt))
            .collect();
        let happened = Kernel::confined(&sandbox, &self.tree).attempts(&attempts);
        // Only then: what the control removes and makes again on the host loses its covers.
        drop(sandbox);
        let possible = Kernel::bare(&self.tree).attempts(&attempts);
        let outcomes = attempts.iter().zip(happened).zip(possible);
        for (case, ((attempt, happened), possible)) in self.table.cases.iter().zip(outcomes) {
            if case.by_name && !has_notifier {
                continue;
            }
            let said = rules::ask(&self.ruleset, &self.listing, attempt).verdict;
            let simulated = all.attempt(attempt);
            let mut complain = |who: &str, what: String| {
                wrong.push(format!(
                    "{}: {} ({}): expected {:?}, {who} {what}",
                    self.table.name, case.attempt, case.reason, case.expected
                ));
            };
            if let Some(verdict) = case.decide.or(case.expected.verdict())
                && verdict != said
            {
                complain("the rules say", said.to_string());
            }
            if !case.expected.admits(simulated.answer) {
                complain("the plan does", simulated.to_string());
            }
            if !case.expected.admits(happened.answer) {
                complain("the kernel does", happened.to_string());
            }
            if simulated != happened {
                complain(
                    "the plan and the kernel differ",
                    format!("{simulated}, {happened}"),
                );
            }
            if !case.outside.admits(possible.answer) {
                complain("without a sandbox", possible.to_string());
            }
            if case.by_name {
                let by_mounts = mounts.attempt(attempt);
                if by_mounts.answer != crate::Answer::Allowed {
                    complain("the mounts do as well", by_mounts.to_string());
                }
            } else if case.is_refusal() {
                let by_mounts = mounts.attempt(attempt);
                if !case.expected.admits(by_mounts.answer) {
                    complain("the mounts alone do", by_mounts.to_string());
                }
                let by_landlock = landlock.attempt(attempt);
                if case.twice != case.expected.admits(by_landlock.answer) {
                    complain("Landlock alone does", by_landlock.to_string());
                }
            }
        }
        wrong
    }

    /// How many cases were put to the profile for macOS, and those in which it says something else than the rules.
    #[must_use]
    pub fn disagreements_with_profile(&self) -> (usize, Vec<String>) {
        let (mut asked, mut wrong) = (0, Vec::new());
        let Some(profile) = Seatbelt::of(&self.ruleset, &self.listing) else {
            return (asked, wrong);
        };
        for case in &self.table.cases {
            match profile.compare(&self.attempt(&case.attempt)) {
                Ok(Together::Same | Together::Stricter) => asked += 1,
                Ok(Together::NotAsked) => {}
                Err(why) => wrong.push(format!("{}: {}: {why}", self.table.name, case.attempt)),
            }
        }
        (asked, wrong)
    }

    /// The first case in which other steps do something else than is expected.
    #[must_use]
    pub fn catch(&self, steps: &[Step]) -> Option<Caught> {
        let simulators = [Layers::All, Layers::Mounts, Layers::Landlock]
            .map(|layers| Simulator::of(&self.listing, steps, layers));
        let [all, mounts, landlock] = match simulators {
            [Ok(all), Ok(mounts), Ok(landlock)] => {
                [all.decided_by(&self.ruleset), mounts, landlock]
            }
            [Err(Impossible(why)), ..]
            | [_, Err(Impossible(why)), _]
            | [.., Err(Impossible(why))] => {
                return Some(Caught::Refused(why));
            }
        };
        self.table.cases.iter().find_map(|case| {
            let attempt = self.attempt(&case.attempt);
            let holds = |simulator: &Simulator<'_>| {
                case.expected.admits(simulator.attempt(&attempt).answer)
            };
            let is_held = case.is_refusal() && !case.by_name;
            let agrees = holds(&all)
                && (!is_held || holds(&mounts))
                && (!is_held || !case.twice || holds(&landlock));
            if agrees {
                None
            } else {
                let (name, attempt, reason) = (&self.table.name, &case.attempt, &case.reason);
                Some(Caught::ByCase(format!("{name}: {attempt}: {reason}")))
            }
        })
    }
}

/// How a fault in a plan shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Caught {
    /// Something else happens than this case expects.
    ByCase(String),
    /// A step cannot be carried out, and nothing is started.
    Refused(String),
}

/// What this host can do, lowered as CI wishes.
#[must_use]
pub fn lowered() -> HostFacts {
    let facts = HostFacts::detect();
    match std::env::var("SANDBOX_TEST_LOWER") {
        Ok(lowering) => facts.lowered(&lowering.parse().unwrap()),
        Err(_) => facts,
    }
}
