//! What a profile says of itself is what its text says, by another reader.

use sandbox_core::{Network, Policy};
use seatbelt::{Answer, Query, Side, VnodeType};

use super::super::{Asked, Facts, Part, Profile};
use super::{Home, workspace};

fn agree(home: &Home, policy: &Policy) {
    let facts = Facts {
        gateway: vec![3128],
        temporary: Some("/private/tmp/sandbox".into()),
        tag: None,
    };
    let profile = Profile::compile(&home.ruleset(policy), &facts).unwrap();
    let text = profile.to_string();
    let read = seatbelt::Profile::parse(&text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut answers = [0, 0];
    let paths = ["w/x", "w/.GIT", "w/d/key", "w/sub/.git/hooks"];
    let mut check = |asked: Asked<'_>, query: &Query, is_directory| {
        let said = profile.says(asked, is_directory);
        let expected = read.decide(asked.operation(), query);
        assert_eq!(said.allows, expected == Answer::Allow, "{asked:?} {said:?}");
        let line = lines[said.line - 1];
        assert!(line.contains(&said.filter), "{asked:?} {said:?} {line}");
        answers[usize::from(said.allows)] += 1;
    };
    for path in paths
        .map(|path| home.path(path))
        .into_iter()
        .chain(["/dev/null".into(), "/usr/lib/x".into()])
    {
        let bytes = path.as_os_str().as_encoded_bytes();
        for is_directory in [false, true] {
            let kind = if is_directory {
                VnodeType::Directory
            } else {
                VnodeType::RegularFile
            };
            let query = Query::path(bytes).of(kind);
            for asked in [
                Asked::Read(&path),
                Asked::Write(&path),
                Asked::Remove(&path),
            ] {
                check(asked, &query, Some(is_directory));
            }
        }
        check(Asked::Make(&path), &Query::path(bytes), None);
        check(
            Asked::Socket(&path),
            &Query::socket(Side::Remote, bytes),
            None,
        );
    }
    for port in [80, 3128, 5432] {
        check(
            Asked::Port(port),
            &Query::address(Side::Remote, &format!("localhost:{port}")),
            None,
        );
        check(
            Asked::Elsewhere(port),
            &Query::address(Side::Remote, &format!("192.0.2.1:{port}")),
            None,
        );
    }
    assert!(answers.iter().all(|count| *count > 5), "{answers:?}");
}

#[test]
fn a_profile_answers_for_itself_as_its_text_does() {
    let home = Home::new();
    agree(
        &home,
        &workspace()
            .hide("d/key")
            .hide_matching("**/*.pem")
            .allow("localhost:5432"),
    );
    agree(
        &home,
        &Policy::default()
            .hide("/")
            .write(".")
            .network(Network::Host),
    );
}

#[test]
fn an_answer_names_the_part_that_it_comes_from() {
    let home = Home::new();
    let profile =
        Profile::compile(&home.ruleset(&workspace().hide("d/key")), &Facts::default()).unwrap();
    let at = |path: &str| home.path(path);
    for (asked, part) in [
        (Asked::Read(&at("w/D/KEY")), Some(Part::Reading)),
        (Asked::Write(&at("w/x")), Some(Part::Writing)),
        (Asked::Write(&at("w/.vscode/x")), Some(Part::Protected)),
        (Asked::Remove(&at("w/d")), Some(Part::Ways)),
        (Asked::Write("/dev/null".as_ref()), Some(Part::Devices)),
        (Asked::Port(80), None),
    ] {
        assert_eq!(profile.says(asked, Some(false)).part, part, "{asked:?}");
    }
}
