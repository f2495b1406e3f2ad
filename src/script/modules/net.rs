//! `net::in_cidr(address, cidr)`: returns whether an address is in a network.

use std::net::IpAddr;

use ipnet::IpNet;
use rhai::ImmutableString;

use crate::script::{failure, modules::Functions, modules::HostFunction, modules::function};

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[function(
    "net",
    "in_cidr(address: string, cidr: string) -> bool",
    "Returns whether an IP address is in a network. Fails when the address or the network is invalid.",
    r#"net::in_cidr("10.1.2.3", "10.0.0.0/8")"#,
)];

pub(super) fn module() -> Functions {
    let mut module = Functions::default();
    module.add2(
        "in_cidr",
        |_, address: ImmutableString, cidr: ImmutableString| {
            let network = network_of(&cidr).map_err(failure)?;
            let address = address_of(&address).map_err(failure)?;
            Ok(network.contains(&address.to_canonical()))
        },
    );
    module
}

pub(super) fn network_of(cidr: &str) -> Result<IpNet, String> {
    let parsed = cidr.parse();
    parsed.map_err(|_| format!("'{cidr}' is not a network such as 10.0.0.0/8"))
}

pub(super) fn address_of(text: &str) -> Result<IpAddr, String> {
    let parsed = text.parse();
    parsed.map_err(|_| format!("'{text}' is not an IP address"))
}
