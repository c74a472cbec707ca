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
    AuthenticationInfo "Authentication-Info",
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
    MaxBreadth "Max-Breadth",
    MaxForwards "Max-Forwards",
    MinExpires "Min-Expires",
    PAssertedIdentity "P-Asserted-Identity",
    Path "Path",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyAuthenticationInfo "Proxy-Authentication-Info",
    ProxyAuthorization "Proxy-Authorization",
    ProxyRequire "Proxy-Require",
    RecordRoute "Record-Route",
    RemotePartyId "Remote-Party-ID",
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
        // Length and first letter leave one candidate to compare.
        let Some(initial) = octets.first().map(u8::to_ascii_lowercase) else { return Name::Other };
        let candidate = match (octets.len(), initial) {
            (1, letter) => return Name::of_compact(letter),
            (2, b't') => Name::To,
            (3, b'v') => Name::Via,
            (4, b'c') => Name::CSeq,
            (4, b'd') => Name::Date,
            (4, b'f') => Name::From,
            (4, b'p') => Name::Path,
            (5, b'a') => Name::Allow,
            (5, b'e') => Name::Event,
            (5, b'r') => Name::Route,
            (6, b'a') => Name::Accept,
            (6, b's') => Name::Server,
            (7, b'c') if octets[4] == b'-' => Name::CallId,
            (7, b'c') => Name::Contact,
            (7, b'e') => Name::Expires,
            (7, b'r') => Name::Require,
            (7, b's') => Name::Subject,
            (9, b's') => Name::Supported,
            (9, b't') => Name::Timestamp,
            (10, b'f') => Name::FlowTimer,
            (10, b'u') => Name::UserAgent,
            (11, b'm') if octets[1].eq_ignore_ascii_case(&b'a') => Name::MaxBreadth,
            (11, b'm') => Name::MinExpires,
            (11, b'r') => Name::RetryAfter,
            (11, b'u') => Name::Unsupported,
            (12, b'c') => Name::ContentType,
            (12, b'm') => Name::MaxForwards,
            (12, b'r') => Name::RecordRoute,
            (13, b'a') => Name::Authorization,
            (13, b'p') => Name::ProxyRequire,
            (13, b's') => Name::ServiceRoute,
            (14, b'c') => Name::ContentLength,
            (15, b'r') => Name::RemotePartyId,
            (16, b'c') => Name::ContentEncoding,
            (16, b'w') => Name::WwwAuthenticate,
            (18, b'p') => Name::ProxyAuthenticate,
            (19, b'a') => Name::AuthenticationInfo,
            (19, b'p') if octets[1] == b'-' => Name::PAssertedIdentity,
            (19, b'p') => Name::ProxyAuthorization,
            (25, b'p') => Name::ProxyAuthenticationInfo,
            _ => return Name::Other,
        };
        if candidate.as_str().as_bytes().eq_ignore_ascii_case(octets) { candidate } else { Name::Other }
    }

    /// Of a letter in lower case.
    const fn of_compact(letter: u8) -> Name {
        match letter {
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
