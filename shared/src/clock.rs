//! Time as a parameter: the only place that reads the real clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The years 0000 to 9999, in seconds.
const FOUR_DIGITS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

impl Timestamp {
    /// The moment `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment `seconds` seconds after the epoch; far moments saturate.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch: the ticket family's dates.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: JWT `NumericDate` and DynamoDB's TTL.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment and `duration` more; far moments saturate.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment less `duration`; far moments saturate.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this moment is; nothing if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }

    /// The user family's form, `YYYY-MM-DDTHH:MM:SS` in UTC without a zone; years beyond 9999 stay at its end.
    #[must_use]
    pub fn as_zoneless(self) -> String {
        let format = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        time::OffsetDateTime::from_unix_timestamp(self.as_seconds())
            .ok()
            .and_then(|moment| moment.format(format).ok())
            .unwrap_or_else(|| "9999-12-31T23:59:59".to_owned())
    }

    /// Reads RFC 3339 (`2027-01-31T12:00:00Z`, any offset) or the zoneless form, which counts as UTC. A year has four
    /// digits, also in UTC: what is read can be shown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        use time::format_description::well_known::Rfc3339;
        let format = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        let moment = time::OffsetDateTime::parse(text, &Rfc3339)
            .or_else(|_| time::PrimitiveDateTime::parse(text, format).map(time::PrimitiveDateTime::assume_utc))
            .ok()?;
        let has_sign = text.starts_with(['+', '-']);
        if has_sign || !FOUR_DIGITS.contains(&moment.unix_timestamp()) {
            return None;
        }
        i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok().map(Self)
    }
}

/// Tells the time; injected, so that tests decide what time it is.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's wall clock. Wall time, since a frozen Lambda environment may thaw hours later and a monotonic clock
/// need not have advanced meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the real clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_reads_back_as_it_was_written() {
        let moment = Timestamp::from_seconds(1_673_778_642);
        assert_eq!(moment.as_zoneless(), "2023-01-15T10:30:42");
        assert_eq!(Timestamp::parse("2023-01-15T10:30:42"), Some(moment));
        assert_eq!(Timestamp::parse("2023-01-15T12:30:42+02:00"), Some(moment));
    }

    #[test]
    fn what_is_not_a_date_is_refused() {
        for text in ["", "tomorrow", "2023-13-01T00:00:00", "2023-01-15", "1673778642"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_year_without_four_digits_is_refused() {
        for text in
            ["-2001-01-01T00:00:00", "+2030-01-31T12:00:00", "0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
        {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        for text in ["0000-01-01T00:00:00", "9999-12-31T23:59:59"] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::as_zoneless).as_deref(), Some(text));
        }
    }

    #[test]
    fn seconds_round_down_before_the_epoch_too() {
        assert_eq!(Timestamp::from_millis(-1).as_seconds(), -1);
        assert_eq!(Timestamp::from_millis(1999).as_seconds(), 1);
    }

    #[test]
    fn far_moments_saturate() {
        assert_eq!(Timestamp::from_millis(i64::MAX).as_zoneless(), "9999-12-31T23:59:59");
        assert_eq!(Timestamp::from_seconds(i64::MAX).plus(Duration::MAX).as_millis(), i64::MAX);
    }
}
