//! Which addresses are dialled.
//!
//! The URL is the operator's, but what its name stands for is whoever answers for that name in DNS. An answer that points into this
//! machine, or at what a cloud gives away to whoever asks at a fixed address, is not believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The metadata service of one cloud over IPv6, in a range that is otherwise private (RFC 4193).
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// The metadata services of two clouds that are not at a link-local address.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];

/// Addresses that are never dialled.
pub(super) fn is_forbidden(address: IpAddr) -> bool {
    match unwrapped(address) {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.octets()[0] == 0
                || v4.is_multicast()
                || v4.is_broadcast()
                || METADATA_V4.contains(&v4)
        }
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast() || v6 == METADATA_V6,
    }
}

/// An address of this machine by itself.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    unwrapped(address).is_loopback()
}

/// Whether `address` may be dialled for `host`: this machine only if the URL says so.
pub(super) fn is_allowed(host: &str, address: IpAddr) -> bool {
    // RFC 6761 §6.3.
    let says_loopback = || host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(is_loopback);
    !is_forbidden(address) && (!is_loopback(address) || says_loopback())
}

/// The IPv4 address in an IPv6 one: mapped, or for a translator (NAT64, RFC 6052).
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => v6.to_canonical(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_only_this_machine_or_its_link_has_is_not_dialled() {
        let forbidden = [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "64:ff9b::169.254.169.254",
        ];
        for address in forbidden {
            assert!(is_forbidden(ip(address)), "{address}");
            assert!(!is_allowed("issuer.example", ip(address)), "{address}");
            assert!(!is_allowed("localhost", ip(address)), "{address}");
        }
        for address in
            ["10.0.0.1", "192.168.1.1", "172.16.0.1", "8.8.8.8", "fd00::1", "2001:db8::1", "64:ff9b::8.8.8.8"]
        {
            assert!(is_allowed("issuer.example", ip(address)), "{address}");
        }
    }

    #[test]
    fn this_machine_is_dialled_only_where_the_url_names_it() {
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"] {
            for host in ["localhost", "issuer.localhost", "127.0.0.1", "::1"] {
                assert!(is_allowed(host, ip(address)), "{host} {address}");
            }
            for host in ["issuer.example", "notlocalhost", "localhost.example", "10.0.0.1", "2130706433", "127.1"] {
                assert!(!is_allowed(host, ip(address)), "{host} {address}");
            }
        }
    }
}
