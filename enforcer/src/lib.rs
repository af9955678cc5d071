// SPDX-License-Identifier: MIT OR Apache-2.0

//! The enforcer as a library; the binary is a thin layer over it.

pub mod account;
pub mod behaviour;
pub mod cli;
pub mod daemon;
pub mod dns;
pub mod doctor;
pub mod events;
pub mod evidence;
pub mod exit;
pub mod kernel;
pub mod learn;
pub mod profile;
pub mod recording;
pub mod replay;
pub mod report;
pub mod run;
