//! A table of TOML from which keys are taken one after the other; what nobody took is an error.

use std::ffi::OsString;

use toml::{Table, Value};

use crate::spelling::unspelled;

pub(super) struct Reader {
    place: String,
    table: Table,
}

impl Reader {
    pub(super) fn new(place: &str, table: Table) -> Self {
        Self {
            place: place.to_owned(),
            table,
        }
    }

    pub(super) fn of(place: &str, value: Value) -> Result<Self, String> {
        match value {
            Value::Table(table) => Ok(Self::new(place, table)),
            other => Err(format!("{place}: {other} is no table")),
        }
    }

    /// What messages call the place.
    pub(super) fn rename(&mut self, place: &str) {
        place.clone_into(&mut self.place);
    }

    pub(super) fn wrong(&self, what: &str) -> String {
        format!("{}: {what}", self.place)
    }

    pub(super) fn optional(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(&format!("`{key}` is a string, not {other}"))),
        }
    }

    pub(super) fn string(&mut self, key: &str) -> Result<String, String> {
        self.optional(key)?
            .ok_or_else(|| self.wrong(&format!("`{key}` is missing")))
    }

    pub(super) fn optional_path(&mut self, key: &str) -> Result<Option<OsString>, String> {
        let text = self.optional(key)?;
        text.map(|text| self.spelled(&text)).transpose()
    }

    pub(super) fn spelled(&self, text: &str) -> Result<OsString, String> {
        unspelled(text).ok_or_else(|| {
            self.wrong(&format!(
                r"`{text}`: a backslash is spelled `\\`, a byte `\xNN`"
            ))
        })
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<bool, String> {
        match self.table.remove(key) {
            None => Ok(false),
            Some(Value::Boolean(flag)) => Ok(flag),
            Some(other) => Err(self.wrong(&format!("`{key}` is true or false, not {other}"))),
        }
    }

    pub(super) fn array(&mut self, key: &str) -> Result<Vec<Value>, String> {
        match self.table.remove(key) {
            Some(Value::Array(values)) => Ok(values),
            _ => Err(self.wrong(&format!("`{key}` is an array"))),
        }
    }

    pub(super) fn map(&mut self, key: &str) -> Result<Table, String> {
        match self.table.remove(key) {
            Some(Value::Table(table)) => Ok(table),
            _ => Err(self.wrong(&format!("`{key}` is a table"))),
        }
    }

    pub(super) fn optional_map(&mut self, key: &str) -> Result<Table, String> {
        if self.table.contains_key(key) {
            self.map(key)
        } else {
            Ok(Table::new())
        }
    }

    /// Nothing is left.
    pub(super) fn end(self) -> Result<(), String> {
        match self.table.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.wrong(&format!("unknown key `{key}`"))),
        }
    }
}
