use super::*;

/// Collects marked fields as (mark, content).
#[derive(Default)]
struct Seen(Vec<(Mark, Option<Vec<u8>>)>);

impl Visitor for Seen {
    fn field(&mut self, mark: Mark, _: usize, _: &[u8], content: Option<&[u8]>) {
        self.0.push((mark, content.map(<[u8]>::to_vec)));
    }
}

/// Walks `body` in pieces of `piece` bytes; returns what was seen and how many bytes the program did not care about.
fn walk(program: &Program, body: &[u8], piece: usize) -> Result<(Seen, u32), WalkError> {
    let (mut seen, mut walker) = (Seen::default(), Walker::new(program, body.len() as u32));
    let (mut at, mut have) = (0usize, 0usize);
    loop {
        let Advance { consumed, state } = walker.advance(&body[at..have.max(at)], &mut seen)?;
        at += consumed;
        match state {
            State::NeedMore if have >= body.len() => return Err(WalkError("the message ends too early")),
            State::NeedMore => have = (have + piece).min(body.len()),
            State::Opaque(len) => {
                at += len as usize;
                have = have.max(at);
            }
            State::Paused => {}
            State::Done => return Ok((seen, walker.left())),
        }
    }
}

#[test]
fn every_message_of_the_table_compiles_in_every_version() {
    let mut count = 0;
    for key in 0..=100 {
        for direction in [Direction::Request, Direction::Response] {
            let Some(message) = message(key, direction) else { continue };
            for version in message.versions.min..=message.versions.max {
                let program = message.compile(version, &[], None);
                if !program.ops.iter().any(|op| matches!(op, program::Op::Records { .. })) {
                    let walked = walk(&program, &[], 1);
                    assert!(matches!(walked, Ok((_, 0))), "nothing marked, nothing walked: {}", message.name);
                }
                count += 1;
            }
        }
    }
    assert!(count > 400, "only {count} message versions");
}

fn metadata_v1() -> Vec<u8> {
    let mut body = vec![0, 0, 0, 42]; // the correlation id
    body.extend(1i32.to_be_bytes());
    body.extend(7i32.to_be_bytes());
    body.extend([0, 2, b'h', b'i']);
    body.extend(9092i32.to_be_bytes());
    body.extend((-1i16).to_be_bytes());
    body.extend(7i32.to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body
}

#[test]
fn marked_fields_are_seen_whatever_the_pieces() {
    let message = message(3, Direction::Response).unwrap();
    let program = message.compile(1, &[("Brokers.NodeId", 1), ("Brokers.Host", 2), ("Brokers.Rack", 3)], None);
    let body = metadata_v1();
    for piece in 1..=body.len() {
        let (seen, left) = walk(&program, &body, piece).unwrap();
        let expected = vec![(1, Some(vec![0, 0, 0, 7])), (2, Some(b"hi".to_vec())), (3, None)];
        assert_eq!(seen.0, expected, "pieces of {piece}");
        assert_eq!(left, 8, "ControllerId and the empty Topics are passed on without a look");
    }
}

#[test]
fn each_count_and_length_is_held_against_the_bytes_left() {
    let program = message(3, Direction::Response).unwrap().compile(1, &[("Topics.Partitions.ReplicaNodes", 1)], None);
    for count in [i32::MAX, 1 << 24, 2, -2, -1] {
        let mut body = metadata_v1();
        body[4..8].copy_from_slice(&count.to_be_bytes());
        assert!(walk(&program, &body, 64).is_err(), "count {count}");
    }
    let program = message(0, Direction::Response).unwrap().compile(9, &[("ThrottleTimeMs", 1)], None);
    for count in
        [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01], &[0xff, 0xff, 0xff, 0xff, 0x07]]
    {
        let body = [&[0, 0, 0, 42, 0][..], count].concat();
        assert!(walk(&program, &body, 64).is_err(), "count {count:x?}");
    }
}

#[test]
fn records_are_opaque_and_the_message_tags_pause() {
    let message = message(1, Direction::Response).unwrap();
    let program = message.compile(16, &[], Some(""));
    let mut body = vec![0; 4 + 1 + 4 + 2 + 4]; // correlation id, header tags, throttle, error, session
    body.push(2); // one topic
    body.extend([9; 16]);
    body.push(2); // one partition
    body.extend([0; 4 + 2 + 8 + 8 + 8]);
    body.push(0); // no aborted transactions: null
    body.extend([0xff; 4]); // preferred read replica
    body.push(6); // five bytes of records
    body.extend(b"RRRRR");
    body.extend([0, 0]); // tags of the partition, of the topic
    let tail = body.len();
    body.push(0);
    let mut walker = Walker::new(&program, body.len() as u32);
    let first = walker.advance(&body, &mut ()).unwrap();
    assert_eq!(first.state, State::Opaque(5));
    assert_eq!(&body[first.consumed..first.consumed + 5], b"RRRRR");
    let second = walker.advance(&body[first.consumed + 5..], &mut ()).unwrap();
    assert_eq!(second.state, State::Paused);
    assert_eq!(first.consumed + 5 + second.consumed, tail);
    assert_eq!(walker.left(), 1);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_walker_panic_or_run_on(key in 0i16..93, version in 0i16..19, body: Vec<u8>, piece in 1usize..16) {
        for direction in [Direction::Request, Direction::Response] {
            let Some(message) = message(key, direction) else { continue };
            if message.versions.contains(version) {
                // Pausing before the message's tagged fields makes the walker go through everything before them.
                let program = message.compile(version, &[], message.flexible.contains(version).then_some(""));
                let _ = walk(&program, &body, piece);
            }
        }
    }
}
