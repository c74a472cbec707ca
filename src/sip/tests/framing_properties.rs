use super::framing::drain;
use super::strategies::{cuts, fragments, segments, whole};
use crate::sip::{Framer, Refusal};
use proptest::prelude::*;

const MAX: usize = 3000;

/// What a refusal says, for comparison.
fn told(refusal: Option<Refusal>) -> Option<(std::mem::Discriminant<Refusal>, Option<Vec<u8>>)> {
    refusal
        .map(|refusal| (std::mem::discriminant(&refusal), refusal.head().map(|head| head.bytes().to_vec())))
}

/// Pings, pongs (each before a message) and messages, as octets and as the words of [`drain`].
fn stream() -> impl Strategy<Value = (Vec<u8>, Vec<String>)> {
    let item = prop_oneof![
        2 => Just((b"\r\n\r\n".to_vec(), vec!["ping".to_owned()])),
        2 => whole().prop_map(|message| (message.to_vec(), vec![message.escape_ascii().to_string()])),
        1 => whole().prop_map(|message| {
            let octets = [b"\r\n", &message[..]].concat();
            (octets, vec!["pong".to_owned(), message.escape_ascii().to_string()])
        }),
    ];
    prop::collection::vec(item, 0..6).prop_map(|items| {
        let (octets, words): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        (octets.concat(), words.concat())
    })
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_its_frames((octets, expected) in stream(), cuts in cuts()) {
        let (frames, refusal) = drain(&mut Framer::new(MAX), segments(&octets, &cuts));
        prop_assert!(refusal.is_none());
        prop_assert_eq!(frames, expected);
    }

    #[test]
    fn octet_by_octet_gives_the_same_frames((octets, expected) in stream()) {
        let (frames, refusal) = drain(&mut Framer::new(MAX), octets.chunks(1));
        prop_assert!(refusal.is_none());
        prop_assert_eq!(frames, expected);
    }

    #[test]
    fn any_split_of_anything_gives_the_same_frames_and_refusal(
        octets in fragments(), cuts in cuts(), max in 1_usize..200,
    ) {
        let (whole, refusal) = drain(&mut Framer::new(max), [&octets[..]]);
        let (split, split_refusal) = drain(&mut Framer::new(max), segments(&octets, &cuts));
        prop_assert_eq!(whole, split);
        prop_assert_eq!(told(refusal), told(split_refusal));
    }

    #[test]
    fn no_frame_is_larger_than_the_limit(octets in fragments(), max in 1_usize..200) {
        let mut framer = Framer::new(max);
        let mut input = &octets[..];
        while let Ok(Some(frame)) = framer.next(&mut input) {
            if let crate::sip::Frame::Message(message) = frame {
                prop_assert!(message.bytes().len() <= max);
            }
        }
    }
}
