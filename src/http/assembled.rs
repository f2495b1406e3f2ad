//! Requests that did not arrive over a connection.

use std::net::{IpAddr, SocketAddr};

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Uri};

use crate::http::{BodyError, ClientCertificate, ReceivedBody};

/// A request for an endpoint, with what the layers around the endpoint would have added to it.
pub(crate) struct AssembledRequest {
    /// The method.
    pub(crate) method: Method,
    /// The path and the query.
    pub(crate) uri: Uri,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body, or why it was not received.
    pub(crate) body: Result<Bytes, BodyError>,
    /// The address of the client.
    pub(crate) address: IpAddr,
    /// The certificate of the client.
    pub(crate) certificate: Option<ClientCertificate>,
}

impl From<AssembledRequest> for Request<Body> {
    fn from(assembled: AssembledRequest) -> Self {
        let mut request = Self::new(Body::empty());
        *request.method_mut() = assembled.method;
        *request.uri_mut() = assembled.uri;
        *request.headers_mut() = assembled.headers;
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(SocketAddr::new(assembled.address, 0)));
        extensions.insert(ReceivedBody(assembled.body));
        if let Some(certificate) = assembled.certificate {
            extensions.insert(certificate);
        }
        request
    }
}
