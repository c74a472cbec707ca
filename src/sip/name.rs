//! Names of header fields: the ones that Flowhold acts on, with their compact forms.

macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident $text:literal $(($compact:literal))?,)*) => {
        /// A header field's name, whatever its case and whether written in full or compact.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`" $(, ", compact `", $compact, "`")?)] $variant,)*
            /// Any other name; its octets are in the message.
            Other,
        }

        impl Name {
            /// The full form in its usual case; empty for [`Name::Other`].
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Name::$variant => $text,)*
                    Name::Other => "",
                }
            }
        }

        /// Every name but `Other`.
        #[cfg(test)]
        const ALL: &[(Name, &str, Option<&str>)] = &[$((Name::$variant, $text, names!(@compact $($compact)?)),)*];
    };
    (@compact $compact:literal) => { Some($compact) };
    (@compact) => { None };
}

names! {
    Accept "Accept",
    Allow "Allow",
    Authorization "Authorization",
    CallId "Call-ID" ("i"),
    Contact "Contact" ("m"),
    ContentEncoding "Content-Encoding" ("e"),
    ContentLength "Content-Length" ("l"),
    ContentType "Content-Type" ("c"),
    CSeq "CSeq",
    Date "Date",
    Event "Event" ("o"),
    Expires "Expires",
    FlowTimer "Flow-Timer",
    From "From" ("f"),
    MaxForwards "Max-Forwards",
    MinExpires "Min-Expires",
    Path "Path",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyAuthorization "Proxy-Authorization",
    ProxyRequire "Proxy-Require",
    RecordRoute "Record-Route",
    Require "Require",
    RetryAfter "Retry-After",
    Route "Route",
    Server "Server",
    ServiceRoute "Service-Route",
    Subject "Subject" ("s"),
    Supported "Supported" ("k"),
    Timestamp "Timestamp",
    To "To" ("t"),
    Unsupported "Unsupported",
    UserAgent "User-Agent",
    Via "Via" ("v"),
    WwwAuthenticate "WWW-Authenticate",
}

impl Name {
    /// The name that these octets are, without regard to case. RFC 3261 §7.3.1, §7.3.3.
    pub fn of(octets: &[u8]) -> Name {
        // Length first: at most a handful of candidates are left to compare.
        let candidates: &[Name] = match octets.len() {
            1 => return Name::of_compact(octets[0]),
            2 => &[Name::To],
            3 => &[Name::Via],
            4 => &[Name::From, Name::CSeq, Name::Path, Name::Date],
            5 => &[Name::Route, Name::Allow, Name::Event],
            6 => &[Name::Accept, Name::Server],
            7 => &[Name::CallId, Name::Contact, Name::Expires, Name::Require, Name::Subject],
            9 => &[Name::Supported, Name::Timestamp],
            10 => &[Name::UserAgent, Name::FlowTimer],
            11 => &[Name::MinExpires, Name::RetryAfter, Name::Unsupported],
            12 => &[Name::MaxForwards, Name::ContentType, Name::RecordRoute],
            13 => &[Name::Authorization, Name::ProxyRequire, Name::ServiceRoute],
            14 => &[Name::ContentLength],
            16 => &[Name::ContentEncoding, Name::WwwAuthenticate],
            18 => &[Name::ProxyAuthenticate],
            19 => &[Name::ProxyAuthorization],
            _ => &[],
        };
        candidates
            .iter()
            .copied()
            .find(|name| name.as_str().as_bytes().eq_ignore_ascii_case(octets))
            .unwrap_or(Name::Other)
    }

    const fn of_compact(letter: u8) -> Name {
        match letter | 0x20 {
            b'c' => Name::ContentType,
            b'e' => Name::ContentEncoding,
            b'f' => Name::From,
            b'i' => Name::CallId,
            b'k' => Name::Supported,
            b'l' => Name::ContentLength,
            b'm' => Name::Contact,
            b'o' => Name::Event,
            b's' => Name::Subject,
            b't' => Name::To,
            b'v' => Name::Via,
            _ => Name::Other,
        }
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s7_3_1_names_are_found_in_any_case() {
        for (name, text, _) in ALL {
            assert_eq!(Name::of(text.as_bytes()), *name, "{text}");
            assert_eq!(Name::of(text.to_uppercase().as_bytes()), *name, "{text}");
            assert_eq!(Name::of(text.to_lowercase().as_bytes()), *name, "{text}");
        }
    }

    #[test]
    fn s7_3_3_compact_forms_are_the_full_names() {
        for letter in 0..=u8::MAX {
            let text = [letter.to_ascii_lowercase()];
            let expected = ALL
                .iter()
                .find(|(_, _, compact)| compact.is_some_and(|compact| compact.as_bytes() == text))
                .map_or(Name::Other, |(name, ..)| *name);
            assert_eq!(Name::of(&[letter]), expected, "octet {letter}");
        }
    }

    #[test]
    fn names_of_nothing_we_know_are_other() {
        for text in ["", "Vi", "Viaa", "X-Via", "Call_ID", "Content-Lengths"] {
            assert_eq!(Name::of(text.as_bytes()), Name::Other, "{text}");
        }
    }
}
