//! When a token is replaced, as Kafka's client works it out (KIP-255, `ExpiringCredentialRefreshingLogin`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::TokenRefresh;

/// After a failed round, and for a token that is over already, the next attempt comes so much later.
pub(super) const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How long from `now` on a token is kept that is valid from `begins` (if it says so) to `expires`. `random` is 0 to 1.
pub(super) fn keep_for(
    rules: &TokenRefresh,
    begins: Option<SystemTime>,
    expires: SystemTime,
    now: SystemTime,
    random: f64,
) -> Duration {
    let (expires, now) = (millis(expires), millis(now));
    let begins = begins.map_or(now, millis);
    let [min_period, buffer] =
        [rules.min_period, rules.buffer].map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    if now > expires {
        return AFTER_FAILURE;
    }
    let part = rules.window_factor + rules.window_jitter * random;
    let part_of = |millis: i64| (millis as f64 * part) as i64;
    let at = if now.saturating_add(min_period).saturating_add(buffer) > expires {
        // It does not live long enough for both.
        now + part_of(expires - now)
    } else {
        let proposed = begins.saturating_add(part_of(expires.saturating_sub(begins)));
        let latest = expires - buffer;
        if proposed > latest { latest } else { proposed.max(now + min_period) }
    };
    match u64::try_from(at - now) {
        Ok(millis) => Duration::from_millis(millis),
        Err(_) => AFTER_FAILURE,
    }
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: TokenRefresh = TokenRefresh {
        window_factor: 0.8,
        window_jitter: 0.05,
        min_period: Duration::from_secs(60),
        buffer: Duration::from_secs(300),
    };

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn kept(rules: &TokenRefresh, begins: Option<u64>, expires: u64, now: u64, random: f64) -> f64 {
        keep_for(rules, begins.map(at), at(expires), at(now), random).as_secs_f64()
    }

    #[test]
    fn an_hour_is_used_to_four_fifths_and_a_bit() {
        assert_eq!(kept(&DEFAULTS, Some(0), 3600, 0, 0.0), 2880.0);
        assert_eq!(kept(&DEFAULTS, Some(0), 3600, 0, 1.0), 3060.0);
        // From when it says that it begins, not from now.
        assert_eq!(kept(&DEFAULTS, Some(0), 3600, 600, 0.0), 2280.0);
        assert_eq!(kept(&DEFAULTS, None, 4200, 600, 0.0), 2880.0);
    }

    #[test]
    fn the_buffer_and_the_shortest_period_are_kept_if_both_fit() {
        // Four fifths of 1000 s would leave 200 s.
        assert_eq!(kept(&DEFAULTS, Some(0), 1000, 0, 0.0), 700.0);
        // It is old already: four fifths are over, and the shortest period holds.
        assert_eq!(kept(&DEFAULTS, Some(0), 3600, 3000, 0.0), 60.0);
        // 360 s fit exactly; both ends meet.
        assert_eq!(kept(&DEFAULTS, Some(0), 360, 0, 0.0), 60.0);
        assert_eq!(kept(&DEFAULTS, Some(0), 359, 0, 0.0), 287.2);
        assert_eq!(kept(&DEFAULTS, Some(0), 60, 0, 1.0), 51.0);
    }

    #[test]
    fn a_token_that_is_over_or_of_tomorrow_does_no_harm() {
        assert_eq!(kept(&DEFAULTS, Some(0), 60, 61, 0.0), 10.0);
        assert_eq!(kept(&DEFAULTS, Some(0), 60, 60, 0.0), 0.0);
        let none = TokenRefresh { min_period: Duration::ZERO, buffer: Duration::ZERO, ..DEFAULTS };
        // It began so long ago that its part is over, and no shortest period says otherwise: at once.
        assert_eq!(kept(&none, Some(0), 3600, 3500, 0.0), 0.0);
        assert_eq!(kept(&none, Some(5000), 3600, 0, 0.0), 3600.0);
        let far = UNIX_EPOCH + Duration::from_secs(1 << 53);
        assert!(keep_for(&DEFAULTS, None, far, at(0), 0.5) > Duration::from_secs(1 << 50));
    }
}
