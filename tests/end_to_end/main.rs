//! The real binaries against the local stand-ins: each test has a stack of its own, on free ports.

mod catalog;
mod command_line;
mod faults;
mod lambda;
mod oracle;
mod poller;
mod world;
