//! Whether calls can be signed so that AWS takes them: credentials, region, clock. All else depends on it.

use std::time::Duration;

use super::check::{Check, LIMIT, within};
use crate::aws::identity::{self, Caller};
use crate::aws::{Difference, Sdk};
use crate::fault::{Cause, Fault};

pub(super) const CREDENTIALS: &str = "credentials";
pub(super) const REGION: &str = "region";
pub(super) const CLOCK: &str = "clock";

/// Longest wait for an answer to whose they are: all else waits for it, and STS need not be within reach.
const IDENTITY_LIMIT: Duration = Duration::from_secs(5);
/// Clocks that differ by less are harmless, and stay so for long even if they drift apart.
const SKEW_WARNING: Duration = Duration::from_mins(1);
/// AWS refuses signatures that are older, or as far in the future.
const SKEW_MAX: Duration = Duration::from_mins(5);

pub(super) fn region(sdk: &Sdk) -> Check {
    match sdk.region() {
        Some(region) => Check::ok(REGION, region),
        None => Check::failed(REGION, "none is set", "set AWS_REGION, or AWS_PROFILE to a profile that names one"),
    }
}

/// Whose credentials these are; failed if no call can work with them. Without a region STS cannot be asked.
pub(super) async fn credentials(sdk: &Sdk, queue_url: Option<&str>) -> Check {
    let given = async { sdk.credentials().await.map_err(|why| Fault::new(Cause::Misconfigured, why)) };
    if let Err(fault) = within(LIMIT, given).await {
        let fix =
            "provide some: AWS_PROFILE and `aws sso login`, access keys, or the role of the instance, task or function";
        return Check::failed(CREDENTIALS, format!("none: {}", fault.text), fix);
    }
    if sdk.region().is_none() {
        return Check::skipped(CREDENTIALS, "found, but without a region STS cannot be asked whose they are");
    }
    let by_sts = match within(IDENTITY_LIMIT, async { Ok(identity::caller(sdk).await) }).await {
        Ok(caller) => caller,
        Err(late) => Caller::Unknown(late),
    };
    let why = match by_sts {
        Caller::Unknown(fault) => fault.text,
        said => return of_caller(said, ""),
    };
    let Some(queue_url) = queue_url else { return unknown(&why) };
    match within(IDENTITY_LIMIT, async { Ok(identity::taken_by_sqs(sdk, queue_url).await) }).await {
        Ok(Caller::Unknown(_)) | Err(_) => unknown(&why),
        Ok(said) => of_caller(said, &format!("; STS, which could say whose they are, cannot be reached ({why})")),
    }
}

fn of_caller(caller: Caller, note: &str) -> Check {
    match caller {
        Caller::Known(who) => Check::ok(CREDENTIALS, format!("{who}{note}")),
        Caller::Refused(fault) | Caller::Unknown(fault) => {
            let fix = "log in again (`aws sso login`), or correct AWS_PROFILE, the keys or the session token; signatures \
                       are also refused if this machine's clock is wrong, see `clock`";
            Check::failed(CREDENTIALS, format!("refused: {}", fault.text), fix)
        }
    }
}

fn unknown(why: &str) -> Check {
    let fix = "open a route to STS if you need to know whose they are; the call needs no permission";
    Check::not_shown(CREDENTIALS, format!("whose they are is unknown ({why})"), fix)
}

pub(super) fn clock(difference: Option<Difference>) -> Check {
    let Some(Difference { by, is_ahead }) = difference else {
        return Check::not_shown(CLOCK, "no response from a service had a date", "see what else fails");
    };
    let found = format!("{} s {} the services'", by.as_secs(), if is_ahead { "ahead of" } else { "behind" });
    let fix = "set the clock and keep it synchronised (chrony, systemd-timesyncd): AWS refuses signatures that are 5 \
               minutes off";
    if by >= SKEW_MAX {
        Check::failed(CLOCK, found, fix)
    } else if by >= SKEW_WARNING {
        Check::warning(CLOCK, found, fix)
    } else {
        Check::ok(CLOCK, found)
    }
}
