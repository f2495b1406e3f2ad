//! Tests of several layers at once.

mod random_input;
