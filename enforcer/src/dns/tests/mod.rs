// SPDX-License-Identifier: MIT OR Apache-2.0

//! The whole resolver, between clients of the loopback and a name server that does as a test says.
//!
//! Where something must not happen in time, the limits are short and it never happens; where something must happen,
//! they are long.

mod bytes;
mod clients;
mod load;
mod misbehaving;
mod run;
mod serving;
mod upstream;
