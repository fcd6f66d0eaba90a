//! The shape of a JSON document: what is in a snapshot where the values differ from run to run.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// `{"a": 1, "b": [{"c": null}]}` as `{"a": "integer", "b": [{"c": "null"}]}`: what a reader of the JSON relies on.
/// Elements of a list are taken together; an object whose keys are data has one entry, `*`.
pub fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(n) if n.is_f64() => "number".into(),
        Value::Number(_) => "integer".into(),
        Value::String(_) => "string".into(),
        Value::Array(list) => Value::Array(list.iter().map(shape).reduce(together).into_iter().collect()),
        Value::Object(map) => {
            let keys_are_data = map.keys().any(|key| key.contains([' ', '.']));
            let shapes = map.iter().map(|(key, value)| (key.clone(), shape(value)));
            if keys_are_data {
                let one = shapes.map(|(_, shape)| shape).reduce(together);
                Value::Object(one.map(|shape| ("*".to_owned(), shape)).into_iter().collect())
            } else {
                Value::Object(shapes.collect())
            }
        }
    }
}

/// The shape that two shapes have in common: every key of both, `a | b` where a value may be either.
pub fn together(a: Value, b: Value) -> Value {
    match (a, b) {
        (a, b) if a == b => a,
        (Value::Object(a), Value::Object(b)) => {
            let (mut all, second) = (a, b);
            let optional = |shape: &Value| match shape {
                Value::String(name) if !name.ends_with('?') => format!("{name}?").into(),
                other => other.clone(),
            };
            for (key, shape) in &mut all {
                if !second.contains_key(key) {
                    *shape = optional(shape);
                }
            }
            for (key, shape) in second {
                let merged = match all.remove(&key) {
                    Some(first) => together(first, shape),
                    None => optional(&shape),
                };
                all.insert(key, merged);
            }
            let sorted: BTreeMap<String, Value> = all.into_iter().collect();
            Value::Object(sorted.into_iter().collect::<Map<_, _>>())
        }
        (Value::Array(a), Value::Array(b)) => {
            Value::Array(a.into_iter().chain(b).reduce(together).into_iter().collect())
        }
        (a, b) => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let (a, b) = (text(&a), text(&b));
            let mut names: Vec<&str> =
                a.split(" | ").chain(b.split(" | ")).map(|name| name.trim_end_matches('?')).collect();
            names.sort_unstable();
            names.dedup();
            let optional = if a.ends_with('?') || b.ends_with('?') { "?" } else { "" };
            format!("{}{optional}", names.join(" | ")).into()
        }
    }
}
