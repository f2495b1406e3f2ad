//! Keys can be decoded again, and ranges contain what they promise.

use super::*;

#[test]
fn key_parts_cannot_overlap() {
    assert_ne!(digest(&["a", "bc"]), digest(&["ab", "c"]));
    assert_ne!(digest(&["a"]), digest(&["a", ""]));
}

#[test]
fn a_range_contains_exactly_its_prefix() {
    let range = under(b"a/");
    for (key, inside) in [
        (&b"a/"[..], true),
        (b"a/\xff\xff", true),
        (b"a0", false),
        (b"a", false),
    ] {
        assert_eq!(range.contains(&key.to_vec()), inside, "{key:?}");
    }
}

#[test]
fn a_range_contains_its_prefix_whatever_byte_it_ends_in() {
    let ends = [
        (&b"i/\xff"[..], &b"i0"[..]),
        (b"i/\xfe\xff\xff", b"i/\xff"),
        (b"\0\xff", b"\x01"),
    ];
    for (prefix, end) in ends {
        let range = under(prefix);
        assert_eq!(range, prefix.to_vec()..end.to_vec());
        assert!(
            range.contains(&[prefix, b"\xff\xff"].concat()),
            "{prefix:?}"
        );
        assert!(!range.contains(&end.to_vec()), "{prefix:?}");
    }
    for value in ["app-267", "software-222"] {
        let prefix = index("software_id", &digest(&[value]));
        assert_eq!(
            prefix.last(),
            Some(&u8::MAX),
            "'{value}' is one of the values that were not found"
        );
        assert!(
            under(&prefix).contains(&[&prefix[..], b"client"].concat()),
            "{value}"
        );
    }
}

#[test]
fn a_key_can_be_decoded() {
    for kind in ExpiringKind::ALL {
        assert_eq!(
            kind.of_record(&kind.record(b"k\0\xff")),
            Some(&b"k\0\xff"[..])
        );
        let entry = kind.expiry(Timestamp::from_unix(7), b"k\0\xff");
        assert_eq!(kind.of_expiry(&entry), Some(&b"k\0\xff"[..]));
        assert!(kind.ended(Timestamp::from_unix(7)).contains(&entry));
        assert!(!kind.ended(Timestamp::from_unix(6)).contains(&entry));
    }
}
