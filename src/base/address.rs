//! Which hosts are on the public internet.
//!
//! A client could register `https://169.254.169.254/` as its `jwks_uri`, to make the server that
//! fetches it talk to its own infrastructure. A host that is an IP address is checked as it is. A
//! host name is checked here by its spelling, and by its addresses once it has been resolved.

use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;

/// Networks that are not the public internet, or that carry other addresses inside their own
/// (IANA IPv4 and IPv6 Special-Purpose Address Registries).
const SPECIAL_NETWORKS: &[&str] = &[
    // "This" network, private, shared address space (CGNAT), loopback, link-local.
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    // Protocol assignments, documentation, 6to4 relays, private, benchmarks, documentation.
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    // Addresses in public ranges that cloud providers reserve for services of the local machine:
    // metadata and DNS of Azure, services of IBM Cloud, metadata of Equinix Metal.
    "161.26.0.0/16",
    "166.8.0.0/14",
    "168.63.129.16/32",
    "192.80.8.124/32",
    // Multicast, reserved, broadcast.
    "224.0.0.0/3",
    // Only 2000::/3 is global unicast. The other ranges contain the unspecified address, loopback,
    // IPv4 inside IPv6 (mapped, compatible, translated, NAT64), unique local, link-local,
    // site-local and multicast addresses.
    "::/3",
    "4000::/2",
    "8000::/1",
    // Protocol assignments (with Teredo and benchmarks), documentation, 6to4, documentation.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
];

/// Name suffixes that are never on the public internet (RFC 6761, RFC 6762, RFC 8375, and the
/// suffix that ICANN reserves for private use).
const SPECIAL_NAMES: &[&str] = &["localhost", "local", "internal", "home.arpa"];

/// Whether `address` is not on the public internet.
pub(crate) fn is_special(address: IpAddr) -> bool {
    static NETWORKS: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
        SPECIAL_NETWORKS
            .iter()
            .filter_map(|network| network.parse().ok())
            .collect()
    });
    NETWORKS.iter().any(|network| network.contains(&address))
}

/// Whether `name`, in lower case, cannot be a name of the public internet: a single label, or a
/// name reserved for local machines.
pub(crate) fn is_special_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_below = |end: &str| {
        name.strip_suffix(end)
            .is_some_and(|rest| rest.ends_with('.'))
    };
    !name.contains('.')
        || SPECIAL_NAMES
            .iter()
            .any(|end| name == *end || is_below(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_is_well_formed() {
        for network in SPECIAL_NETWORKS {
            assert_eq!(
                network.parse::<IpNet>().unwrap().trunc().to_string(),
                *network
            );
        }
    }

    #[test]
    fn special_addresses_are_known() {
        let special = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "161.26.0.10",
            "166.11.255.255",
            "168.63.129.16",
            "192.80.8.124",
            "100.100.100.200",
            "192.0.0.192",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in special {
            assert!(is_special(text.parse().unwrap()), "{text}");
        }
        for text in [
            "8.8.8.8",
            "168.63.129.17",
            "166.12.0.1",
            "100.63.255.255",
            "172.32.0.1",
            "223.255.255.255",
            "2606:4700::1111",
        ] {
            assert!(!is_special(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn special_names_are_known() {
        for name in [
            "localhost",
            "localhost.",
            "a.localhost",
            "intranet",
            "db.local",
            "x.internal.",
            "local",
        ] {
            assert!(is_special_name(name), "{name}");
        }
        for name in [
            "a.example",
            "a.example.",
            "localhost.example",
            "notlocal.example",
            "x.notlocal",
        ] {
            assert!(!is_special_name(name), "{name}");
        }
    }
}
