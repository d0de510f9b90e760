//! What of an X.509 certificate says who its holder is. The structure is walked as far as that goes, and no further.

use std::time::SystemTime;

use x509_cert::Version;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use x509_cert::der::{self, Decode, ErrorKind, Reader, SliceReader, Tag, TagNumber, Tagged};
use x509_cert::time::Validity;

use super::alternative_names;
use super::subject::{self, SubjectError, sequence};

/// id-ce-subjectAltName, RFC 5280 §4.2.1.6.
const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// The parts of a certificate that this module looks at.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// 1 to 3.
    pub version: u8,
    /// From when until when it holds.
    pub validity: (SystemTime, SystemTime),
    /// The content of the subject's RDNSequence.
    pub(super) subject: &'a [u8],
    /// The content of the GeneralNames, if it has that extension.
    pub(super) alternative_names: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    /// Walks a DER certificate; an error if it is none, or has two extensions of alternative names.
    pub fn from_der(der: &'a [u8]) -> der::Result<Self> {
        let mut outer = SliceReader::new(der)?;
        let mut signed = SliceReader::new(sequence(&mut outer)?)?;
        outer.finish()?;
        let mut body = SliceReader::new(sequence(&mut signed)?)?;
        // RFC 5280 §4.1: version, serial number, algorithm, issuer, validity, subject, key, then what is tagged.
        let version = read_version(&mut body)?;
        skip(&mut body, 3)?;
        let validity: Validity = Validity::decode(&mut body)?;
        let subject = sequence(&mut body)?;
        skip(&mut body, 1)?;
        let mut alternative_names = None;
        while !body.is_finished() {
            let part = AnyRef::decode(&mut body)?;
            if part.tag() == (Tag::ContextSpecific { constructed: true, number: TagNumber(3) }) {
                read_extensions(part.value(), &mut alternative_names)?;
            }
        }
        let validity = (validity.not_before.to_system_time(), validity.not_after.to_system_time());
        Ok(Self { version, validity, subject, alternative_names })
    }

    /// The subject as Java prints it.
    pub fn subject(&self) -> Result<String, SubjectError> {
        subject::print(self.subject)
    }

    /// The subject alternative names, each with its kind, for people to read.
    pub fn alternative_names(&self) -> der::Result<Vec<String>> {
        alternative_names::describe(self.alternative_names.unwrap_or_default())
    }
}

/// The optional version, `[0] EXPLICIT`.
fn read_version(reader: &mut SliceReader<'_>) -> der::Result<u8> {
    if reader.peek_byte() != Some(0xa0) {
        return Ok(1);
    }
    let tagged = AnyRef::decode(reader)?;
    Ok(match Version::from_der(tagged.value())? {
        Version::V1 => 1,
        Version::V2 => 2,
        Version::V3 => 3,
    })
}

fn skip(reader: &mut SliceReader<'_>, elements: usize) -> der::Result<()> {
    for _ in 0..elements {
        AnyRef::decode(reader)?;
    }
    Ok(())
}

fn read_extensions<'a>(tagged: &'a [u8], alternative_names: &mut Option<&'a [u8]>) -> der::Result<()> {
    let mut tagged = SliceReader::new(tagged)?;
    let mut list = SliceReader::new(sequence(&mut tagged)?)?;
    tagged.finish()?;
    while !list.is_finished() {
        let mut extension = SliceReader::new(sequence(&mut list)?)?;
        if ObjectIdentifier::decode(&mut extension)? != SUBJECT_ALTERNATIVE_NAME {
            continue;
        }
        if extension.peek_byte() == Some(0x01) {
            bool::decode(&mut extension)?;
        }
        let value = <&OctetStringRef>::decode(&mut extension)?;
        extension.finish()?;
        let mut value = SliceReader::new(value.as_bytes())?;
        let names = sequence(&mut value)?;
        value.finish()?;
        if alternative_names.replace(names).is_some() {
            return Err(ErrorKind::Failed.into());
        }
    }
    Ok(())
}
