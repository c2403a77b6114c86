//! Variables that point the caches of tools into the private `/tmp`, and back to what is only read.
//!
//! A cache in the home would have to be writable, which is a way to stay: what a confined build leaves in it is
//! executed by the next unconfined one. Read-only, it breaks tools that insist on writing theirs.

/// A variable, what it is set to, and why.
pub(crate) struct Cache {
    pub(crate) variable: &'static str,
    pub(crate) value: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "for who audits the table"))]
    pub(crate) reason: &'static str,
}

const fn cache(variable: &'static str, value: &'static str, reason: &'static str) -> Cache {
    Cache {
        variable,
        value,
        reason,
    }
}

/// Sorted by name.
#[rustfmt::skip]
pub(crate) const CACHES: &[Cache] = &[
    cache("BUN_INSTALL_CACHE_DIR", "/tmp/.cache/bun", "bun unpacks packages into it"),
    cache("CCACHE_DIR", "/tmp/.cache/ccache", "ccache keeps object files that later builds link"),
    cache("COMPOSER_CACHE_DIR", "/tmp/.cache/composer", "composer keeps archives of packages"),
    cache("COREPACK_HOME", "/tmp/.cache/corepack", "corepack keeps the package managers that it executes"),
    cache("DENO_DIR", "/tmp/.cache/deno", "deno keeps compiled modules"),
    cache("GOCACHE", "/tmp/.cache/go-build", "go build fails without a writable cache"),
    cache("GOLANGCI_LINT_CACHE", "/tmp/.cache/golangci-lint", "golangci-lint fails without a writable cache"),
    cache("GRADLE_USER_HOME", "/tmp/.cache/gradle", "gradle fails where it can't write its locks and daemons"),
    cache("MPLCONFIGDIR", "/tmp/.cache/matplotlib", "matplotlib writes its font cache at the first import"),
    cache("MYPY_CACHE_DIR", "/tmp/.cache/mypy", "mypy trusts what it finds there"),
    cache("NPM_CONFIG_CACHE", "/tmp/.cache/npm", "the spelling of npm_config_cache that some wrappers read"),
    cache("NUMBA_CACHE_DIR", "/tmp/.cache/numba", "numba keeps compiled code"),
    cache("PIP_CACHE_DIR", "/tmp/.cache/pip", "pip keeps wheels that it built and installs again"),
    cache("PNPM_HOME", "/tmp/.cache/pnpm", "pnpm installs nothing without a writable store, which lies there"),
    cache("PRE_COMMIT_HOME", "/tmp/.cache/pre-commit", "pre-commit keeps the hooks that it executes"),
    cache("RUFF_CACHE_DIR", "/tmp/.cache/ruff", "ruff trusts what it finds there"),
    cache("SCCACHE_DIR", "/tmp/.cache/sccache", "sccache keeps object files that later builds link"),
    cache("TMP", "/tmp", "the private directory, whatever the caller's was"),
    cache("TEMP", "/tmp", "the private directory, whatever the caller's was"),
    cache("TMPDIR", "/tmp", "the private directory, whatever the caller's was"),
    cache("UV_CACHE_DIR", "/tmp/.cache/uv", "uv links packages out of it"),
    cache("UV_TOOL_DIR", "/tmp/.cache/uv-tools", "uvx runs nothing where it can't lock the tools that are installed"),
    cache("XDG_CACHE_HOME", "/tmp/.cache", "everything that follows the base directory specification"),
    cache("YARN_CACHE_FOLDER", "/tmp/.cache/yarn", "yarn keeps archives of packages"),
    cache("npm_config_cache", "/tmp/.cache/npm", "npm fails without a writable cache"),
    cache("pnpm_config_store_dir", "/tmp/.cache/pnpm/store", "pnpm looks for one that it can link from, in the home and at the root, before it asks PNPM_HOME"),
];

/// Where tools look for programs that they have downloaded, as directories below the caller's own cache: they are executed from there, since
/// nothing is written. Sorted by name.
#[rustfmt::skip]
pub(crate) const KEPT: &[Cache] = &[
    cache("CYPRESS_CACHE_FOLDER", "Cypress", "what `cypress install` has downloaded"),
    cache("PLAYWRIGHT_BROWSERS_PATH", "ms-playwright", "browsers that `playwright install` has downloaded"),
    cache("PUPPETEER_CACHE_DIR", "puppeteer", "browsers that puppeteer has downloaded"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cache_lies_in_the_private_directory_and_has_a_reason() {
        for cache in CACHES {
            assert!(
                cache.value == "/tmp" || cache.value.starts_with("/tmp/.cache"),
                "{}",
                cache.variable
            );
            assert!(
                !cache.reason.is_empty() && !cache.reason.ends_with('.'),
                "{}",
                cache.variable
            );
        }
        for kept in KEPT {
            assert!(!kept.reason.is_empty() && !kept.reason.ends_with('.'));
            let is_cache = |cache: &Cache| cache.variable == kept.variable;
            assert!(!CACHES.iter().any(is_cache), "{}", kept.variable);
        }
    }
}
