//! Tests of the bundle as a whole.
