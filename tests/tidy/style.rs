//! How files look: what they start with, how long they are, how they cite, which words they use.

use crate::Complaint;
use crate::source::{Source, line_of};

/// One concept fits on a few screens.
const LONGEST: usize = 500;

/// Words that the standards do not use for what we mean, with those that they do.
const WORDS: &[(&str, &str)] =
    &[("heartbeat", "ping, keep-alive or lease"), ("heart-beat", "ping, keep-alive or lease")];

/// A module says first what it is for. A module's tests say it by the name of their file.
pub fn starts_with_what_it_is_for(source: &Source) -> Vec<Complaint> {
    if source.path.contains("/tests/") || source.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let first = source.text.lines().find(|line| !line.starts_with("#![") && !line.is_empty());
    if first.is_some_and(|line| line.starts_with("//!")) {
        return Vec::new();
    }
    vec![Complaint::new(source, 1, "starts without a //! line that says what it is for")]
}

/// A file of the program has one concept.
pub fn is_short(source: &Source) -> Vec<Complaint> {
    let lines = source.text.lines().count();
    if lines <= LONGEST || source.path.starts_with("tests/") {
        return Vec::new();
    }
    vec![Complaint::new(source, lines, format!("has {lines} lines, {LONGEST} is the most: take it apart"))]
}

/// What comes from outside is refused, not unwrapped.
pub fn no_unwrap(source: &Source) -> Vec<Complaint> {
    let places = source.library.match_indices(".unwrap()");
    places
        .map(|(place, _)| Complaint::new(source, line_of(&source.library, place), "unwrap outside of tests"))
        .collect()
}

/// A test that does not run proves nothing.
pub fn no_ignored_test(source: &Source) -> Vec<Complaint> {
    let places = source.code.match_indices("#[ignore");
    places.map(|(place, _)| Complaint::new(source, line_of(&source.code, place), "an ignored test")).collect()
}

/// The one form is `RFC 5626 §5.3.1`: no `section` in words, a space in front of the number, none behind the §.
pub fn rfc_citations(source: &Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (index, line) in source.comments.lines().enumerate() {
        let lower = line.to_ascii_lowercase();
        let mut refuse = |rule: &str| complaints.push(Complaint::new(source, index + 1, rule));
        if mentions_rfc(line) && ["section ", "sections ", "sec. "].iter().any(|word| numbers(&lower, word)) {
            refuse("a citation with `section`: the form is RFC 5626 §5.3.1");
        }
        if glued(line, "RFC").any(|c| c.is_ascii_digit() || c == '-') {
            refuse("a citation without a space: the form is RFC 5626 §5.3.1");
        }
        if glued(line, "§").any(char::is_whitespace) {
            refuse("a space behind §: the form is RFC 5626 §5.3.1");
        }
        if line.contains(", §") && numbered(line).any(|rest| rest.starts_with(", §")) {
            refuse("a comma in front of §: the form is RFC 5626 §5.3.1");
        }
    }
    complaints
}

/// The words of the standards and only these. It looks at the whole text, names in code included.
pub fn words(path: &str, text: &str) -> Vec<Complaint> {
    // These files say which words are meant.
    if path == "tests/tidy/style.rs" {
        return Vec::new();
    }
    let lower = text.to_ascii_lowercase();
    let found =
        WORDS.iter().flat_map(|(word, right)| lower.match_indices(word).map(move |found| (found, right)));
    found
        .map(|((place, word), right)| Complaint {
            path: path.to_owned(),
            line: line_of(&lower, place),
            rule: format!("the word {word}: the standards say {right}"),
        })
        .collect()
}

fn mentions_rfc(line: &str) -> bool {
    numbered(line).next().is_some() || glued(line, "RFC").any(|c| c.is_ascii_digit())
}

/// Whether a number stands behind `word`.
fn numbers(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(place, _)| line[place + word.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

/// What follows each `RFC nnnn`.
fn numbered(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("RFC ").filter_map(|(place, found)| {
        let rest = &line[place + found.len()..];
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        (after.len() < rest.len()).then_some(after)
    })
}

/// The character behind each `sign`.
fn glued<'a>(line: &'a str, sign: &'a str) -> impl Iterator<Item = char> + 'a {
    line.match_indices(sign).filter_map(|(place, found)| line[place + found.len()..].chars().next())
}

mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("src/sip/x.rs", text)
    }

    #[test]
    fn a_file_without_a_first_line_of_doc_is_refused() {
        assert_eq!(starts_with_what_it_is_for(&source("use a::b;\n")).len(), 1);
        assert_eq!(starts_with_what_it_is_for(&source("//! URIs.\n")).len(), 0);
        assert_eq!(starts_with_what_it_is_for(&Source::new("tests/x/main.rs", "use a::b;\n")).len(), 1);
        assert_eq!(starts_with_what_it_is_for(&Source::new("src/sip/tests/uri.rs", "use a::b;\n")).len(), 0);
        assert_eq!(starts_with_what_it_is_for(&source("#![no_main]\n\n//! URIs.\n")).len(), 0);
    }

    #[test]
    fn a_long_file_is_refused() {
        assert_eq!(is_short(&source(&"\n".repeat(LONGEST))).len(), 0);
        assert_eq!(is_short(&source(&"\n".repeat(LONGEST + 1))).len(), 1);
        assert_eq!(is_short(&Source::new("tests/torture.rs", &"\n".repeat(LONGEST + 1))).len(), 0);
    }

    #[test]
    fn unwrap_is_for_tests() {
        assert_eq!(no_unwrap(&source("fn f() {\n a().unwrap(); }"))[0].line, 2);
        for fine in [
            "fn f() { a().unwrap_or(0); }",
            "// a().unwrap()",
            "const A: &str = \".unwrap()\";",
            "#[cfg(test)]\nmod tests { fn f() { a().unwrap(); } }",
        ] {
            assert_eq!(no_unwrap(&source(fine)), [], "{fine}");
        }
    }

    #[test]
    fn an_ignored_test_is_refused() {
        assert_eq!(no_ignored_test(&source("#[test]\n#[ignore = \"slow\"]\nfn a() {}"))[0].line, 2);
        assert_eq!(no_ignored_test(&source("// #[ignore]")), []);
    }

    #[test]
    fn an_rfc_is_cited_in_one_form() {
        for wrong in [
            "// RFC 5626 section 5.3.1: a token",
            "/// See Section 4 of RFC 3261.",
            "// RFC 5626 Sec. 4",
            "// RFC5626 §5.3.1",
            "// RFC-5626",
            "// RFC 5626 § 5.3.1",
            "//! RFC 5626, §5.3.1",
        ] {
            assert_eq!(rfc_citations(&source(wrong)).len(), 1, "{wrong}");
        }
        for fine in [
            "// RFC 5626 §5.3.1: a token that fails authentication is answered 403.",
            "// `[node]` is a section of its own",
            "const A: &str = \"RFC 5626 section 5\";",
            "// RFC 3261 §16.3, §16.4",
            "// the section of a test's name is that of RFC 3261",
        ] {
            assert_eq!(rfc_citations(&source(fine)), [], "{fine}");
        }
    }

    #[test]
    fn words_that_are_not_the_standards_are_refused() {
        assert_eq!(words("src/a.rs", "x\nstruct HeartbeatTimer;")[0].line, 2);
        assert_eq!(words("README.md", "heart-beat").len(), 1);
        assert_eq!(words("README.md", "keep-alive by ping and pong"), []);
    }
}
