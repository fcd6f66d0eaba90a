//! The requests and answers of a participant of kind `http`.

use std::collections::BTreeMap;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use toml::Spanned;
use toml::de::DeValue;

use super::super::excerpt::Problem;
use super::super::file::{PlanFile, Section, Text};
use super::super::request::{Answer, Body, Request};
use super::one_of;

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// `committed` must never change anything; a POST may be a question.
const ASKING: [&str; 3] = ["GET", "HEAD", "POST"];
/// Headers that follow from the body.
const OURS: [&str; 3] = ["content-length", "transfer-encoding", "connection"];

/// A request that acts: POST where no method is named.
pub(super) fn request(section: &mut Section<'_>, key: &str, title: &'static str) -> Option<Request> {
    let mut request = sub_section(section, key, title)?;
    let read = parts(&mut request, "POST", &METHODS);
    let status = statuses(&mut request);
    request.end();
    let mut read = read?;
    read.status = status?;
    read.written.extend(read.status.iter().map(u16::to_string));
    Some(read)
}

/// `committed`: the question, and the two answers that mean something.
pub(super) fn question(section: &mut Section<'_>, title: &'static str) -> Option<(Request, Answer, Answer)> {
    let mut question = sub_section(section, "committed", title)?;
    let read = parts(&mut question, "GET", &ASKING);
    for key in ["switched", "not_yet"] {
        question.required(key);
    }
    let switched = answer(&mut question, "switched", "switched of [[participant]]");
    let not_yet = answer(&mut question, "not_yet", "not_yet of [[participant]]");
    if switched.is_some() && switched == not_yet {
        question.refuse("not_yet", "\"not_yet\" is the same answer as \"switched\": nobody could tell them apart");
    }
    question.end();
    Some((read?, switched?, not_yet?))
}

fn sub_section<'s>(section: &mut Section<'s>, key: &str, title: &'static str) -> Option<Section<'s>> {
    let value = section.value(key)?;
    let Some(entries) = value.get_ref().as_table() else {
        let what = format!("{key:?} must be a request, kind = \"http\"");
        section.file.problem(Problem::new(value.span(), what).label("write { url = \"…\", … }"));
        return None;
    };
    Some(Section::new(section.file, title, value.span(), entries))
}

fn parts(request: &mut Section<'_>, default: &str, methods: &[&str]) -> Option<Request> {
    let has_method = request.has("method");
    let method = request.text("method").and_then(|text| one_of(request, "method", &text, methods, &[]));
    let url = request.required_text("url").and_then(|text| url(request.file, &text));
    let headers = headers(request);
    let body = body(request);
    let method = if has_method { method?.to_owned() } else { default.to_owned() };
    let (url, shown, written) = url?;
    let (headers, body) = (headers?, body?);
    let mut all = vec![method.clone(), written];
    all.extend(headers.iter().map(|(name, _)| name.to_ascii_lowercase()));
    all.extend(body.as_ref().map(|(_, written)| written.clone()));
    let body = body.map(|(body, _)| body);
    Some(Request { method, url, shown, headers, body, status: Vec::new(), written: all })
}

/// The URL, what of it may be shown, and what of it decides the effect.
fn url(file: &PlanFile<'_>, text: &Text) -> Option<(String, String, String)> {
    let refuse = |what: &str| {
        file.problem(Problem::new(text.span.clone(), format!("\"url\" {what}")));
        None
    };
    let Ok(url) = Url::parse(&text.value) else {
        return refuse("is no URL: write it like \"https://gateway:8443/switch\"");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("must begin with https:// or http://");
    }
    if url.fragment().is_some() {
        return refuse("must not have a fragment (#): it is never sent");
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let origin = format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default());
    // What a variable stands for may be a secret, wherever it stands.
    let path = match text.written().contains("${") {
        false => url.path(),
        true if url.path() == "/" => "/",
        true => "/…",
    };
    let written = match Url::parse(text.written()) {
        Ok(mut bare) => {
            // A new password is no new plan.
            let _ = bare.set_username("");
            let _ = bare.set_password(None);
            bare.to_string()
        }
        Err(_) => text.written().to_owned(),
    };
    Some((url.to_string(), format!("{origin}{path}"), written))
}

fn headers(request: &mut Section<'_>) -> Option<Vec<(String, String)>> {
    let Some(value) = request.value("headers") else { return Some(Vec::new()) };
    let file = request.file;
    let Some(table) = value.get_ref().as_table() else {
        file.wrong_type("headers", value, "a table: { Name = \"value\" }");
        return None;
    };
    let header = |(name, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        let key = name.get_ref().as_ref();
        let Ok(parsed) = HeaderName::from_bytes(key.as_bytes()) else {
            file.problem(Problem::new(name.span(), "this is no name of a header"));
            return None;
        };
        if OURS.contains(&parsed.as_str()) {
            file.problem(Problem::new(name.span(), format!("{key:?} follows from the body: leave it out")));
            return None;
        }
        let text = file.text_of(key, value)?;
        if HeaderValue::from_str(&text.value).is_err() {
            let what = format!("{key:?} holds what no header may hold: a line break, or text that is not ASCII");
            file.problem(Problem::new(value.span(), what));
            return None;
        }
        Some((key.to_owned(), text.value))
    };
    table.iter().map(header).collect::<Vec<_>>().into_iter().collect()
}

/// The body, if there is one, and how it is written.
#[allow(clippy::option_option)] // none: it is wrong; some none: there is none
fn body(request: &mut Section<'_>) -> Option<Option<(Body, String)>> {
    let (text, json) = (request.value("body"), request.value("json"));
    if text.is_some() && json.is_some() {
        request.refuse("json", "\"json\" and \"body\" are two bodies: leave one out");
        return None;
    }
    let file = request.file;
    if let Some(value) = text {
        let text = file.text_of("body", value)?;
        let written = text.written().to_owned();
        return Some(Some((Body::Text(text.value), written)));
    }
    let Some(value) = json else { return Some(None) };
    let written = json_of(file, "json", value, &|text| text.written().to_owned())?.to_string();
    let json = json_of(file, "json", value, &|text| text.value.clone())?;
    Some(Some((Body::Json(json), written)))
}

/// A TOML value as JSON; `text` says what becomes of a string.
fn json_of(
    file: &PlanFile<'_>,
    key: &str,
    value: &Spanned<DeValue<'_>>,
    text: &dyn Fn(&Text) -> String,
) -> Option<Value> {
    let no_json = || {
        file.wrong_type(key, value, "something that JSON has");
        None
    };
    match value.get_ref() {
        DeValue::String(_) => file.text_of(key, value).map(|read| Value::String(text(&read))),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Some(number.into()),
            Err(_) => no_json(),
        },
        DeValue::Float(number) => match number.as_str().parse().ok().and_then(serde_json::Number::from_f64) {
            Some(number) => Some(Value::Number(number)),
            None => no_json(),
        },
        DeValue::Boolean(value) => Some(Value::Bool(*value)),
        DeValue::Datetime(_) => no_json(),
        DeValue::Array(items) => {
            items.iter().map(|item| json_of(file, key, item, text)).collect::<Option<_>>().map(Value::Array)
        }
        DeValue::Table(table) => {
            let entry = |(name, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
                Some((name.get_ref().to_string(), json_of(file, name.get_ref(), value, text)?))
            };
            table.iter().map(entry).collect::<Option<_>>().map(Value::Object)
        }
    }
}

/// `status = 200`, or a list of them; left out: none.
fn statuses(section: &mut Section<'_>) -> Option<Vec<u16>> {
    let Some(value) = section.value("status") else { return Some(Vec::new()) };
    let one = |value: &Spanned<DeValue<'_>>| {
        let number = value.get_ref().as_integer().and_then(|number| number.to_string().parse().ok());
        number.filter(|status| (100..600).contains(status))
    };
    let all = match value.get_ref().as_array() {
        Some(items) if !items.is_empty() => items.iter().map(one).collect(),
        Some(_) => None,
        None => one(value).map(|status| vec![status]),
    };
    if all.is_none() {
        let what = "\"status\" must be a status from 100 to 599, or a list of them";
        section.file.problem(Problem::new(value.span(), what));
    }
    all
}

/// `{ status = 200, json = { "/pointer" = "value" } }`: at least one of the two.
fn answer(question: &mut Section<'_>, key: &str, title: &'static str) -> Option<Answer> {
    let mut answer = question.section(key, title)?;
    let status = statuses(&mut answer);
    let says_status = answer.has("status");
    let json = pointers(&mut answer);
    if !says_status && !answer.has("json") {
        let what = format!("{key:?} says nothing: name a status, or what the answer's JSON has at a pointer");
        answer
            .file
            .problem(Problem::new(answer.span.clone(), what).label("write { json = { \"/backend\" = \"v2\" } }"));
        answer.end();
        return None;
    }
    answer.end();
    Some(Answer { status: status?, json: json? })
}

fn pointers(answer: &mut Section<'_>) -> Option<BTreeMap<String, Value>> {
    let Some(value) = answer.value("json") else { return Some(BTreeMap::new()) };
    let file = answer.file;
    let Some(table) = value.get_ref().as_table().filter(|table| !table.is_empty()) else {
        file.wrong_type("json", value, "a table: { \"/pointer\" = \"value\" }");
        return None;
    };
    let one = |(name, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        let pointer = name.get_ref().as_ref();
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let what = "this is no JSON pointer: it begins with a slash, \"/backend/name\"";
            file.problem(Problem::new(name.span(), what));
            return None;
        }
        Some((pointer.to_owned(), json_of(file, pointer, value, &|text| text.value.clone())?))
    };
    table.iter().map(one).collect::<Vec<_>>().into_iter().collect()
}
