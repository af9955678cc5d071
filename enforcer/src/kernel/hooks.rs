// SPDX-License-Identifier: MIT OR Apache-2.0

//! The hooks: one table, from which programs are loaded and documentation is made.

/// A hook, and the program for it. The program's name is the hook's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The LSM hook, without `bpf_lsm_`.
    pub name: &'static str,
    /// What is decided or kept there.
    pub purpose: &'static str,
}

/// Every hook. All are required: a run is not started where one of them cannot be attached.
pub const HOOKS: &[Hook] = &[
    Hook { name: "task_alloc", purpose: "a child inherits run and stage" },
    Hook { name: "task_free", purpose: "the label goes when the task is gone" },
    Hook { name: "bprm_creds_for_exec", purpose: "a new exec starts without a stage transition" },
    Hook { name: "bprm_check_security", purpose: "which programs, scripts and interpreters may be executed" },
    Hook { name: "bprm_committed_creds", purpose: "the stage changes; arguments and package are recorded" },
    Hook { name: "file_open", purpose: "which files may be read and written" },
    Hook { name: "socket_connect", purpose: "which addresses may be connected to" },
    Hook {
        name: "socket_sendmsg",
        purpose: "which addresses may be sent to without connecting, Fast Open too",
    },
];
