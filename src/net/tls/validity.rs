//! Until when a certificate is good.
//!
//! Whoever checks a certificate finds out by itself; this is for the one who shows it, so that it is renewed in time. Of all
//! that a certificate says (RFC 5280 §4.1) no more is read than leads there:
//!
//! ```text
//!   Certificate { TBSCertificate { [version] serialNumber signature issuer Validity { notBefore notAfter } ...
//! ```

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio_rustls::rustls::pki_types::CertificateDer;

use super::Identities;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// A certificate that is shown to others, with those between it and its CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The file that it is from.
    pub file: PathBuf,
    /// The first domain that it names; empty: none.
    pub name: Box<str>,
    /// Until when all in the file are good.
    pub not_after: SystemTime,
}

impl Shown {
    /// What a file holds; none where nothing in it says until when.
    pub(super) fn of(file: &Path, chain: &[CertificateDer<'_>]) -> Option<Self> {
        let not_after = chain.iter().filter_map(not_after).min()?;
        let domains = chain.first().map(Identities::of).unwrap_or_default().domains;
        let name = domains.into_iter().next().unwrap_or_default();
        Some(Self { file: file.to_owned(), name, not_after })
    }
}

/// The last moment at which a certificate is good.
pub(super) fn not_after(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let mut octets: &[u8] = certificate;
    let mut certificate = expect(&mut octets, SEQUENCE)?;
    let mut signed = expect(&mut certificate, SEQUENCE)?;
    if signed.first() == Some(&VERSION) {
        expect(&mut signed, VERSION)?;
    }
    expect(&mut signed, INTEGER)?;
    expect(&mut signed, SEQUENCE)?;
    expect(&mut signed, SEQUENCE)?;
    let mut validity = expect(&mut signed, SEQUENCE)?;
    next(&mut validity)?;
    let (kind, text) = next(&mut validity)?;
    time(kind, str::from_utf8(text).ok()?)
}

/// RFC 5280 §4.1.2.5: `YYMMDDHHMMSSZ`, from 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn time(kind: u8, text: &str) -> Option<SystemTime> {
    let (century, digits) = match kind {
        UTC_TIME => (if text < "50" { "20" } else { "19" }, text),
        GENERALIZED_TIME => (text.get(..2)?, text.get(2..)?),
        _ => return None,
    };
    let digits = digits.strip_suffix('Z').filter(|digits| digits.len() == 12 && digits.is_ascii())?;
    let part = |at: usize| &digits[at..at + 2];
    let [year, month, day, hour, minute, second] = [0, 2, 4, 6, 8, 10].map(part);
    humantime::parse_rfc3339(&format!("{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
}

/// The contents of the next value, which has to be of this kind.
fn expect<'o>(octets: &mut &'o [u8], kind: u8) -> Option<&'o [u8]> {
    next(octets).filter(|(found, _)| *found == kind).map(|(_, contents)| contents)
}

/// The kind and the contents of the next value.
fn next<'o>(octets: &mut &'o [u8]) -> Option<(u8, &'o [u8])> {
    let (&[kind, length], mut rest) = octets.split_first_chunk()?;
    let mut length = usize::from(length);
    if length >= 0x80 {
        let (digits, behind) =
            rest.split_at_checked(length & 0x7f).filter(|(digits, _)| digits.len() <= 4)?;
        length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = behind;
    }
    let (contents, behind) = rest.split_at_checked(length)?;
    *octets = behind;
    Some((kind, contents))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::time::Duration;

    fn until(year: i32, names: &[&str]) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = date_time_ymd(year, 2, 3);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn at(text: &str) -> SystemTime {
        humantime::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn s4_1_2_5_the_last_moment_of_a_certificate_is_found_in_both_forms() {
        for year in [1980, 2026, 2049, 2050, 4096, 9999] {
            let expected = at(&format!("{year}-02-03T00:00:00Z"));
            assert_eq!(not_after(&until(year, &["example.com"])), Some(expected), "{year}");
        }
    }

    #[test]
    fn a_file_is_good_for_as_long_as_all_in_it_are() {
        let chain = [until(2040, &["Sip.example.com", "example.com"]), until(2030, &[]), until(2035, &[])];
        let shown = Shown::of(Path::new("a.pem"), &chain).unwrap();
        assert_eq!((&*shown.name, shown.not_after), ("sip.example.com", at("2030-02-03T00:00:00Z")));
        assert_eq!(Shown::of(Path::new("a.pem"), &[]), None);
    }

    #[test]
    fn a_certificate_that_is_cut_or_changed_does_no_harm() {
        let whole = until(2026, &["example.com"]);
        for length in 0..whole.len() {
            let cut = CertificateDer::from(whole[..length].to_vec());
            assert_eq!(not_after(&cut), None, "{length} octets");
        }
        for place in 0..whole.len() {
            for octet in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = whole.to_vec();
                changed[place] = octet;
                let found = not_after(&CertificateDer::from(changed));
                assert!(found.is_none_or(|found| found + Duration::from_secs(1) > SystemTime::UNIX_EPOCH));
            }
        }
    }

    #[test]
    fn a_time_that_is_none_is_none() {
        for text in ["", "260230000000Z", "2602030000Z", "260203000000", "2602030000é0Z", "26020300000é"] {
            assert_eq!(time(UTC_TIME, text), None, "{text}");
            assert_eq!(time(GENERALIZED_TIME, &format!("20{text}")), None, "{text}");
        }
        assert_eq!(time(INTEGER, "260203000000Z"), None);
        assert_eq!(time(UTC_TIME, "700203000000Z"), Some(at("1970-02-03T00:00:00Z")));
    }
}
