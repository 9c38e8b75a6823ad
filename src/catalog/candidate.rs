//! `candidate.json`: a catalog that answers a share of the jobs before it becomes current.
//!
//! Which jobs is decided by a hash of their id, so that all workers decide alike, and a job that comes again is answered
//! by the same catalog as long as the share stands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::CatalogError;
use super::location::ObjectName;
use super::pointer::Pointer;

/// A share of the jobs: more than none, at most all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

/// What a candidate's pointer says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Which catalog, as in `current.json`.
    #[serde(flatten)]
    pub pointer: Pointer,
    /// Which share of the jobs it answers, 0 to 1.
    pub share: Share,
}

impl Share {
    /// Whether a job belongs to it.
    pub fn takes(self, request_id: &str) -> bool {
        let first = Sha256::digest(request_id).iter().take(8).fold(0_u64, |first, byte| first << 8 | u64::from(*byte));
        // The first 53 bits, which are all that a number between 0 and 1 holds.
        let first = first >> 11;
        (first as f64) / ((1_u64 << 53) as f64) < self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        if share > 0.0 && share <= 1.0 { Ok(Self(share)) } else { Err(format!("share {share} is not within 0 and 1")) }
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        share.0
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("must be more than 0% and at most 100%, as in `5%` or `0.05`, was `{text}`");
        let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
        let share: f64 = number.trim().parse().map_err(|_| wrong())?;
        Self::try_from(share / whole).map_err(|_| wrong())
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As far as anybody reads: 0.1 % of a percent.
        write!(f, "{}%", (self.0 * 1e5).round() / 1e3)
    }
}

impl Candidate {
    /// Reads the object `name`.
    ///
    /// # Errors
    /// As those of a pointer, and [`CatalogError::Corrupt`] without a share that is one.
    pub(super) fn parse(name: &ObjectName, body: &[u8]) -> Result<Self, CatalogError> {
        #[derive(Deserialize)]
        struct Shared {
            share: Share,
        }
        let pointer = Pointer::parse(name, body)?;
        let Shared { share } = serde_json::from_slice(body)
            .map_err(|error| CatalogError::Corrupt { what: name.to_string(), why: error.to_string() })?;
        Ok(Self { pointer, share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_takes_about_so_many_and_the_same_ones() {
        let taken = |share: &str| {
            let share: Share = share.parse().unwrap();
            (0..20_000).filter(|number| share.takes(&format!("job-{number}"))).collect::<Vec<_>>()
        };
        let (five, ten) = (taken("5%"), taken("0.1"));
        assert!((900..1_100).contains(&five.len()), "{}", five.len());
        assert!((1_850..2_150).contains(&ten.len()), "{}", ten.len());
        assert!(five.iter().all(|number| ten.contains(number)), "a larger share takes more, and no other ones");
        assert_eq!(taken("100%").len(), 20_000);
        // By another program: int(sha256(b"job-18046").hexdigest()[:16], 16) / 2**64 is 0.06195.
        assert_eq!(["6.19%", "6.2%"].map(|share| share.parse::<Share>().unwrap().takes("job-18046")), [false, true]);
    }

    #[test]
    fn a_share_is_more_than_none_and_at_most_all() {
        for wrong in ["0", "0%", "101%", "1.1", "-5%", "nan", "five", ""] {
            let message = wrong.parse::<Share>().unwrap_err();
            assert!(message.contains("must be more than 0% and at most 100%"), "{message}");
        }
        assert_eq!(
            ["5%", "0.125", "100%"].map(|text| text.parse::<Share>().unwrap().to_string()),
            ["5%", "12.5%", "100%"]
        );
    }
}
