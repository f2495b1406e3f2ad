//! Which hosts a server may be sent to.
//!
//! A client that names `https://169.254.169.254/` as its `jwks_uri` wants the server that fetches
//! it to talk to its own infrastructure (standards J5, K195). Names are checked by who resolves
//! them; what is written as an address can be refused here.

use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;

use super::uri::Uri;

/// Networks that are not the public internet, or that carry IPv4 addresses inside IPv6 ones
/// (IANA IPv4 and IPv6 Special-Purpose Address Registries).
const SPECIAL_NETWORKS: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    "::/96",
    "::ffff:0.0.0.0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Why a server must not be sent to the host of `uri`; none when it may.
pub(super) fn fault(uri: &Uri) -> Option<&'static str> {
    let is_special = uri.address.is_some_and(is_special);
    (is_special || uri.is_localhost()).then_some("must name a host on the public internet")
}

fn is_special(address: IpAddr) -> bool {
    static NETWORKS: LazyLock<Vec<IpNet>> =
        LazyLock::new(|| SPECIAL_NETWORKS.iter().filter_map(|network| network.parse().ok()).collect());
    NETWORKS.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::rules::uri;

    #[test]
    fn every_network_is_written_well() {
        for network in SPECIAL_NETWORKS {
            assert_eq!(network.parse::<IpNet>().unwrap().trunc().to_string(), *network);
        }
    }

    #[test]
    fn only_public_hosts_are_for_servers() {
        for host in [
            "localhost",
            "a.localhost.",
            "127.0.0.1",
            "169.254.169.254",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "[fd00::1]",
        ] {
            assert!(fault(&uri::parse(&format!("https://{host}/")).unwrap()).is_some(), "{host}");
        }
        for host in ["a.example", "localhost.example", "8.8.8.8", "[2606:4700::1111]"] {
            assert!(fault(&uri::parse(&format!("https://{host}/")).unwrap()).is_none(), "{host}");
        }
    }
}
