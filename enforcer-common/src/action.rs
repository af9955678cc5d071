// SPDX-License-Identifier: MIT OR Apache-2.0

//! The words for what a process attempts and what is said to it.

/// Defines a field-less enum with stable wire numbers and names, and the way back from a number.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $number,)+ }

        impl $name {
            /// Every value, in wire order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in recordings and on the terminal.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value with this wire number, if there is one.
            #[must_use]
            pub const fn from_wire(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use wire_enum;

wire_enum! {
    /// What is attempted. Each kind has its own rules in every stage of a profile.
    Kind {
        /// Executing a file: the program, a script, or a script's interpreter.
        Exec = 0 => "exec",
        /// Opening a file for reading.
        Read = 1 => "read",
        /// Opening a file for writing.
        Write = 2 => "write",
        /// Reaching an address: by connecting, or by sending without a connection.
        Connect = 3 => "connect",
        /// Reaching a local socket, by the name that its owner bound: a path, or `@` and an abstract name.
        Unix = 4 => "unix",
        /// Taking an address of this machine: binding a port, or listening.
        Listen = 5 => "listen",
        /// Making a socket, see [`crate::socket`].
        Socket = 6 => "socket",
        /// Looking up a name. Decided by the resolver, so there is nothing in the kernel's table for it.
        Resolve = 7 => "resolve",
        /// The arguments of a program that is executed, see [`crate::argv`]. Where the rules for executing say something
        /// of arguments, they are decided about once more with them.
        Argv = 8 => "argv",
        /// Leaving the run, see [`crate::escape`]. No rule allows it, so there is nothing in the kernel's table for it.
        Escape = 9 => "escape",
    }
}

impl Kind {
    /// Whether what is judged is a path, or begins with one, which may lie below an anchor.
    #[must_use]
    #[inline(always)]
    pub const fn is_path(self) -> bool {
        matches!(self, Self::Exec | Self::Read | Self::Write | Self::Unix | Self::Argv)
    }

    /// The action that people know it as.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::Argv => Self::Exec.name(),
            kind => kind.name(),
        }
    }

    /// Whether what is judged is the text of an endpoint.
    #[must_use]
    #[inline(always)]
    pub const fn is_address(self) -> bool {
        matches!(self, Self::Connect | Self::Listen)
    }
}

wire_enum! {
    /// What the kernel answered.
    Verdict {
        /// The action went ahead.
        Allow = 0 => "allow",
        /// The action failed with EPERM.
        Deny = 1 => "deny",
        /// The action went ahead because the run is in audit mode.
        WouldDeny = 2 => "would-deny",
    }
}

wire_enum! {
    /// Why a verdict is what it is.
    Reason {
        /// A rule of the profile names it; the decision carries the rule's number.
        Rule = 0 => "rule",
        /// No rule names it, so the stage's default for this kind applies.
        Default = 1 => "default",
        /// The kernel could not produce a path (or its text was not a path that can be judged).
        Unresolved = 2 => "unresolved",
        /// The path, or for [`Kind::Argv`] path and arguments, is longer than [`crate::table::TEXT_MAX`] bytes.
        TooLong = 3 => "too-long",
        /// Every scratch buffer was in use.
        NoScratch = 4 => "no-scratch",
        /// The address family or protocol is not one that a rule can name.
        Family = 5 => "family",
        /// The start-up probe: denied on purpose, to prove that denials happen.
        Probe = 6 => "probe",
        /// The run's own record is missing: enforcement is broken, so nothing is allowed.
        NoRun = 7 => "no-run",
        /// It would be over a budget; the decision carries the [`crate::Budget`] in the rule's place.
        Budget = 8 => "budget",
        /// The run is tripped. Counted, and never an event of its own.
        Tripped = 9 => "tripped",
        /// It goes to the run's resolver instead, which decides about the name that is asked for.
        Resolver = 10 => "resolver",
        /// The name is allowed, and leads to an address that no public name has business with.
        Private = 11 => "private",
        /// The packets would go by way of another address first.
        Route = 12 => "route",
        /// It is the interpreter of a script that only rules about arguments allow, and these are not about scripts.
        Script = 13 => "script",
        /// Its TLS hello asks for a name that did not lead there.
        ServerName = 14 => "server-name",
        /// Its TLS hello asks for no name.
        NoServerName = 15 => "no-server-name",
        /// Its first bytes are no TLS hello.
        NotHello = 16 => "not-hello",
        /// Its TLS hello has an encrypted one within.
        EncryptedHello = 17 => "encrypted-hello",
        /// Its first bytes could still be changed, or began before it was watched.
        Unjudged = 18 => "unjudged",
        /// It is about what is not of this run, or in another stage of it.
        Outside = 19 => "outside",
        /// It leads to another stage, or rules are about its arguments, and a process of the run traces it.
        Traced = 20 => "traced",
        /// It is a socket of the service: what is in a run has no say in it.
        Service = 21 => "service",
    }
}
