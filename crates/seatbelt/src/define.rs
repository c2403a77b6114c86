//! Names for what a profile says more than once, `(define NAME VALUE)` and `(define (NAME ARGUMENT...) RULE...)`, and parameters, which who
//! applies it gives: `(param "HOME")`. Each is put in the place of its name, so that nothing but rules is left.

use std::collections::HashMap;

use crate::reader::{Datum, Error, Value};

/// So many values are put in the place of names, in all: each name may stand for the one before twice.
const MOST: usize = 100_000;
/// So deep may names stand for names.
const DEEPEST: usize = 32;

struct Definition {
    /// Of a value, none.
    arguments: Option<Vec<String>>,
    body: Vec<Datum>,
}

pub(crate) struct Names<'a> {
    parameters: &'a [(&'a str, &'a str)],
    defined: HashMap<String, Definition>,
    left: usize,
}

impl<'a> Names<'a> {
    pub(crate) fn new(parameters: &'a [(&'a str, &'a str)]) -> Self {
        Self {
            parameters,
            defined: HashMap::new(),
            left: MOST,
        }
    }

    /// The rules that stand in the place of one value of a profile; of a definition none.
    pub(crate) fn rules(&mut self, datum: &Datum) -> Result<Vec<Datum>, Error> {
        match datum.form() {
            Some(("define", rest)) => self.define(datum, rest).map(|()| Vec::new()),
            _ => self.all(datum, 0),
        }
    }

    fn define(&mut self, datum: &Datum, rest: &[Datum]) -> Result<(), Error> {
        let (name, definition) = match rest {
            [name, value] if name.symbol().is_some() => {
                let body = vec![self.one(value, 0)?];
                let arguments = None;
                (name.symbol(), Definition { arguments, body })
            }
            [head, body @ ..] if !body.is_empty() => {
                let (name, arguments) = head.form().unzip();
                let arguments: Option<Vec<_>> = arguments.and_then(|all| {
                    let names = all.iter().map(|name| name.symbol().map(str::to_owned));
                    names.collect()
                });
                let body = body.to_vec();
                (
                    name.filter(|_| arguments.is_some()),
                    Definition { arguments, body },
                )
            }
            _ => return Err(datum.error("a definition has a name and a value")),
        };
        let name = name.ok_or_else(|| datum.error("a definition has a name"))?;
        self.defined.insert(name.to_owned(), definition);
        Ok(())
    }

    /// What stands in the place of a value where there has to be one.
    fn one(&mut self, datum: &Datum, depth: usize) -> Result<Datum, Error> {
        match <[Datum; 1]>::try_from(self.all(datum, depth)?) {
            Ok([one]) => Ok(one),
            Err(_) => Err(datum.error("a single value is expected")),
        }
    }

    fn all(&mut self, datum: &Datum, depth: usize) -> Result<Vec<Datum>, Error> {
        let at = datum.at;
        if let Some(Definition {
            arguments: None,
            body,
        }) = datum.symbol().and_then(|name| self.defined.get(name))
        {
            let values = body.iter().map(|value| Datum {
                at,
                ..value.clone()
            });
            let values: Vec<Datum> = values.collect();
            return self.spend(datum, values);
        }
        let Value::List(list) = &datum.value else {
            return Ok(vec![datum.clone()]);
        };
        match datum.form() {
            Some(("param", [name])) => {
                let value = self
                    .parameters
                    .iter()
                    .find(|(known, _)| matches!(&name.value, Value::Text(name) if name == known));
                let (_, value) = value.ok_or_else(|| datum.error("nobody gives this parameter"))?;
                return Ok(vec![Datum {
                    at,
                    value: Value::Text((*value).to_owned()),
                }]);
            }
            Some(("string-append", parts)) => {
                let mut text = String::new();
                for part in parts {
                    match self.one(part, depth)?.value {
                        Value::Text(part) | Value::Regex(part) => text.push_str(&part),
                        _ => return Err(part.error("a string is expected")),
                    }
                }
                return Ok(vec![Datum {
                    at,
                    value: Value::Text(text),
                }]);
            }
            Some((name, values)) => {
                if let Some(body) = self.body(datum, name, values, depth)? {
                    let all = body.iter().map(|part| self.all(part, depth + 1));
                    return Ok(all.collect::<Result<Vec<_>, _>>()?.concat());
                }
            }
            None => {}
        }
        let all = list.iter().map(|part| self.one(part, depth));
        let value = Value::List(all.collect::<Result<_, _>>()?);
        Ok(vec![Datum { at, value }])
    }

    /// The body of what is defined by a name with arguments, with these values in their place.
    fn body(
        &mut self,
        datum: &Datum,
        name: &str,
        values: &[Datum],
        depth: usize,
    ) -> Result<Option<Vec<Datum>>, Error> {
        let Some(Definition {
            arguments: Some(arguments),
            ..
        }) = self.defined.get(name)
        else {
            return Ok(None);
        };
        if arguments.len() != values.len() {
            return Err(datum.error(format!("`{name}` takes {} arguments", arguments.len())));
        }
        if depth >= DEEPEST {
            return Err(too_much(datum));
        }
        // A value is what it is where it stands, not in the body.
        let arguments = arguments.clone();
        let values = values.iter().map(|value| self.one(value, depth));
        let values: Vec<Datum> = values.collect::<Result<_, _>>()?;
        let places: HashMap<&str, &Datum> =
            arguments.iter().map(String::as_str).zip(&values).collect();
        let body = self.defined.get(name).map(|definition| &definition.body);
        let body: Vec<Datum> = body
            .into_iter()
            .flatten()
            .map(|part| put(part, &places))
            .collect();
        self.spend(datum, body).map(Some)
    }

    /// Values in the place of a name, if they are not too many with those before.
    fn spend(&mut self, datum: &Datum, values: Vec<Datum>) -> Result<Vec<Datum>, Error> {
        let left = self.left.checked_sub(values.iter().map(count).sum());
        self.left = left.ok_or_else(|| too_much(datum))?;
        Ok(values)
    }
}

fn too_much(datum: &Datum) -> Error {
    datum.error("this stands for too much")
}

/// How many values it is, with all that are in it.
fn count(datum: &Datum) -> usize {
    match &datum.value {
        Value::List(list) => 1 + list.iter().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// A value with others in the place of names in it.
fn put(datum: &Datum, places: &HashMap<&str, &Datum>) -> Datum {
    let value = match &datum.value {
        Value::Symbol(name) => match places.get(name.as_str()) {
            Some(place) => place.value.clone(),
            None => datum.value.clone(),
        },
        Value::List(list) => Value::List(list.iter().map(|part| put(part, places)).collect()),
        _ => datum.value.clone(),
    };
    Datum {
        at: datum.at,
        value,
    }
}
