//! What is sent: message number `n` of a run, and the job that its request id stands for.
//!
//! A message is a function of the run and its number. Nothing about it is kept between its sending and its record, so
//! memory does not grow with the length of a run.

mod filters;
mod message;
mod padding;
mod phrases;
mod source;
mod traffic;

pub(crate) use self::filters::Filters;
pub(crate) use self::message::{Kind, MESSAGE_MAX_BYTES, Message, REPEAT_WITHIN, is_sampled};
pub(crate) use self::padding::is_padding;
pub(crate) use self::source::{Choice, JobsError, Source};
pub(crate) use self::traffic::{Jobs, NO_ATTRIBUTE, Shape};

#[cfg(test)]
mod tests;
