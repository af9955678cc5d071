// SPDX-License-Identifier: MIT OR Apache-2.0

//! Scenarios that run in a real kernel, as root, in the guest that `cargo xtask vm` boots.
//!
//! Every attack has a positive control: the same attempt, with the enforcer out of the way, succeeds.

#![allow(missing_docs, reason = "tests are named, not documented")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod arguments;
mod attach;
mod attempts;
mod attribution;
mod budget;
mod collector;
mod control;
mod deb;
mod differential;
mod doctor;
mod escape;
mod evidence;
mod exception;
mod exec;
mod files;
mod guest;
mod handed;
mod incident;
mod inert;
mod keeper;
mod limits;
mod lineage;
mod listener;
mod listening;
mod local_sockets;
mod name_server;
mod names;
mod network;
mod package_managers;
mod preemption;
mod publish;
mod real_packages;
mod refusal;
mod sending;
mod service;
mod sharing;
mod sni;
mod sockets;
mod storm;
mod visitors;
mod wrapper;
