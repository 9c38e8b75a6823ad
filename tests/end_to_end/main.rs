//! The real binaries against the local stand-ins: each test has a stack of its own, on free ports.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod batch;
mod builds;
mod catalog;
mod command_line;
mod doctor;
mod documents;
mod faults;
mod jobs;
mod kills;
mod lambda;
mod load;
mod models;
mod operator;
mod oracle;
mod poller;
mod run;
mod runtime;
mod sources;
mod updates;
mod ways_out;
mod world;
