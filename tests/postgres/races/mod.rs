//! Concurrent requests to two servers: whatever is valid once is granted to exactly one request.

mod administrators;
mod clients;
mod once;
mod pair;
