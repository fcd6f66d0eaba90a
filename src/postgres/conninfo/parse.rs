//! A connection string into keywords and values, by libpq's grammar (`conninfo_uri_parse`, `conninfo_parse` in
//! fe-connect.c). A message names the character, and never repeats a part of the string that could be a secret.

use super::keyword;
use super::{Place, Setting, Settings};

/// What is wrong, and at which character from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) what: String,
}

type Result<T> = std::result::Result<T, Wrong>;

/// Reads a URL or a key=value string.
pub(super) fn parse(text: &str) -> Result<Settings> {
    let mut reader = Reader { text, at: 0, settings: Settings::default() };
    if reader.skip("postgresql://") || reader.skip("postgres://") {
        reader.url()?;
    } else if text.contains("://") && !text.contains('=') {
        return Err(Wrong { at: 1, what: "it begins neither with postgres:// nor with postgresql://".to_owned() });
    } else {
        reader.pairs()?;
    }
    Ok(reader.settings)
}

/// Goes through the string from left to right.
struct Reader<'a> {
    text: &'a str,
    /// Bytes read so far.
    at: usize,
    settings: Settings,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next_is(&self, c: char) -> bool {
        self.rest().starts_with(c)
    }

    fn skip(&mut self, prefix: &str) -> bool {
        let there = self.rest().starts_with(prefix);
        self.at += if there { prefix.len() } else { 0 };
        there
    }

    /// Everything up to the first of `ends`, which stays.
    fn until(&mut self, ends: &[char]) -> (usize, &'a str) {
        let (from, rest) = (self.at, self.rest());
        let taken = rest.get(..rest.find(ends).unwrap_or(rest.len())).unwrap_or_default();
        self.at += taken.len();
        (from, taken)
    }

    fn wrong<T>(&self, byte: usize, what: impl Into<String>) -> Result<T> {
        Err(Wrong { at: self.character(byte), what: what.into() })
    }

    fn character(&self, byte: usize) -> usize {
        self.text.get(..byte).unwrap_or(self.text).chars().count() + 1
    }

    fn set(&mut self, name: &'static str, value: String, byte: usize) {
        let place = Place::Character(self.character(byte));
        self.settings.0.insert(name, Setting { value, place });
    }

    /// `[user[:password]@][host[:port],…][/dbname][?keyword=value&…]`
    fn url(&mut self) -> Result<()> {
        let ahead = self.rest();
        if ahead.find(['@', '/']).is_some_and(|end| ahead[end..].starts_with('@')) {
            self.user()?;
        }
        self.hosts()?;
        if self.skip("/") {
            let (from, dbname) = self.until(&['?']);
            self.set_decoded("dbname", dbname, from)?;
        }
        if self.skip("?") && !self.rest().is_empty() {
            self.parameters()?;
        }
        Ok(())
    }

    fn user(&mut self) -> Result<()> {
        let (from, user) = self.until(&[':', '@']);
        self.set_decoded("user", user, from)?;
        if self.skip(":") {
            let (from, password) = self.until(&['@']);
            self.set_decoded("password", password, from)?;
        }
        self.skip("@");
        Ok(())
    }

    fn hosts(&mut self) -> Result<()> {
        let from = self.at;
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        loop {
            hosts.push(self.host()?);
            if self.skip(":") {
                let (from, port) = self.until(&['/', '?', ',']);
                if !port.is_empty() && !port.chars().all(|c| c.is_ascii_digit()) {
                    return self.wrong(from, "this should be a port; in a password, write / as %2F, @ as %40");
                }
                ports.push(port.to_owned());
            } else {
                ports.push(String::new());
            }
            if !self.skip(",") {
                break;
            }
        }
        if hosts.iter().any(|host| !host.is_empty()) {
            self.set("host", hosts.join(","), from);
        }
        if ports.iter().any(|port| !port.is_empty()) {
            self.set("port", ports.join(","), from);
        }
        Ok(())
    }

    fn host(&mut self) -> Result<String> {
        if !self.skip("[") {
            let (from, host) = self.until(&[':', '/', '?', ',']);
            return self.decoded(host, from);
        }
        let (from, host) = self.until(&[']']);
        if host.is_empty() || !self.skip("]") {
            return self.wrong(from, "an address in brackets, which is empty or does not end");
        }
        if !self.rest().is_empty() && !self.rest().starts_with([':', '/', '?', ',']) {
            return self.wrong(self.at, "what follows an address in brackets is a port, a database or parameters");
        }
        Ok(host.to_owned())
    }

    fn parameters(&mut self) -> Result<()> {
        loop {
            let (from, key) = self.until(&['=', '&']);
            if !self.skip("=") {
                return self.wrong(from, "a parameter without a value");
            }
            let key = self.decoded(key, from)?;
            let (value_from, value) = self.until(&['=', '&']);
            if self.next_is('=') {
                return self.wrong(self.at, "a second = in one parameter");
            }
            // JDBC's spelling, which libpq takes in URLs.
            if key == "ssl" && value == "true" {
                self.set("sslmode", "require".to_owned(), from);
            } else {
                let name = self.known(&key, from)?;
                self.set_decoded(name, value, value_from)?;
            }
            if !self.skip("&") {
                return Ok(());
            }
        }
    }

    /// `keyword = value` with white space between pairs; values with white space in single quotes.
    fn pairs(&mut self) -> Result<()> {
        loop {
            self.white();
            if self.rest().is_empty() {
                return Ok(());
            }
            let (from, key) = self.until(&['=', ' ', '\t', '\n', '\r']);
            self.white();
            if !self.skip("=") {
                return self.wrong(from, "neither a postgres:// URL nor keyword=value");
            }
            let name = self.known(key, from)?;
            self.white();
            let from = self.at;
            let value = if self.skip("'") { self.quoted(from)? } else { self.bare() };
            self.set(name, value, from);
        }
    }

    fn white(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn bare(&mut self) -> String {
        let mut value = String::new();
        let mut chars = self.rest().char_indices();
        let mut end = self.rest().len();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c.is_whitespace() => {
                    end = at;
                    break;
                }
                '\\' => value.extend(chars.next().map(|(_, c)| c)),
                c => value.push(c),
            }
        }
        self.at += end;
        value
    }

    fn quoted(&mut self, from: usize) -> Result<String> {
        let mut value = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.at += at + 1;
                    return Ok(value);
                }
                '\\' => value.extend(chars.next().map(|(_, c)| c)),
                c => value.push(c),
            }
        }
        self.wrong(from, "a quoted value that does not end")
    }

    /// The keyword of that name. One that is like no keyword may be the rest of a secret with a stray `&`, and is not
    /// repeated.
    fn known(&self, key: &str, from: usize) -> Result<&'static str> {
        if let Some(keyword) = keyword::find(key) {
            return Ok(keyword.name);
        }
        let distance = |name: &str| strsim::osa_distance(name, key);
        let nearest = keyword::KEYWORDS.iter().map(|k| (distance(k.name), k.name)).min();
        let after_secret = ["password", "sslpassword"].iter().any(|name| self.settings.0.contains_key(name));
        let shown = !after_secret && !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        self.wrong(
            from,
            match nearest {
                Some((distance, name)) if distance <= 2 => format!("no such parameter; did you mean {name}?"),
                _ if shown => format!("{key} is no parameter of a connection"),
                _ => "no such parameter".to_owned(),
            },
        )
    }

    fn set_decoded(&mut self, name: &'static str, value: &str, from: usize) -> Result<()> {
        let value = self.decoded(value, from)?;
        self.set(name, value, from);
        Ok(())
    }

    /// `%20` and the like.
    fn decoded(&self, value: &str, from: usize) -> Result<String> {
        let mut bytes = Vec::with_capacity(value.len());
        let mut parts = value.split('%');
        bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
        let mut at = from + bytes.len();
        for part in parts {
            let code = part.get(..2).filter(|code| code.chars().all(|c| c.is_ascii_hexdigit()));
            match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
                Some(0) => return self.wrong(at, "%00 is not allowed"),
                Some(byte) => bytes.push(byte),
                None => return self.wrong(at, "% must be followed by two hexadecimal digits; a % itself is %25"),
            }
            bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
            at += 1 + part.len();
        }
        String::from_utf8(bytes).or_else(|_| self.wrong(from, "not UTF-8 once its %XX are decoded"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match parse(text) {
            Ok(settings) => {
                let pairs = settings.0.iter().map(|(name, setting)| format!("{name}={}", setting.value));
                pairs.collect::<Vec<_>>().join(" ")
            }
            Err(wrong) => format!("{}: {}", wrong.at, wrong.what),
        }
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        for (url, is) in [
            ("postgres://", ""),
            ("postgresql://app@db/oauth", "dbname=oauth host=db user=app"),
            ("postgres://app:p%40ss%2Fw:x@db:6432/oauth", "dbname=oauth host=db password=p@ss/w:x port=6432 user=app"),
            ("postgres://app@[::1]:6432/oauth", "dbname=oauth host=::1 port=6432 user=app"),
            ("postgres://a:1,b,c:3/d", "dbname=d host=a,b,c port=1,,3"),
            ("postgres://app@%2Fvar%2Frun/d", "dbname=d host=/var/run user=app"),
            ("postgres://app@/d?host=/tmp&port=5433", "dbname=d host=/tmp port=5433 user=app"),
            ("postgres://db?user=app&dbname=d%20d", "dbname=d d host=db user=app"),
            ("postgres://db/d?ssl=true", "dbname=d host=db sslmode=require"),
            ("postgres://db/d?user=a&user=b", "dbname=d host=db user=b"),
            ("postgres://db/d?", "dbname=d host=db"),
        ] {
            assert_eq!(read(url), is, "{url}");
        }
    }

    #[test]
    fn pairs_are_read_as_libpq_reads_them() {
        for (text, is) in [
            ("", ""),
            ("host=db  user = app\tdbname='my \\'db\\\\'", "dbname=my 'db\\ host=db user=app"),
            ("host=db password=a\\ b dbname=d", "dbname=d host=db password=a b"),
            ("host='' user=app", "host= user=app"),
            ("service=x", "service=x"),
        ] {
            assert_eq!(read(text), is, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place_and_no_secret_is_repeated() {
        for (text, is) in [
            ("postgres://app:s3c/ret@db/d", "16: this should be a port; in a password, write / as %2F, @ as %40"),
            ("postgres://app@db:54x/d", "19: this should be a port; in a password, write / as %2F, @ as %40"),
            ("postgres://app:s3c%ret@db/d", "19: % must be followed by two hexadecimal digits; a % itself is %25"),
            ("postgres://app@db/d%00", "20: %00 is not allowed"),
            ("postgres://app@[::1/d", "17: an address in brackets, which is empty or does not end"),
            ("postgres://app@[::1]x/d", "21: what follows an address in brackets is a port, a database or parameters"),
            ("postgres://db/d?sslmod=require", "17: no such parameter; did you mean sslmode?"),
            ("postgres://db/d?pgbouncer=true", "17: pgbouncer is no parameter of a connection"),
            ("postgres://db/d?password=s3c&ret=1", "30: no such parameter"),
            ("postgres://db/d?password=s3c=ret", "29: a second = in one parameter"),
            ("postgres://db/d?sslmode", "17: a parameter without a value"),
            ("mysql://app@db/d", "1: it begins neither with postgres:// nor with postgresql://"),
            ("oauth", "1: neither a postgres:// URL nor keyword=value"),
            ("host=db password='s3cret", "18: a quoted value that does not end"),
            ("hots=db", "1: no such parameter; did you mean host?"),
        ] {
            assert_eq!(read(text), is, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_at_a_place_within_it(text in ".{0,60}", url in proptest::bool::ANY) {
            let text = if url { format!("postgres://{text}") } else { text };
            if let Err(wrong) = parse(&text) {
                proptest::prop_assert!((1..=text.chars().count() + 1).contains(&wrong.at));
            }
        }
    }
}
