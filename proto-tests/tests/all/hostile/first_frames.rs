//! H-001 to H-033: sizes, headers, tags and segments of the first frame.

use proto_tests::hostile::{Case, Ending::*, Expect, Reply, Step};
use proto_tests::wire::bytes::{
    cat, compact, framed, handshake, handshake_reply, hdr1, hdr2, i16s, i32s, string, uvarint,
};

use super::{Differ, exactly, listed, nothing, row, send, versions3};

pub fn cases() -> Vec<Case> {
    let refused = || nothing(Delayed);
    let unread = |id: &str, steps| row(id, steps, nothing(AtOnce));
    let held = |id: &str, steps| row(id, steps, nothing(Open)).but_front(nothing(Deadline));
    let mut all = vec![
        row("H-001 size -1", send(vec![0xff; 4]), refused()),
        row("H-002 size -2^31", send(vec![0x80, 0, 0, 0]), refused()),
        row("H-003 size 2^31-1", send(vec![0x7f, 0xff, 0xff, 0xff]), refused()),
        row("H-004 size 524289", send(vec![0, 8, 0, 1]), refused()),
        held("H-005 size 524288 then 4 bytes", send(vec![0, 8, 0, 0, 0, 18, 0, 0])),
        row("H-005b size 524288 in full", send(framed(&cat(&[&hdr1(18, 0), &vec![0; 524_288 - 11]]))), listed(1)),
        unread("H-006 empty frame", send(vec![0; 4])),
        held("H-007 three bytes of a size", send(vec![0, 0, 0])),
        held("H-008 silence", vec![]),
        held("H-009 a byte now and then", vec![Step::Drip(versions3(), 400)]),
        unread("H-010 one byte", send(framed(&[0]))),
        unread("H-011 key only", send(framed(&i16s(18)))),
        unread("H-012 no client id", send(framed(&cat(&[&i16s(18), &i16s(0), &i32s(1)])))),
        row("H-013 client id null", send(client_id_length(-1)), listed(1)),
        row("H-014 client id length -2", send(client_id_length(-2)), listed(1)),
        unread("H-015 client id longer than the frame", send(framed(&cat(&[&head(0), &i16s(32_767), b"abc"])))),
        row("H-016 client id of 32767", send(framed(&cat(&[&head(0), &string(&[b'x'; 32_767])]))), listed(1)),
        row("H-017 client id not UTF-8", send(framed(&cat(&[&head(0), &string(&[0xff, 0xfe])]))), listed(1)),
        row(
            "H-018 client id of terminal codes",
            send(framed(&cat(&[&head(0), &string("\r\n\x1b[2J\u{202e}".as_bytes())]))),
            listed(1),
        ),
        row("H-028 trailing bytes", send(framed(&cat(&[&hdr1(18, 0), &[7; 100 << 10]]))), listed(1)),
        row(
            "H-029 two frames in a segment",
            send(cat(&[&versions3(), &handshake(1, b"PLAIN")])),
            Expect {
                reply: Reply::Frames(vec![cat(&[&i32s(1), &i16s(0)]), handshake_reply(0)[4..].to_vec()]),
                end: Open,
            },
        ),
        row("H-030 byte by byte", vec![Step::Bytewise(versions3())], listed(1)),
        row(
            "H-031 frame then FIN",
            vec![Step::Send(versions3()), Step::Finish],
            Expect { reply: Reply::AtMost(1), end: Closed },
        ),
        row("H-032 RST inside a frame", vec![Step::Send(versions3()[..9].to_vec()), Step::Reset], nothing(Gone)),
        row(
            "H-033 urgent byte inside a frame",
            vec![Step::Send(versions3()[..9].to_vec()), Step::Urgent(b'!'), Step::Send(versions3()[9..].to_vec())],
            listed(1),
        )
        // A read that ends at the urgent mark looks like the end of what has come: doorkeeper may wait for more, then the
        // deadline ends it. The byte itself must not get into the frame.
        .but_front(Expect { reply: Reply::AtMost(1), end: Gone }),
    ];
    all.extend(tags());
    all
}

/// H-019 to H-027: the tagged fields of a flexible header.
fn tags() -> Vec<Case> {
    let unread = |id: &str, steps| row(id, steps, nothing(AtOnce));
    let body = cat(&[&compact(b"t"), &compact(b"1"), &[0]]);
    let tagged = |tags: &[u8]| send(framed(&cat(&[&hdr1(18, 3), tags, &body])));
    let cut = |tags: &[u8]| send(framed(&cat(&[&hdr1(18, 3), tags])));
    let bomb: Vec<u8> = cat(&[&uvarint(250_000), &[1, 0].repeat(250_000)]);
    vec![
        unread("H-019 tag count 2^31-1", cut(&[0xff, 0xff, 0xff, 0xff, 7])),
        row("H-020 tag count -1", tagged(&[0xff, 0xff, 0xff, 0xff, 0x0f]), listed(1)).but_front(nothing(Closed)),
        unread("H-021 tag count of 6 bytes", tagged(&[0xff, 0xff, 0xff, 0xff, 0xff, 1])),
        unread("H-022 tag size -1", tagged(&[1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        unread("H-023 tag size one too large", cut(&[1, 0, 4, 1, 2, 3])),
        row("H-024 250000 empty tags", tagged(&bomb), listed(1)).but_front(nothing(Closed)),
        row("H-025 tags double and descending", tagged(&[3, 5, 0, 5, 0, 2, 0]), listed(1)),
        unread("H-026 flexible API with header v1", cut(&[])),
        row(
            "H-027 classic API with header v2",
            send(framed(&cat(&[&hdr2(17, 1), &string(b"PLAIN")]))),
            exactly(handshake_reply(33), Delayed),
        ),
    ]
}

/// ApiVersions up to the client id.
fn head(version: i16) -> Vec<u8> {
    cat(&[&i16s(18), &i16s(version), &i32s(1)])
}

fn client_id_length(length: i16) -> Vec<u8> {
    framed(&cat(&[&head(0), &i16s(length)]))
}
