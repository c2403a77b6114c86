//! Lines as `log stream --style ndjson` prints them.

use std::sync::mpsc;

use super::*;
use crate::Tag;

const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/log");

/// A line as the kernel's, with all that is in one.
fn entry(pid: u32, message: &str) -> String {
    serde_json::json!({
        "traceID": 4_785_223_155_716_u64,
        "eventMessage": message,
        "eventType": "logEvent",
        "source": null,
        "formatString": "%s\n%s",
        "userID": 0,
        "activityIdentifier": 0,
        "subsystem": "",
        "category": "",
        "threadID": 1_114_157,
        "backtrace": {"frames": [{"imageOffset": 57136, "imageUUID": "B3C8A2F1-0000-0000-0000-000000000000"}]},
        "processImagePath": "/kernel",
        "timestamp": "2026-05-01 10:11:12.131415+0200",
        "senderImagePath": "/System/Library/Extensions/Sandbox.kext/Contents/MacOS/Sandbox",
        "messageType": "Error",
        "processID": pid,
        "timezoneName": ""
    })
    .to_string()
}

/// What the kernel says; who tried it, and how often; what; as an event.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

#[rustfmt::skip]
const REPORTS: &[Row] = &[
        (
            "Sandbox: cat(123) deny(1) file-read-data /etc/a b",
            "cat 123 1",
            "file-read-data /etc/a b",
            None,
        ),
        (
            "Sandbox: touch(7) deny(1) file-write-create /etc/x",
            "touch 7 1",
            "file-write-create /etc/x",
            Some("create /etc/x"),
        ),
        (
            "Sandbox: sh(7) deny(1) file-write-data /etc/x\ny",
            "sh 7 1",
            "file-write-data /etc/x\ny",
            Some("write /etc/x\\ny"),
        ),
        (
            "Sandbox: rm(7) deny(1) file-write-unlink /etc/x",
            "rm 7 1",
            "file-write-unlink /etc/x",
            Some("write /etc/x"),
        ),
        (
            "3 duplicate reports for Sandbox: ln(7) deny(1) file-link /x",
            "ln 7 3",
            "file-link /x",
            Some("link /x"),
        ),
        (
            "1 duplicate report for Sandbox: ln(7) deny(1) file-link /x",
            "ln 7 1",
            "file-link /x",
            Some("link /x"),
        ),
        (
            "Sandbox: nc(7) deny(1) network-outbound 8.8.8.8:53",
            "nc 7 1",
            "network-outbound 8.8.8.8:53",
            Some("connect 8.8.8.8:53"),
        ),
        (
            "Sandbox: nc(7) deny(1) network-outbound [::1]:80",
            "nc 7 1",
            "network-outbound [::1]:80",
            Some("connect [::1]:80"),
        ),
        (
            "Sandbox: nc(7) deny(1) network-outbound *:80",
            "nc 7 1",
            "network-outbound *:80",
            None,
        ),
        (
            "Sandbox: docker(7) deny(1) network-outbound /private/var/run/docker.sock",
            "docker 7 1",
            "network-outbound /private/var/run/docker.sock",
            Some("connect /private/var/run/docker.sock"),
        ),
        (
            "Sandbox: Finder Helper(x(7) deny(1) sysctl-read",
            "Finder Helper(x 7 1",
            "sysctl-read ",
            None,
        ),
        // Named like a report.
        (
            "Sandbox: a(1) deny(1) b(123) deny(1) file-write-data /c",
            "a(1) deny(1) b 123 1",
            "file-write-data /c",
            Some("write /c"),
        ),
        // A path like a report.
        (
            "Sandbox: a(1) deny(1) file-write-data /b(2) deny(1) file-write-data /c",
            "a 1 1",
            "file-write-data /b(2) deny(1) file-write-data /c",
            Some("write /b(2) deny(1) file-write-data /c"),
        ),
];

#[test]
fn a_report_of_the_kernel_s_under_the_tag_is_read() {
    let tag = Tag::random().unwrap();
    let tried = |violation: &Violation| {
        violation.attempt().map(|(operation, attempt)| {
            let decision = sandbox_core::Decision::denied(None, None);
            let now = std::time::SystemTime::now();
            sandbox_core::Event::new(operation, attempt, decision, now).to_string()
        })
    };
    for (text, who, what, event) in REPORTS {
        let line = entry(0, &format!("{text}\n{}", tag.as_str()));
        let violation = Violation::parse(line.as_bytes(), &tag).unwrap_or_else(|| panic!("{text}"));
        let found = format!(
            "{} {} {}",
            violation.program, violation.pid, violation.count
        );
        assert_eq!(found, *who, "{text}");
        let found = format!(
            "{} {}",
            violation.operation,
            violation.target.clone().unwrap_or_default()
        );
        assert_eq!(found, *what, "{text}");
        assert_eq!(tried(&violation).as_deref(), *event, "{text}");
    }
}

#[test]
fn what_is_no_report_of_the_kernel_s_under_the_tag_is_passed_over() {
    let tag = Tag::random().unwrap();
    let other = Tag::random().unwrap();
    let text = "Sandbox: cat(123) deny(1) file-read-data /etc/a";
    let under = |tag: &Tag, text: &str| format!("{text}\n{}", tag.as_str());
    let read = |line: &str| Violation::parse(line.as_bytes(), &tag).is_some();
    assert!(read(&entry(0, &under(&tag, text))), "the control");
    for line in [
        entry(123, &under(&tag, text)),
        entry(0, &under(&other, text)),
        entry(0, text),
        entry(
            0,
            &format!("{} ", under(&tag, text)).replace(tag.as_str(), ""),
        ),
        entry(0, &format!("{}\nmore", under(&tag, text))),
        entry(
            0,
            &under(&tag, "Sandbox: cat(123) allow(1) file-read-data /etc/a"),
        ),
        entry(
            0,
            &under(&tag, "Sandbox: cat(x) deny(1) file-read-data /etc/a"),
        ),
        entry(0, &under(&tag, "cat(123) deny(1) file-read-data /etc/a")),
        entry(
            0,
            &under(
                &tag,
                "x duplicate reports for Sandbox: cat(1) deny(1) file-read-data /a",
            ),
        ),
        entry(
            0,
            &under(
                &tag,
                "Sandbox: a name of many letters(1) deny(1) file-read-data /a",
            ),
        ),
        entry(0, &under(&tag, "")),
        under(&tag, text),
        format!(
            "Filtering the log data using \"eventMessage ENDSWITH \"{}\"\"",
            tag.as_str()
        ),
        "{\"processID\":0}".to_owned(),
        "[".repeat(10_000),
        String::new(),
    ] {
        assert!(!read(&line), "{line}");
    }
    assert!(!format!("{tag:?}").contains(tag.as_str()));
}

#[test]
fn the_log_is_read_until_nobody_wants_to_know() {
    let (tell, told) = mpsc::channel();
    let tag = Tag::random().unwrap();
    let watch = Watch::start(Path::new(LOG), tag, move |violation| {
        tell.send(violation).unwrap();
    });
    let watch = watch.unwrap();
    let violation = told.recv().unwrap();
    assert_eq!(
        (violation.pid, violation.target.as_deref()),
        (7, Some("/etc/motd"))
    );
    let log = watch.log.id().to_string();
    assert!(runs(&log));
    drop(watch);
    assert!(!runs(&log));
    assert!(told.recv().is_err(), "the thread has ended");
    // Not there, and ends at once, as it does for who may not read it.
    for log in ["/no/log", "/usr/bin/false"] {
        let watch = Watch::start(Path::new(log), Tag::random().unwrap(), |_| ());
        assert!(watch.is_err(), "{log}");
    }
}
