use rustls::crypto::cipher::{AeadKey, Iv};

use super::*;

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2];

fn secrets(which: usize) -> ConnectionTrafficSecrets {
    let (key, iv) = (AeadKey::from([7; 32]), Iv::new([9; 12]));
    match which {
        0 => ConnectionTrafficSecrets::Aes256Gcm { key, iv },
        _ => ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv },
    }
}

fn pair(version: ProtocolVersion, which: usize) -> (Sealer, Opener) {
    let sealer = Sealer::new(version, 3, &secrets(which)).unwrap();
    (sealer, Opener::new(version, 3, &secrets(which)).unwrap())
}

fn each(mut run: impl FnMut(Sealer, Opener)) {
    for version in VERSIONS {
        for which in 0..2 {
            let (sealer, opener) = pair(version, which);
            run(sealer, opener);
        }
    }
}

#[test]
fn what_is_sealed_opens_record_after_record() {
    each(|mut sealer, mut opener| {
        for len in [0, 1, 100, MAX_PLAINTEXT] {
            let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut record = vec![0; len + MAX_OVERHEAD];
            let record_len = sealer.seal(APPLICATION_DATA, &plain, &mut record).unwrap();
            assert_eq!(opener.record_len(&record), Ok(Some(record_len)));
            let mut room = vec![0; opener.room_for(record_len)];
            let opened = opener.open(&record[..record_len], &mut room).unwrap();
            assert_eq!(opened, Opened { content_type: APPLICATION_DATA, len });
            assert_eq!(room[..len], plain);

            let at = sealer.plaintext_at();
            record[at..at + len].copy_from_slice(&plain);
            assert_eq!(sealer.seal_in_place(ALERT, len, &mut record), Some(record_len));
            let opened = opener.open(&record[..record_len], &mut room).unwrap();
            assert_eq!((opened, &room[..len]), (Opened { content_type: ALERT, len }, &plain[..]));
        }
        assert_eq!(sealer.seal(APPLICATION_DATA, &[0; MAX_PLAINTEXT + 1], &mut [0; 20_000]), None);
        assert_eq!(sealer.seal(APPLICATION_DATA, &[0; 100], &mut [0; 100]), None);
    });
}

#[test]
fn any_flipped_bit_and_any_record_out_of_turn_is_refused() {
    // H-103.
    each(|mut sealer, _| {
        let mut record = [0; 40];
        let len = sealer.seal(APPLICATION_DATA, b"abc", &mut record).unwrap();
        for version in VERSIONS {
            for which in 0..2 {
                // The length says how many bytes are opened, and is not looked at again.
                for bit in (0..24).chain(40..len * 8) {
                    let mut changed = record;
                    changed[bit / 8] ^= 1 << (bit % 8);
                    let (_, mut opener) = pair(version, which);
                    assert!(opener.open(&changed[..len], &mut [0; 64]).is_err(), "bit {bit}");
                }
            }
        }
    });
    each(|mut sealer, mut opener| {
        let mut records = [[0; 64]; 2];
        let len = records.each_mut().map(|record| sealer.seal(APPLICATION_DATA, b"abc", record).unwrap())[0];
        assert!(opener.open(&records[1][..len], &mut [0; 64]).is_err());
        assert!(opener.open(&records[0][..len], &mut [0; 64]).is_ok());
        assert!(opener.open(&records[0][..len], &mut [0; 64]).is_err(), "replayed");
    });
}

#[test]
fn lengths_are_limited_before_anything_is_waited_for() {
    let (_, opener) = pair(ProtocolVersion::TLSv1_3, 0);
    let header = |content_type, major, len: u16| [content_type, major, 3, (len >> 8) as u8, len as u8];
    assert_eq!(opener.record_len(&[23, 3, 3, 0]), Ok(None));
    assert_eq!(opener.record_len(&header(23, 3, 16384 + 256)), Ok(Some(16384 + 256 + 5)));
    let overflow = Err(BadRecord(AlertDescription::RecordOverflow));
    assert_eq!(opener.record_len(&header(23, 3, 16384 + 257)), overflow);
    let unexpected = Err(BadRecord(AlertDescription::UnexpectedMessage));
    assert_eq!(opener.record_len(&header(24, 3, 1)), unexpected);
    assert_eq!(opener.record_len(b"GET /"), unexpected);
    let (_, opener) = pair(ProtocolVersion::TLSv1_2, 0);
    assert_eq!(opener.record_len(&header(23, 3, 16384 + 2049)), overflow);
}

#[test]
fn padding_is_cut_off_and_a_record_of_padding_alone_refused() {
    let (mut sealer, mut opener) = pair(ProtocolVersion::TLSv1_3, 0);
    let (mut record, mut room) = ([0; 64], [0; 64]);
    // Its own type byte is 0, so the last byte of the content counts as the type.
    let len = sealer.seal(0, &[1, 2, ALERT, 0, 0], &mut record).unwrap();
    assert_eq!(opener.open(&record[..len], &mut room), Ok(Opened { content_type: ALERT, len: 2 }));
    let len = sealer.seal(0, &[0; 5], &mut record).unwrap();
    assert_eq!(opener.open(&record[..len], &mut room), Err(BadRecord(AlertDescription::UnexpectedMessage)));
    // A record shorter than its tag.
    assert!(opener.open(&[23, 3, 3, 0, 1, 0], &mut room).is_err());
}

#[test]
fn a_key_wears_out() {
    let (mut sealer, _) = pair(ProtocolVersion::TLSv1_3, 0);
    sealer.0.sequence = GCM_RECORDS - 1;
    assert!(!sealer.is_worn());
    sealer.seal(APPLICATION_DATA, b"x", &mut [0; 64]).unwrap();
    assert!(sealer.is_worn());
}
