//! The few Kafka messages that the load needs, written and read by hand so that the client costs next to nothing.
//!
//! Layouts are those of the message schemas that the kafka-clients jar carries. Only what the bench looks at is read.

use crate::Res;

/// Appends Kafka's primitive types.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn i8(&mut self, v: i8) -> &mut Self {
        self.raw(&v.to_be_bytes())
    }
    pub fn i16(&mut self, v: i16) -> &mut Self {
        self.raw(&v.to_be_bytes())
    }
    pub fn i32(&mut self, v: i32) -> &mut Self {
        self.raw(&v.to_be_bytes())
    }
    pub fn i64(&mut self, v: i64) -> &mut Self {
        self.raw(&v.to_be_bytes())
    }
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    pub fn uvarint(&mut self, mut v: u64) -> &mut Self {
        while v >= 0x80 {
            self.0.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
        self
    }
    /// The zigzag form that record fields use.
    pub fn varint(&mut self, v: i64) -> &mut Self {
        self.uvarint(((v << 1) ^ (v >> 63)) as u64)
    }
    pub fn string(&mut self, s: &str) -> &mut Self {
        self.i16(s.len() as i16).raw(s.as_bytes())
    }
    pub fn compact_string(&mut self, s: &str) -> &mut Self {
        self.uvarint(s.len() as u64 + 1).raw(s.as_bytes())
    }
    /// A compact array's count, or a compact bytes field's length.
    pub fn compact_len(&mut self, n: usize) -> &mut Self {
        self.uvarint(n as u64 + 1)
    }
    pub fn no_tags(&mut self) -> &mut Self {
        self.uvarint(0)
    }
}

/// A whole request frame. The correlation id stands at bytes 8..12, so that a frame can be sent again with another one.
pub fn frame(api_key: i16, version: i16, flexible: bool, body: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::default();
    w.i32(0).i16(api_key).i16(version).i32(0).string("bench");
    if flexible {
        w.no_tags();
    }
    body(&mut w);
    let len = w.0.len() as u32 - 4;
    w.0[..4].copy_from_slice(&len.to_be_bytes());
    w.0
}

pub fn api_versions() -> Vec<u8> {
    frame(18, 3, true, |w| {
        w.compact_string("doorkeeper-bench").compact_string("1").no_tags();
    })
}

pub fn sasl_handshake(mechanism: &str) -> Vec<u8> {
    frame(17, 1, false, |w| {
        w.string(mechanism);
    })
}

pub fn sasl_plain(user: &str, password: &str) -> Vec<u8> {
    sasl_authenticate(format!("\0{user}\0{password}").as_bytes())
}

pub fn sasl_authenticate(token: &[u8]) -> Vec<u8> {
    frame(36, 2, true, |w| {
        w.compact_len(token.len()).raw(token).no_tags();
    })
}

/// Of that user's SCRAM credentials.
pub fn describe_user(name: &str) -> Vec<u8> {
    frame(50, 0, true, |w| {
        w.compact_len(1).compact_string(name).no_tags().no_tags();
    })
}

/// Metadata of `topics`; of the brokers alone if there is none.
pub fn metadata(topics: &[&str]) -> Vec<u8> {
    frame(3, 12, true, |w| {
        w.compact_len(topics.len());
        for topic in topics {
            w.raw(&[0; 16]).compact_string(topic).no_tags();
        }
        w.i8(0).i8(0).no_tags();
    })
}

pub fn create_topic(name: &str, partitions: i32, configs: &[(&str, &str)]) -> Vec<u8> {
    frame(19, 4, false, |w| {
        w.i32(1).string(name).i32(partitions).i16(1).i32(0).i32(configs.len() as i32);
        for (key, value) in configs {
            w.string(key).string(value);
        }
        w.i32(30_000).i8(0);
    })
}

pub fn delete_topic(name: &str) -> Vec<u8> {
    frame(20, 3, false, |w| {
        w.i32(1).string(name).i32(30_000);
    })
}

/// One batch to each of `partitions`, acks=1.
pub fn produce(topic_id: &[u8; 16], partitions: &[i32], batch: &[u8]) -> Vec<u8> {
    frame(0, 13, true, |w| {
        w.uvarint(0).i16(1).i32(30_000).compact_len(1).raw(topic_id).compact_len(partitions.len());
        for partition in partitions {
            w.i32(*partition).compact_len(batch.len()).raw(batch).no_tags();
        }
        w.no_tags().no_tags();
    })
}

/// Byte at which the fetch offset stands in the frame that `fetch` gives.
pub const FETCH_OFFSET_AT: usize = 4 + 8 + 2 + "bench".len() + 1 + 12 + 1 + 8 + 1 + 16 + 1 + 8;

pub fn fetch(topic_id: &[u8; 16], partition: i32, max_wait_ms: i32, max_bytes: i32) -> Vec<u8> {
    frame(1, 17, true, |w| {
        w.i32(max_wait_ms).i32(1).i32(64 << 20).i8(0).i32(0).i32(-1).compact_len(1).raw(topic_id).compact_len(1);
        w.i32(partition).i32(-1).i64(0).i32(-1).i64(-1).i32(max_bytes).no_tags();
        w.no_tags().compact_len(0).compact_string("").no_tags();
    })
}

/// Reads Kafka's primitive types; running past the end is an error.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, n: usize) -> Res<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n).ok_or("response is shorter than it should be")?;
        self.0 = tail;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Res<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }
    pub fn i16(&mut self) -> Res<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }
    pub fn i32(&mut self) -> Res<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }
    pub fn i64(&mut self) -> Res<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }
    pub fn uvarint(&mut self) -> Res<usize> {
        let mut v = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0] as usize;
            v |= (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(v);
            }
        }
        Err("varint too long".into())
    }
    /// A compact count or length; null counts as 0.
    pub fn compact_len(&mut self) -> Res<usize> {
        Ok(self.uvarint()?.saturating_sub(1))
    }
    pub fn compact_string(&mut self) -> Res<String> {
        let n = self.compact_len()?;
        Ok(String::from_utf8(self.take(n)?.to_vec())?)
    }
    pub fn tags(&mut self) -> Res<()> {
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let n = self.uvarint()?;
            self.take(n)?;
        }
        Ok(())
    }
}

/// The error code that a response begins with must be 0.
pub fn error_code(what: &str, body: &[u8]) -> Res<()> {
    match Reader(body).i16()? {
        0 => Ok(()),
        code => Err(format!("{what}: error {code}").into()),
    }
}

/// The token in a SaslAuthenticate response (v2, from after the correlation id).
pub fn authenticated(body: &[u8]) -> Res<&[u8]> {
    let mut r = Reader(body);
    r.tags()?;
    error_code("SaslAuthenticate", r.take(2)?)?;
    r.compact_string()?;
    let n = r.compact_len()?;
    r.take(n)
}

/// A response to DescribeUserScramCredentials (v0, from after the correlation id) must tell of a credential of one user.
pub fn check_described(body: &[u8]) -> Res<()> {
    let mut r = Reader(body);
    r.tags()?;
    r.i32()?;
    let error = r.i16()?;
    r.compact_string()?;
    if error != 0 || r.compact_len()? != 1 {
        return Err(format!("describe: error {error}, or not one user").into());
    }
    r.compact_string()?;
    let error = r.i16()?;
    r.compact_string()?;
    match (error, r.compact_len()?) {
        (0, 1..) => Ok(()),
        (error, n) => Err(format!("describe: error {error}, {n} credentials").into()),
    }
}

/// What the bench wants of a Metadata response (v12, from after the correlation id).
#[derive(Debug)]
pub struct Metadata {
    pub brokers: Vec<(String, u16)>,
    /// Of the first topic: error code, id, how many partitions have a leader.
    pub topic: Option<(i16, [u8; 16], usize)>,
}

pub fn read_metadata(body: &[u8]) -> Res<Metadata> {
    let mut r = Reader(body);
    r.tags()?;
    r.i32()?;
    let mut brokers = Vec::new();
    for _ in 0..r.compact_len()? {
        r.i32()?;
        let host = r.compact_string()?;
        brokers.push((host, u16::try_from(r.i32()?)?));
        r.compact_string()?;
        r.tags()?;
    }
    r.compact_string()?;
    r.i32()?;
    let mut topic = None;
    if r.compact_len()? > 0 {
        let error = r.i16()?;
        r.compact_string()?;
        let id = r.array()?;
        r.take(1)?;
        let mut led = 0;
        for _ in 0..r.compact_len()? {
            let partition_error = r.i16()?;
            let (_index, leader, _epoch) = (r.i32()?, r.i32()?, r.i32()?);
            led += usize::from(partition_error == 0 && leader >= 0);
            for _ in 0..3 {
                let n = r.compact_len()?;
                r.take(4 * n)?;
            }
            r.tags()?;
        }
        topic = Some((error, id, led));
    }
    Ok(Metadata { brokers, topic })
}

/// The error codes of all partitions of a Produce response (v13, from after the correlation id) must be 0.
pub fn check_produced(body: &[u8]) -> Res<()> {
    let mut r = Reader(body);
    r.tags()?;
    for _ in 0..r.compact_len()? {
        r.take(16)?;
        for _ in 0..r.compact_len()? {
            r.i32()?;
            let error = r.i16()?;
            if error != 0 {
                return Err(format!("produce: error {error}").into());
            }
            r.take(24)?;
            if r.compact_len()? > 0 {
                return Err("produce: a record was refused".into());
            }
            r.compact_string()?;
            r.tags()?;
        }
        r.tags()?;
    }
    Ok(())
}

/// Reads a Fetch response (v17, from after the correlation id) as far as its records: how many bytes of them follow.
pub fn records_len(head: &mut Reader) -> Res<usize> {
    head.tags()?;
    head.i32()?;
    let error = head.i16()?;
    head.i32()?;
    if error != 0 || head.compact_len()? != 1 {
        return Err(format!("fetch: error {error}, or not one topic").into());
    }
    head.take(16)?;
    if head.compact_len()? != 1 {
        return Err("fetch: not one partition".into());
    }
    head.i32()?;
    let error = head.i16()?;
    if error != 0 {
        return Err(format!("fetch: error {error}").into());
    }
    head.take(24)?;
    if head.compact_len()? != 0 {
        return Err("fetch: aborted transactions where there are none".into());
    }
    head.i32()?;
    head.compact_len()
}
