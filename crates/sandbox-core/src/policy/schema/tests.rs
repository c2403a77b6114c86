use serde_json::{Value, json};

use super::*;
use crate::Policy;

fn schema() -> Value {
    serde_json::from_str(&policy_schema(&[("perf", "perf_event_open")])).unwrap()
}

/// Whether a document is one of the schema's: the keywords that it uses, and no others.
fn accepts(schema: &Value, document: &Value) -> bool {
    let Value::Object(keywords) = schema else {
        return schema == &Value::Bool(true);
    };
    let count = |number: usize, bound: &Value| number as u64 <= bound.as_u64().unwrap();
    keywords
        .iter()
        .all(|(keyword, value)| match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" => value.is_string(),
            "type" => match value.as_str().unwrap() {
                "object" => document.is_object(),
                "array" => document.is_array(),
                "string" => document.is_string(),
                "integer" => document.is_i64() || document.is_u64(),
                "boolean" => document.is_boolean(),
                other => panic!("{other}"),
            },
            "enum" => value.as_array().unwrap().contains(document),
            "anyOf" => value
                .as_array()
                .unwrap()
                .iter()
                .any(|one| accepts(one, document)),
            "items" => document
                .as_array()
                .is_none_or(|items| items.iter().all(|item| accepts(value, item))),
            "maxItems" => document
                .as_array()
                .is_none_or(|items| count(items.len(), value)),
            "maxProperties" => document
                .as_object()
                .is_none_or(|keys| count(keys.len(), value)),
            "minimum" => document
                .as_i64()
                .is_none_or(|number| number >= value.as_i64().unwrap()),
            "minLength" => document
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 >= value.as_u64().unwrap()),
            "maxLength" => document
                .as_str()
                .is_none_or(|text| count(text.chars().count(), value)),
            "pattern" => {
                let is_number =
                    |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let matches = |text: &str| match value.as_str().unwrap() {
                    "\\.(toml|json)$" => [".toml", ".json"].iter().any(|end| text.ends_with(end)),
                    "^([0-9]+:)?[0-9]+$" => text.splitn(2, ':').all(is_number),
                    "^http://" => text.starts_with("http://"),
                    other => {
                        panic!("the schema has a pattern that the test does not know: {other}")
                    }
                };
                document.as_str().is_none_or(matches)
            }
            "propertyNames" => document
                .as_object()
                .is_none_or(|keys| keys.keys().all(|key| accepts(value, &key.as_str().into()))),
            "required" => document.as_object().is_none_or(|keys| {
                let required = value.as_array().unwrap().iter();
                required
                    .map(|key| key.as_str().unwrap())
                    .all(|key| keys.contains_key(key))
            }),
            "properties" => document.as_object().is_none_or(|keys| {
                let known = value.as_object().unwrap();
                keys.iter()
                    .all(|(key, inner)| known.get(key).is_none_or(|schema| accepts(schema, inner)))
            }),
            "additionalProperties" => document.as_object().is_none_or(|keys| {
                let known = keywords.get("properties").and_then(Value::as_object);
                let is_other = |key: &str| known.is_none_or(|known| !known.contains_key(key));
                keys.iter()
                    .filter(|(key, _)| is_other(key))
                    .all(|(_, inner)| accepts(value, inner))
            }),
            other => panic!("the schema has a keyword that the test does not know: {other}"),
        })
}

fn decodes(document: &Value) -> bool {
    Policy::from_json(&document.to_string(), None).is_ok()
}

/// A policy with this value at this place.
fn at(path: &[&str], value: &Value) -> Value {
    path.iter().rev().fold(value.clone(), |inner, key| {
        let mut object = serde_json::Map::new();
        object.insert((*key).to_owned(), inner);
        Value::Object(object)
    })
}

/// Every place of a policy, and some that there are not.
const PLACES: &[&[&str]] = &[
    &[],
    &["extends"],
    &["protect"],
    &["files"],
    &["files", "."],
    &["files", ""],
    &["files", ".", "access"],
    &["files", ".", "optional"],
    &["files", ".", "acess"],
    &["network"],
    &["network", "default"],
    &["network", "rules"],
    &["network", "rules", "example.org"],
    &["network", "rules", "example.org", "access"],
    &["network", "rules", "example.org", "acess"],
    &["network", "publish"],
    &["network", "upstream"],
    &["network", "defalt"],
    &["environment"],
    &["environment", "CI"],
    &["environment", ""],
    &["environment", "CI", "set"],
    &["environment", "CI", "value"],
    &["limits"],
    &["limits", "memory"],
    &["limits", "processes"],
    &["limits", "open_files"],
    &["limits", "time"],
    &["limits", "memry"],
    &["system"],
    &["system", "fallback"],
    &["system", "hide"],
    &["system", "perf"],
    &["system", "fallbak"],
    &["system", "macos"],
    &["system", "macos", "pty"],
    &["system", "macos", "mach-lookup"],
    &["system", "macos", "ptty"],
    &["fixed"],
    &["fixed", "files"],
    &["fixed", "files", "."],
    &["fixed", "network"],
    &["fixed", "limits", "processes"],
    &["fixed", "extends"],
    &["fixed", "protect"],
    &["flies"],
];

#[test]
fn the_decoder_and_the_schema_agree() {
    let schema = schema();
    let words = [
        Access::WORDS,
        &PRESETS,
        Network::WORDS,
        Tier::WORDS,
        HideBy::WORDS,
        ProtectedGroup::WORDS,
        ENVIRONMENT_WORDS,
        DESTINATION_WORDS,
    ];
    let words = words
        .concat()
        .into_iter()
        .chain(["allow", "ask", "", "writ", "4GiB", "90s", "1"]);
    let mut values: Vec<Value> = words.map(Value::from).collect();
    values.extend([
        json!({}),
        json!([]),
        json!(["agent"]),
        json!(["agnet"]),
        json!(["ci"]),
        json!(["8080:3000"]),
        json!("http://proxy.example:3128"),
        json!({"access": "allow", "udp": true}),
        json!({"access": "deny", "reason": "why"}),
        json!([1]),
        json!(0),
        json!(1),
        json!(-1),
        json!(true),
        json!(null),
        json!({"access": "read"}),
        json!({"access": "read", "optional": true}),
        json!({"optional": true}),
        json!({"set": "1"}),
        json!({"set": 1}),
        json!(1.5),
    ]);
    let (mut accepted, mut both_refused) = (0, 0);
    for place in PLACES {
        for value in &values {
            let document = at(place, value);
            let (decodes, accepts) = (decodes(&document), accepts(&schema, &document));
            // The rest is the decoder's: numbers in strings, and keys close to those that are known.
            let is_only_decoders = matches!(place, ["limits", "memory" | "time"])
                && value.is_string()
                || matches!(place, ["system", "fallbak"])
                || matches!(place, ["environment", "CI"] | ["files", "."]) && value == &json!({});
            assert!(
                !decodes || accepts,
                "the schema refuses what is a policy: {document}"
            );
            assert!(
                decodes || !accepts || is_only_decoders,
                "the schema accepts what is none: {document}"
            );
            accepted += usize::from(decodes);
            both_refused += usize::from(!decodes && !accepts);
        }
    }
    assert!(
        accepted > 40 && both_refused > 500,
        "{accepted} {both_refused}"
    );
}

/// A key that an editor is to offer tells what it is for.
#[test]
fn every_key_has_a_description() {
    fn check(schema: &Value) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (key, inner) in properties.into_iter().flatten() {
            assert!(
                inner["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{key}"
            );
        }
        match schema {
            Value::Object(inner) => inner.values().for_each(check),
            Value::Array(inner) => inner.iter().for_each(check),
            _ => {}
        }
    }
    check(&schema());
}
