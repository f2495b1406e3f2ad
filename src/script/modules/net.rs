//! `net::in_cidr(address, cidr)`: whether an address is in a network.

use std::net::IpAddr;

use ipnet::IpNet;
use rhai::{ImmutableString, Module};

use super::super::value::failure;

pub(super) fn module() -> Module {
    let mut module = Module::new();
    module.set_native_fn("in_cidr", |address: ImmutableString, cidr: ImmutableString| {
        let network: IpNet =
            cidr.parse().map_err(|_| failure(format!("'{cidr}' is not a network such as 10.0.0.0/8")))?;
        let address: IpAddr =
            address.parse().map_err(|_| failure(format!("'{address}' is not an IP address")))?;
        Ok(network.contains(&address.to_canonical()))
    });
    module
}
