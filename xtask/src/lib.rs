// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything a contributor types, as a library: each command of `cargo xtask` is a module here.

pub mod artifact;
pub mod bench;
pub mod cache;
pub mod cmd;
pub mod debian;
pub mod demo;
pub mod dist;
pub mod ext4;
pub mod fuzz;
pub mod image;
pub mod initramfs;
pub mod kernel;
pub mod node;
pub mod packages;
pub mod progress;
pub mod registry;
pub mod repo;
pub mod setup;
pub mod test;
pub mod vm;
