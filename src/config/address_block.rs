//! Blocks of addresses (CIDR, RFC 4632 and RFC 4291 section 2.3).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses, or a single one: `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`.
///
/// An IPv4 address and the same as an IPv6 one, `::ffff:192.0.2.7`, are one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    /// IPv4 addresses stand at `::ffff:0:0/96`.
    first: u128,
    mask: u128,
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// What one customer of a network provider has at least: an IPv4 address, or the /64 of an IPv6 one (RFC 6177), in which a
/// client can choose among 2^64.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

impl AddressBlock {
    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.first
    }
}

impl FromStr for AddressBlock {
    type Err = String;

    /// Fails with what was expected instead.
    fn from_str(text: &str) -> Result<Self, String> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| "expected an IP address, or a block such as 10.0.0.0/8")?;
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => width,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) && matches!(digits.len(), 1..=3) => digits
                .parse()
                .ok()
                .filter(|length| *length <= width)
                .ok_or(format!("expected a length up to {width}"))?,
            Some(_) => return Err(format!("expected a length from 0 to {width} behind the slash")),
        };
        // The last 32 bits are IPv4's, so that what is left of them is the same number for both.
        let mask = u128::MAX.checked_shl(width - length).unwrap_or(0);
        let first = bits(address) & mask;
        if first != bits(address) {
            let meant = Self { first, mask };
            return Err(format!("there are bits beyond its length; expected {meant}"));
        }
        Ok(Self { first, mask })
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, length) = (Ipv6Addr::from_bits(self.first), self.mask.count_ones());
        match first.to_ipv4_mapped() {
            Some(first) if length >= 96 => write!(f, "{first}/{}", length - 96),
            _ => write!(f, "{first}/{length}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_their_addresses_and_no_others() {
        for (block, inside, outside) in [
            (
                "10.0.0.0/8",
                &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"][..],
                &["9.255.255.255", "11.0.0.0", "::10.1.2.3"][..],
            ),
            ("192.0.2.7", &["192.0.2.7"], &["192.0.2.6", "192.0.2.8"]),
            ("192.0.2.7/32", &["192.0.2.7"], &["192.0.2.6"]),
            ("192.0.2.128/25", &["192.0.2.128", "192.0.2.255"], &["192.0.2.127"]),
            ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["2001:db8::1", "::"]),
            ("::/0", &["::", "1.2.3.4", "ffff::"], &[]),
            ("2001:db8::/32", &["2001:db8:ffff::1"], &["2001:db9::", "1.2.3.4"]),
            ("::1", &["::1"], &["::2", "127.0.0.1"]),
            ("::ffff:10.0.0.0/104", &["10.9.9.9"], &["11.0.0.0"]),
        ] {
            let parsed: AddressBlock = block.parse().unwrap();
            let holds = |address: &str| parsed.contains(address.parse().unwrap());
            assert!(inside.iter().all(|address| holds(address)), "{block}");
            assert!(!outside.iter().any(|address| holds(address)), "{block}");
        }
    }

    #[test]
    fn what_is_no_block_is_refused_with_what_was_expected() {
        for (text, expected) in [
            ("", "expected an IP address, or a block such as 10.0.0.0/8"),
            ("balancer", "expected an IP address, or a block such as 10.0.0.0/8"),
            ("10.0.0/8", "expected an IP address, or a block such as 10.0.0.0/8"),
            ("10.0.0.0/", "expected a length from 0 to 32 behind the slash"),
            ("10.0.0.0/+8", "expected a length from 0 to 32 behind the slash"),
            ("10.0.0.0/33", "expected a length up to 32"),
            ("::/129", "expected a length up to 128"),
            ("10.0.0.1/8", "there are bits beyond its length; expected 10.0.0.0/8"),
            ("2001:db8::1/32", "there are bits beyond its length; expected 2001:db8::/32"),
        ] {
            assert_eq!(text.parse::<AddressBlock>().unwrap_err(), expected, "{text}");
        }
    }
}
