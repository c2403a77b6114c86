//! A repository in the workspace, and one that is it.

use sandbox_testing::{needs, tool};

use crate::{Day, Step, denied, step};

const UPSTREAM: &str = "set -e
    git init -q upstream; cd upstream; mkdir -p src .github/workflows
    seq 9 > src/lines; echo ci > .github/workflows/ci.yml; echo '*.o' > .gitignore; echo '*.txt text' > .gitattributes
    git add .; git commit -qm first
    git switch -qc feature; echo feature > feature; git add .; git commit -qm feature
    git switch -qc tools main; mkdir .vscode; echo {} > .vscode/settings.json; echo use > .envrc; echo x > .npmrc; mkdir .claude; echo {} > .claude/settings.json; echo x > tool; git add .; git commit -qm tools
    git switch -q main";

#[rustfmt::skip]
const GIT: &[Step] = &[
    step("git clone -q --no-hardlinks @outside/upstream repo"),
    step("cd repo; git switch -qc topic; echo x > new; sed -i 2s/2/two/ src/lines; git add .; git commit -qm topic"),
    step("cd repo; echo y >> new; git commit -qa --amend -m amended"),
    step("cd repo; git rebase -q origin/feature; git log --format=%s"),
    step("cd repo; echo z >> new; git commit -qa --fixup HEAD; GIT_SEQUENCE_EDITOR=true git rebase -qi --autosquash HEAD~3"),
    step("cd repo; echo dirty >> new; echo untracked > untracked; git stash -qu; git status -s; git stash pop -q; git status -s; git checkout -q new; rm untracked"),
    step("cd repo; git switch -qc other main; sed -i 2s/2/zwei/ src/lines; git commit -qam other; git merge -q topic || git status -s; \
          sed -i '/^[<=>]/d' src/lines; git add .; git commit -q --no-edit; git log --format=%s"),
    step("cd repo; git cherry-pick -x origin/feature >/dev/null 2>&1 || git cherry-pick --skip; git revert --no-edit HEAD -m 1 >/dev/null; git tag -am tagged v1; git describe"),
    step("cd repo; git switch -q topic; git fetch -q; git pull -q --rebase origin main; git branch -qD other; up=$(mktemp -d); git clone -q --bare . $up/up.git; \
          git remote add up $up/up.git; git commit -q --allow-empty -m pushed; git push -q -u up topic; git fetch -q up; git status -sb; git remote remove up; git branch -u origin/main; rm -rf $up"),
    step("cd repo; git config user.name B; git remote add up @outside/upstream; git fetch -q up; git remote remove up; git config --unset user.name; git gc -q; git fsck"),
    denied("rm -rf tools; git clone -q --no-hardlinks -b tools @outside/upstream tools; cd tools; git status -s", &["tools/.vscode", "tools/.envrc", "tools/.npmrc", "tools/.claude"]).gives_up(&["tools"]),
    step("cd tools; git switch -q main; git branch -D tools; cd ..; rm -rf tools"),
    step("cd repo; echo p >> new; git commit -qam patched; git format-patch -q -1 -o ..; git reset -q --hard HEAD~1; git am -q ../*.patch; git mv src/lines src/rows; git commit -qm moved; git archive -o ../out.tar HEAD; git clean -qfdx; git bisect start HEAD HEAD~2 >/dev/null; git bisect reset 2>&1"),
];

/// In the repository that is the workspace, where mounts hold what is protected.
#[rustfmt::skip]
const PROJECT: &[Step] = &[
    step("git clone -q --no-hardlinks @outside/upstream ."),
    denied("git checkout -qf tools; git reset -q --hard", &[".vscode", ".envrc", ".npmrc", ".claude"]).gives_up(&[".git", "tool"]),
    step("git switch -qc work; echo x > src/x; git add .; git commit -qm work; echo y > src/x; git commit -qa --fixup HEAD; GIT_SEQUENCE_EDITOR=true git rebase -qi --autosquash HEAD~2"),
    step("git merge -q -m merged origin/feature; echo z > src/x; git stash -q; git stash pop -q; git diff; git checkout -q src/x; git reset -q --hard HEAD; git clean -qfdx; git status -s"),
    step("git config user.name B; git remote add up @outside/upstream; git fetch -q up; git branch -q --track old up/main; git config --unset user.name; git remote remove up; git gc -q; git fsck"),
    step("sed -i s/ci/CI/ .github/workflows/ci.yml; echo A=1 > .env; echo .env >> .gitignore; git add .; git commit -qm ci; git rm -qr src; git commit -qm removed; git revert --no-edit HEAD >/dev/null"),
    denied("sed -i s/use/USE/ .envrc", &[".envrc"]),
    step("git commit -qam envrc; git log --format=%s; git clone -q --no-hardlinks -b main . copy; rm -rf copy; grep -ri ci .github --include=*.yml; cp -a src a; mv a b; rm -r b"),
];

#[test]
fn git_works_all_day() {
    if needs("git", tool("git").is_some()) {
        Day::new(UPSTREAM).passes(GIT);
        Day::new(UPSTREAM).passes(PROJECT);
    }
}
