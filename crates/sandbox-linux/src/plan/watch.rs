//! The last step: what is done again when the host has undone it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox_core::{FileRules, Opening, Ruleset, above, is_within};

use super::{Compiler, MountAttributes, Step, Unenforceable, encode, mode};
use crate::view::{LiveKind, Node, Surroundings, View};

/// What is done again at names that are watched: covers, rebinds, scratch directories, and directories that were put together; and what
/// can be written once it is there. A home
/// has hundreds, so they are kept as the bytes which init reads.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Watched(Arc<[u8]>);

impl Watched {
    /// # Errors
    ///
    /// [`Unenforceable::Nul`] and [`Unenforceable::TooLarge`].
    pub(crate) fn new(steps: &[Step]) -> Result<Self, Unenforceable> {
        encode::watched(steps).map(|bytes| Self(bytes.into()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The steps, in their order.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        encode::steps_of(&self.0)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps()).finish()
    }
}

/// The most writable trees in which names are watched that do not exist at the start.
const MAX_ROOTS: usize = 16;

/// What lies over protected names once the host makes them. The command can't make them, since the notifier decides that by
/// name, but it could remove them: nobody is asked about a removal.
///
/// Hundreds, of which a host makes few: they are put together when a command has run for a moment.
pub(crate) fn later(
    ruleset: &Ruleset,
    view: &View,
    openings: &[Opening],
) -> Result<Watched, Unenforceable> {
    let made = || openings.iter().filter_map(Opening::made);
    let roots = view.placed().filter_map(|(path, node, within)| {
        let is_root = matches!(
            node,
            Node::Live {
                writable: true,
                kind: LiveKind::Directory
            }
        );
        (is_root && !within.is_writable()).then_some(path)
    });
    let of_table = roots
        .chain(made())
        .take(MAX_ROOTS)
        .flat_map(|root| ruleset.protected_at(root));
    let of_rules = view.missing_reads().map(Path::to_owned);
    let is_writable = |path: &Path| {
        view.surroundings(path).is_writable() || made().any(|made| is_within(path, made))
    };
    let is_unheld = |path: &PathBuf| view.node(path).is_none() && is_writable(path);
    let mut paths: Vec<PathBuf> = of_table.chain(of_rules).filter(is_unheld).collect();
    // What is outside comes first, and what is in one directory together.
    paths.sort_by_cached_key(|path| {
        let directory = above(path).unwrap_or(path);
        (directory.components().count(), path.clone())
    });
    paths.dedup();
    let steps: Vec<_> = paths
        .into_iter()
        .map(|path| Step::Rebind {
            path,
            attributes: MountAttributes::of_tree(false),
        })
        .collect();
    Watched::new(&steps)
}

impl Compiler<'_> {
    /// What the host can undo by replacing a name, and hidden names that it may yet make. What lies in a private file system
    /// it does not reach. Outer names come first, as in the view: what lay in a directory that has been replaced is mounted
    /// anew in the new one.
    pub(super) fn watch(
        &mut self,
        files: &FileRules,
        openings: &[Opening],
    ) -> Result<(), Unenforceable> {
        let again = |(path, node, within): (&Path, &Node, Surroundings)| {
            let is_hosts = path.as_os_str() != "/" && !within.is_private();
            match node {
                Node::Cover(cover) if is_hosts && !is_within(path, "/proc".as_ref()) => {
                    Some(Step::Cover {
                        path: path.to_owned(),
                        cover: *cover,
                    })
                }
                // What it showed of the host is not put together again.
                Node::Assembled if is_hosts => Some(Step::Close {
                    path: path.to_owned(),
                }),
                Node::Live { writable, .. } if is_hosts && within.is_writable() => {
                    Some(Step::Rebind {
                        path: path.to_owned(),
                        attributes: MountAttributes::of_tree(*writable),
                    })
                }
                // Elsewhere nothing can be written in its place.
                Node::Scratch if within.is_writable() => Some(Step::Scratch {
                    path: path.to_owned(),
                    mode: mode(path),
                    apart: true,
                    attributes: MountAttributes::WRITABLE,
                }),
                _ => None,
            }
        };
        let undone: Vec<_> = self.view.placed().filter_map(again).collect();
        let unmade = self
            .view
            .unmade(files.anchors(), files.absent_secrets_of_linux());
        let unmade = unmade
            .into_iter()
            .map(|(path, cover)| Step::Cover { path, cover });
        let made = openings.iter().filter_map(Opening::made);
        let made = made.map(|path| Step::Open {
            path: path.to_owned(),
        });
        let mut names = undone;
        names.extend(made);
        names.extend(unmade);
        if !names.is_empty() {
            self.steps.push(Step::Watch {
                names: Watched::new(&names)?,
                is_copy: false,
            });
        }
        Ok(())
    }
}
