use sandbox_core::PathKind::{Directory, File, Missing, Special, Symlink};

use super::*;

/// Path, access and kind of an anchor.
type Given = (&'static str, Access, PathKind);

/// The view of anchors, and of links given as (path, target).
fn view_with(anchors: &[Given], links: &[(&str, &str)]) -> Result<View, Unenforceable> {
    let mut anchors: Vec<_> = anchors
        .iter()
        .map(|(path, access, kind)| Anchor::new(*path, *access, *kind))
        .collect();
    anchors.sort_by(|one, other| one.path.cmp(&other.path));
    let links: Vec<_> = links
        .iter()
        .map(|(path, target)| Link::new(*path, *target))
        .collect();
    View::of_anchors(&anchors, &links)
}

fn view(anchors: &[Given]) -> View {
    view_with(anchors, &[]).unwrap()
}

/// The node at a path, in words.
fn node(view: &View, path: &str) -> Option<String> {
    view.node(Path::new(path)).map(ToString::to_string)
}

const ROOT: Given = ("/", Access::Read, Directory);

#[test]
fn an_anchor_becomes_the_node_that_its_surroundings_need() {
    use Access::{Hide, Read, Scratch, Write};
    let cases: &[(&[Given], &str, Option<&str>)] = &[
        (
            &[ROOT, ("/w", Write, Directory)],
            "/w",
            Some("the host's, writable"),
        ),
        (
            &[ROOT, ("/w", Write, Directory), ("/w/r", Read, Directory)],
            "/w/r",
            Some("the host's, read-only"),
        ),
        (
            &[ROOT, ("/w", Write, Directory), ("/w/x", Write, Directory)],
            "/w/x",
            None,
        ),
        (&[ROOT, ("/r", Read, Directory)], "/r", None),
        (&[ROOT, ("/h", Hide, Directory)], "/h", Some("hidden")),
        (
            &[ROOT, ("/h", Hide, Directory), ("/h/x", Hide, File)],
            "/h/x",
            None,
        ),
        (
            &[ROOT, ("/h", Hide, Directory), ("/h/i", Write, Directory)],
            "/h",
            Some("assembled"),
        ),
        (
            &[ROOT, ("/h", Hide, Directory), ("/h/i", Write, Missing)],
            "/h",
            Some("hidden"),
        ),
        (
            &[ROOT, ("/h", Hide, Directory), ("/h/i", Read, Directory)],
            "/h/i",
            Some("the host's, read-only"),
        ),
        (&[ROOT, ("/t", Scratch, Directory)], "/t", Some("scratch")),
        (
            &[ROOT, ("/t", Scratch, Directory), ("/t/w", Write, Directory)],
            "/t/w",
            Some("the host's, writable"),
        ),
        (
            &[ROOT, ("/t", Scratch, Directory), ("/t/h", Hide, Directory)],
            "/t/h",
            None,
        ),
        (
            &[ROOT, ("/t", Scratch, Directory), ("/t/s", Scratch, Missing)],
            "/t/s",
            Some("scratch"),
        ),
        (&[("/usr", Read, Directory)], "/", Some("assembled")),
        (
            &[("/usr", Read, Directory)],
            "/usr",
            Some("the host's, read-only"),
        ),
        (
            &[ROOT, ("/dev/kvm", Write, Special)],
            "/dev/kvm",
            Some("the host's device"),
        ),
        (&[ROOT, ("/dev/kvm", Hide, Special)], "/dev/kvm", None),
        (
            &[ROOT, ("/proc/kcore", Hide, File)],
            "/proc/kcore",
            Some("hidden"),
        ),
        (
            &[("/", Write, Directory)],
            "/",
            Some("the host's, writable"),
        ),
    ];
    for (anchors, path, expected) in cases {
        assert_eq!(
            node(&view(anchors), path).as_deref(),
            *expected,
            "{path} of {anchors:?}"
        );
    }
}

#[test]
fn devices_and_processes_are_always_the_sandbox_s_own() {
    for anchors in [&[ROOT][..], &[]] {
        let view = view(anchors);
        assert_eq!(node(&view, "/dev").as_deref(), Some("private devices"));
        assert_eq!(node(&view, "/proc").as_deref(), Some("own processes"));
    }
}

#[test]
fn what_no_node_can_hold_is_said() {
    let view = view(&[
        ROOT,
        ("/h", Access::Hide, Missing),
        ("/w", Access::Write, Directory),
        ("/w/later", Access::Read, Missing),
        ("/r/later", Access::Read, Missing),
    ]);
    let unheld: Vec<_> = view
        .unheld()
        .iter()
        .map(|unheld| unheld.path.to_str().unwrap())
        .collect();
    assert_eq!(unheld, ["/w/later"]);
}

#[test]
fn what_is_hidden_and_not_there_is_noted_where_the_host_could_make_it() {
    let anchors = [
        ("/", Access::Read, Directory),
        ("/h", Access::Hide, Missing),
        ("/link", Access::Hide, Symlink),
        ("/open", Access::Hide, Missing),
        ("/open/below", Access::Write, Missing),
        ("/s", Access::Scratch, Directory),
        ("/s/h", Access::Hide, Missing),
        ("/there", Access::Hide, File),
    ]
    .map(|(path, access, kind)| Anchor::new(path, access, kind));
    let view = View::of_anchors(&anchors, &[]).unwrap();
    let secrets = [("/home/.a", Looks::Empty), ("/s/.b", Looks::Unreadable)]
        .map(|(path, looks)| (path.into(), looks));
    let unmade = view.unmade(&anchors, secrets.into_iter());
    let expected = [
        ("/h", Cover::File),
        ("/link", Cover::File),
        ("/home/.a", Cover::EmptyFile),
    ]
    .map(|(path, cover)| (path.into(), cover));
    assert_eq!(unmade, expected);
}

#[test]
fn what_has_no_node_is_refused() {
    use Access::{Overlay, Scratch, Write};
    let refused: &[Given] = &[
        ("/", Scratch, Directory),
        ("/", Overlay, Directory),
        ("/w", Overlay, Directory),
        ("/s", Scratch, Missing),
        ("/s", Scratch, File),
        ("/dev", Write, Directory),
        ("/proc", Write, Directory),
        ("/proc/sys", Write, Directory),
    ];
    for rule in refused {
        let anchors = if rule.0 == "/" {
            vec![*rule]
        } else {
            vec![ROOT, *rule]
        };
        let error = view_with(&anchors, &[]).unwrap_err();
        assert!(error.remedy().is_some(), "{error}");
    }
}

#[test]
fn links_are_made_again_only_where_the_host_is_not() {
    let links = [("/bin", "usr/bin"), ("/etc/x", "y")];
    let strict = view_with(
        &[
            ("/usr", Access::Read, Directory),
            ("/etc", Access::Read, Directory),
        ],
        &links,
    )
    .unwrap();
    assert_eq!(node(&strict, "/bin").as_deref(), Some("link to usr/bin"));
    assert_eq!(node(&strict, "/etc/x"), None);
    let live = view_with(&[ROOT], &links).unwrap();
    assert_eq!(node(&live, "/bin"), None);
}

#[test]
fn a_link_in_a_hidden_directory_is_made_again_where_it_leads_to_something_visible() {
    let anchors = [
        ROOT,
        ("/d", Access::Hide, Directory),
        ("/e", Access::Hide, Directory),
        ("/e/key", Access::Hide, File),
    ];
    let links = [("/d/link", "/open"), ("/e/link", "/e/key")];
    let view = view_with(&anchors, &links).unwrap();
    assert_eq!(node(&view, "/d").as_deref(), Some("assembled"));
    assert_eq!(node(&view, "/d/link").as_deref(), Some("link to /open"));
    // Nothing can be made in what lies over a hidden directory.
    assert_eq!(node(&view, "/e").as_deref(), Some("hidden"));
    assert_eq!(node(&view, "/e/link"), None);
}

#[test]
fn a_hidden_file_that_tools_must_be_able_to_read_looks_empty() {
    let mut anchors = vec![
        Anchor::new("/", Access::Read, Directory),
        Anchor::new("/c", Access::Hide, File),
    ];
    anchors[1].looks = Looks::Empty;
    let view = View::of_anchors(&anchors, &[]).unwrap();
    assert_eq!(node(&view, "/c").as_deref(), Some("hidden, looks empty"));
}

#[test]
fn a_table_of_names_is_there_in_what_is_put_together_too() {
    let place = |directory: Access, above: &[&str]| {
        let mut anchors = vec![Anchor::new("/", Access::Read, Directory)];
        anchors.push(Anchor::new("/etc", directory, Directory));
        let islands = above.iter();
        anchors.extend(islands.map(|path| Anchor::new(*path, Access::Read, File)));
        anchors.push(Anchor::new("/etc/hosts", Access::Hide, File));
        anchors.last_mut().unwrap().looks = Looks::Hosts;
        let view = View::of_anchors(&anchors, &[]).unwrap();
        node(&view, "/etc/hosts")
    };
    let table = Some("hidden, a table of names in its place");
    assert_eq!(place(Access::Read, &[]).as_deref(), table);
    assert_eq!(place(Access::Hide, &["/etc/group"]).as_deref(), table);
    // Nothing can be put there, or nobody wants it.
    assert_eq!(place(Access::Hide, &[]), None);
    assert_eq!(place(Access::Scratch, &[]), None);
}
