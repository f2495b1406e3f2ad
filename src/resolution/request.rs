//! The head of the request that a document stands for. Nobody sent it: scripts see the path of the resolver and the
//! address of the user, if the authorization server named it.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::{Body, Bytes};
pub(super) use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Uri};

use crate::http::AssembledRequest;

/// The path of the resolver.
pub(crate) const PATH: &str = "/admin/v1/clients/resolve";

/// Returns the head of the request.
pub(super) fn head(address: Option<IpAddr>) -> Parts {
    let request: Request<Body> = AssembledRequest {
        method: Method::GET,
        uri: Uri::from_static(PATH),
        headers: HeaderMap::new(),
        body: Ok(Bytes::new()),
        address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        certificate: None,
    }
    .into();
    request.into_parts().0
}
