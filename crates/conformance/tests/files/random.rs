//! Random policies over random trees: the rules and the plan agree, the plan and the kernel do the same.

use std::cell::Cell;

use conformance::kernel::Kernel;
use conformance::random::{Placed, Random, cases};
use conformance::simulator::Layers;
use conformance::{Answer, Attempt, Tree, table};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use sandboxed::Sandbox;

/// How many policies, unless `SANDBOX_CONFORMANCE_CASES` says so, with some 27 attempts each; fewer against the kernel.
const POLICIES: u32 = 400;
pub(crate) const LESS: u32 = 10;

/// What was tried.
#[derive(Default)]
struct Tally {
    policies: Cell<u32>,
    attempts: Cell<u32>,
    /// Attempts on paths of which two rules speak at least.
    contested: Cell<u32>,
}

fn add(count: &Cell<u32>, more: usize) {
    count.set(count.get() + u32::try_from(more).unwrap());
}

impl Tally {
    /// The attempts of a case: no more of those of which one rule speaks than of the others.
    fn choose(case: &Placed) -> Vec<Attempt> {
        let all = case.attempts();
        let (contested, mut single): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|attempt| is_contested(case, attempt));
        single.truncate(contested.len());
        contested.into_iter().chain(single).collect()
    }

    fn note(&self, case: &Placed, attempts: &[Attempt]) {
        let contested = attempts
            .iter()
            .filter(|attempt| is_contested(case, attempt));
        add(&self.policies, 1);
        add(&self.contested, contested.count());
        add(&self.attempts, attempts.len());
    }

    fn is_enough(&self, policies: u32) {
        let (made, attempts, contested) = (
            self.policies.get(),
            self.attempts.get(),
            self.contested.get(),
        );
        println!("{made} policies, {attempts} attempts, of {contested} speak two rules or more");
        assert!(made >= policies / 2, "only {made} policies were accepted");
        assert!(contested * 2 >= attempts);
        assert!(attempts >= 25 * made, "only {attempts} attempts");
    }
}

fn is_contested(case: &Placed, attempt: &Attempt) -> bool {
    case.matches(attempt.path()) >= 2
}

pub(crate) fn policies() -> u32 {
    std::env::var("SANDBOX_CONFORMANCE_CASES").map_or(POLICIES, |count| count.parse().unwrap())
}

/// The same numbers each time, unless `SANDBOX_CONFORMANCE_SEED` says others.
fn seed() -> RngSeed {
    let seed = std::env::var("SANDBOX_CONFORMANCE_SEED");
    RngSeed::Fixed(seed.map_or(0, |seed| seed.parse().unwrap()))
}

pub(crate) fn run(policies: u32, test: impl Fn(&Random) -> Result<(), String>) {
    let mut runner = TestRunner::new(Config {
        cases: policies,
        failure_persistence: None,
        rng_seed: seed(),
        max_shrink_iters: 2000,
        ..Config::default()
    });
    let result = runner.run(&cases(), |case| test(&case).map_err(TestCaseError::fail));
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_rules_and_the_plan_agree() {
    let tree = Tree::default();
    let tally = Tally::default();
    run(policies(), |random| {
        let Some(case) = random.place(&tree) else {
            return Ok(());
        };
        let attempts = Tally::choose(&case);
        tally.note(&case, &attempts);
        case.agrees(&attempts)
    });
    tally.is_enough(policies());
}

#[test]
fn the_plan_and_the_kernel_agree() {
    let tree = Tree::default();
    let tally = Tally::default();
    run(policies() / LESS, |random| {
        let Some(case) = random.place(&tree) else {
            return Ok(());
        };
        let simulator = case.simulator(Layers::All)?;
        let mut attempts = Tally::choose(&case);
        // What is gone from a private directory nobody can make again from outside.
        attempts.retain(|attempt| {
            let outcome = simulator.attempt(attempt);
            !matches!(attempt, Attempt::Delete(_))
                || outcome.answer != Answer::Allowed
                || outcome.changes_host
        });
        tally.note(&case, &attempts);
        let sandbox = Sandbox::builder()
            .context(case.context.clone())
            .facts(table::lowered())
            .build(&case.policy)
            .unwrap();
        let happened = Kernel::confined(&sandbox, &tree).attempts(&attempts);
        for (attempt, happened) in attempts.iter().zip(happened) {
            let simulated = simulator.attempt(attempt);
            if simulated != happened {
                return Err(format!(
                    "{attempt}: the plan does {simulated}, the kernel {happened}\n{}\n{}",
                    case.ruleset, case.plan
                ));
            }
        }
        Ok(())
    });
    tally.is_enough(policies() / LESS);
}
