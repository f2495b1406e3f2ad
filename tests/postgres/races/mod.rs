//! Concurrent requests to two servers: whatever is valid once is granted to exactly one request.

mod clients;
mod once;
mod pair;
