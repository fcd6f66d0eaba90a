//! `[cutover] window`: when a cutover may happen, by the clock of a place.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span, Timestamp};

/// How far ahead an occurrence is looked for: a window of one weekday may fall into the gap of a clock change.
const DAYS_AHEAD: i32 = 15;

/// A time of day, from one moment to another, on some or all weekdays.
///
/// A time that a clock change skips or repeats means the first moment at which the clock there shows it or has passed it:
/// that of the change where it is skipped, the earlier one where it comes twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// As written.
    pub text: String,
    days: Vec<Weekday>,
    from: Time,
    to: Time,
    zone: TimeZone,
}

/// One occurrence of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

impl Window {
    /// `02:00-04:00 UTC`, `22:00-02:00 Europe/Zurich`, `Sat,Sun 02:00-04:00 +02:00`. One that crosses midnight belongs to
    /// the weekday on which it opens.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!("{text:?} is no window: write it like \"02:00-04:00 UTC\" or \"Sat,Sun 22:00-02:00 Europe/Zurich\"")
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times, zone) = match words.as_slice() {
            [times, zone] => ("", *times, *zone),
            [days, times, zone] => (*days, *times, *zone),
            [times] if times.contains(':') => {
                return Err(format!("{text:?} names no time zone: add UTC, an offset, or a name like Europe/Zurich"));
            }
            _ => return Err(bad()),
        };
        let days = days.split(',').filter(|day| !day.is_empty()).map(weekday).collect::<Result<Vec<_>, _>>()?;
        let (from, to) = times.split_once('-').ok_or_else(bad)?;
        // 24:00 is the midnight at a day's end, which is the next day's first moment.
        let to = if to == "24:00" { Time::midnight() } else { time(to).ok_or_else(bad)? };
        let from = time(from).ok_or_else(bad)?;
        if from == to && from != Time::midnight() {
            return Err(format!("{text:?} opens and closes at one moment; the whole day is \"00:00-24:00\""));
        }
        Ok(Self { text: words.join(" "), days, from, to, zone: time_zone(zone)? })
    }

    /// The occurrence that is open at `now`, else the next one. None: the calendar ends.
    pub fn next(&self, now: Timestamp) -> Option<Opening> {
        let today = self.zone.to_datetime(now).date();
        (-1..DAYS_AHEAD).find_map(|ahead| {
            let day = today.checked_add(Span::new().days(ahead)).ok()?;
            self.on(day).filter(|opening| now < opening.to)
        })
    }

    /// The occurrence that opens on a day, unless a clock change skips the whole of it.
    fn on(&self, day: Date) -> Option<Opening> {
        if !self.days.is_empty() && !self.days.contains(&day.weekday()) {
            return None;
        }
        let last = if self.to <= self.from { day.tomorrow().ok()? } else { day };
        let opening = Opening { from: self.moment(day, self.from)?, to: self.moment(last, self.to)? };
        (opening.from < opening.to).then_some(opening)
    }

    /// The first moment at which the clock shows this time of this day, or has passed it.
    fn moment(&self, day: Date, time: Time) -> Option<Timestamp> {
        let shown = day.to_datetime(time);
        match self.zone.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(shown).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(shown).ok(),
            // By the offset after the change this lies before it: the next change is the one.
            AmbiguousOffset::Gap { after, .. } => {
                let before_it = after.to_timestamp(shown).ok()?;
                self.zone.following(before_it).next().map(|change| change.timestamp())
            }
        }
    }

    /// A moment as the window's own clock shows it: `Sat 2026-11-28 02:00 CET`.
    pub fn show(&self, at: Timestamp) -> String {
        at.to_zoned_datetime(self.zone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
    }
}

impl Opening {
    /// Whether it is open at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.to
    }
}

/// `02:00`: two digits each, so that `2:00` is not taken for something else.
fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.chars().all(|c| c.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn weekday(text: &str) -> Result<Weekday, String> {
    match text.to_ascii_lowercase().as_str() {
        "mon" => Ok(Weekday::Monday),
        "tue" => Ok(Weekday::Tuesday),
        "wed" => Ok(Weekday::Wednesday),
        "thu" => Ok(Weekday::Thursday),
        "fri" => Ok(Weekday::Friday),
        "sat" => Ok(Weekday::Saturday),
        "sun" => Ok(Weekday::Sunday),
        _ => Err(format!("{text:?} is no weekday: Mon, Tue, Wed, Thu, Fri, Sat, Sun, with commas between them")),
    }
}

fn time_zone(text: &str) -> Result<TimeZone, String> {
    if text.eq_ignore_ascii_case("utc") || text == "Z" {
        return Ok(TimeZone::UTC);
    }
    if text.starts_with(['+', '-']) {
        let bad = || format!("{text:?} is no offset from UTC: write it like \"+02:00\"");
        let (hours, minutes) = text[1..].split_once(':').ok_or_else(bad)?;
        let (Ok(hours), Ok(minutes @ 0..=59)) = (hours.parse::<i32>(), minutes.parse::<i32>()) else {
            return Err(bad());
        };
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let offset = Offset::from_seconds(sign * (hours.saturating_mul(3600).saturating_add(minutes * 60)));
        return offset.map(TimeZone::fixed).map_err(|_| bad());
    }
    // An abbreviation like CEST means different things in different places, and never knows about clock changes.
    TimeZone::get(text)
        .map_err(|_| format!("{text:?} is no time zone: use UTC, an offset like +02:00, or a name like Europe/Zurich"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Where the window is open next, as two moments in UTC.
    fn next(window: &str, now: &str) -> String {
        let opening = Window::parse(window).unwrap().next(at(now)).unwrap();
        format!("{} {}", opening.from.strftime("%m-%dT%H:%M"), opening.to.strftime("%m-%dT%H:%M"))
    }

    #[test]
    fn a_window_opens_every_day_and_its_end_is_outside() {
        let daily = "02:00-04:00 UTC";
        assert_eq!(next(daily, "2026-11-24T01:59:59Z"), "11-24T02:00 11-24T04:00");
        assert_eq!(next(daily, "2026-11-24T03:59:59Z"), "11-24T02:00 11-24T04:00");
        assert_eq!(next(daily, "2026-11-24T04:00:00Z"), "11-25T02:00 11-25T04:00");
        assert_eq!(next("02:00-04:00 +02:00", "2026-11-24T01:00:00Z"), "11-24T00:00 11-24T02:00");
        assert_eq!(next("02:00-04:00 -09:30", "2026-11-24T01:00:00Z"), "11-24T11:30 11-24T13:30");
        assert_eq!(next("00:00-24:00 UTC", "2026-11-24T12:00:00Z"), "11-24T00:00 11-25T00:00");
    }

    #[test]
    fn one_that_crosses_midnight_belongs_to_the_day_on_which_it_opens() {
        // 2026-11-28 is a Saturday.
        let night = "Sat 22:00-02:00 Europe/Zurich";
        assert_eq!(next(night, "2026-11-24T12:00:00Z"), "11-28T21:00 11-29T01:00");
        assert_eq!(next(night, "2026-11-29T00:30:00Z"), "11-28T21:00 11-29T01:00");
        assert_eq!(next(night, "2026-11-29T01:00:00Z"), "12-05T21:00 12-06T01:00");
        assert_eq!(next("mon,WED 02:00-04:00 UTC", "2026-11-24T12:00:00Z"), "11-25T02:00 11-25T04:00");
    }

    #[test]
    fn a_time_that_a_clock_change_skips_is_the_change_itself() {
        // Zurich, 2026-03-29: from 02:00 CET to 03:00 CEST at 01:00 UTC.
        assert_eq!(next("02:00-04:00 Europe/Zurich", "2026-03-29T00:00:00Z"), "03-29T01:00 03-29T02:00");
        assert_eq!(next("02:30-04:00 Europe/Zurich", "2026-03-29T00:00:00Z"), "03-29T01:00 03-29T02:00");
        assert_eq!(next("01:00-02:30 Europe/Zurich", "2026-03-29T00:00:00Z"), "03-29T00:00 03-29T01:00");
        assert_eq!(next("02:10-02:50 Europe/Zurich", "2026-03-29T00:00:00Z"), "03-30T00:10 03-30T00:50");
        // Lord Howe Island moves by half an hour.
        assert_eq!(next("02:15-03:00 Australia/Lord_Howe", "2026-10-03T12:00:00Z"), "10-03T15:30 10-03T16:00");
        // A window of Sundays alone that a change skips opens a week later.
        assert_eq!(next("Sun 02:10-02:50 Europe/Zurich", "2026-03-28T12:00:00Z"), "04-05T00:10 04-05T00:50");
    }

    #[test]
    fn a_time_that_a_clock_change_repeats_is_the_earlier_one() {
        // Zurich, 2026-10-25: from 03:00 CEST back to 02:00 CET at 01:00 UTC.
        assert_eq!(next("02:00-04:00 Europe/Zurich", "2026-10-24T12:00:00Z"), "10-25T00:00 10-25T03:00");
        assert_eq!(next("02:15-02:45 Europe/Zurich", "2026-10-24T12:00:00Z"), "10-25T00:15 10-25T00:45");
        assert_eq!(next("02:15-02:45 Europe/Zurich", "2026-10-25T01:20:00Z"), "10-26T01:15 10-26T01:45");
    }

    #[test]
    fn what_is_no_window_is_refused_with_what_would_be_one() {
        for (bad, why) in [
            ("", "is no window"),
            ("02:00-04:00", "names no time zone"),
            ("2:00-4:00 UTC", "is no window"),
            ("02:00 UTC", "is no window"),
            ("25:00-26:00 UTC", "is no window"),
            ("02:00-02:00 UTC", "opens and closes at one moment"),
            ("Sax 02:00-04:00 UTC", "is no weekday"),
            ("02:00-04:00 Europe/Zürich", "is no time zone"),
            ("02:00-04:00 CEST", "is no time zone"),
            ("02:00-04:00 +2", "is no offset"),
            ("02:00-04:00 +99:00", "is no offset"),
            ("02:00-04:00 +99999999999:00", "is no offset"),
        ] {
            let refused = Window::parse(bad).unwrap_err();
            assert!(refused.contains(why), "{bad}: {refused}");
        }
    }

    #[test]
    fn a_moment_is_shown_by_the_windows_own_clock() {
        let window = Window::parse("02:00-04:00 Europe/Zurich").unwrap();
        assert_eq!(window.show(at("2026-11-28T01:00:00Z")), "Sat 2026-11-28 02:00 CET");
    }
}
