//! A file taken apart, simply: what is code, what is comment, which paths the code names. No macro is expanded.

/// A Rust file. `code` and `comments` have the length and the lines of the file, with the rest blanked out.
pub struct Source {
    /// From the top of the project.
    pub path: String,
    pub text: String,
    /// Neither comments nor what stands in quotes.
    pub code: String,
    /// `code` without what is compiled for tests only.
    pub library: String,
    pub comments: String,
}

/// A path that the code names, `use` trees taken apart: `crate::sip::Message`, `tokio::spawn`.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    pub segments: Vec<String>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let (code, comments) = split(text);
        let in_tests = path.contains("tests/") || path.ends_with("/tests.rs");
        let library = if in_tests { blank(&code) } else { without_tests(&code) };
        Source { path: path.to_owned(), text: text.to_owned(), code, library, comments }
    }

    /// The paths that `code`, one of this file's views, names; those of our own crate all start with `crate`.
    pub fn paths(&self, code: &str) -> Vec<Named> {
        let tokens = tokens(code);
        let mut paths = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let (line, token) = tokens[at];
            // `use<'a>` is a bound and no import.
            if token == "use" && tokens.get(at + 1).is_some_and(|(_, next)| *next != "<") {
                at += 1;
                tree(&tokens, &mut at, &[], &mut paths);
            } else if is_word(token) {
                let mut segments = vec![token.to_owned()];
                at += 1;
                while let [(_, "::"), (_, next), ..] = tokens[at..]
                    && is_word(next)
                {
                    segments.push(next.to_owned());
                    at += 2;
                }
                paths.push(Named { line, segments });
            } else {
                at += 1;
            }
        }
        paths.into_iter().map(|named| Named { segments: self.absolute(named.segments), ..named }).collect()
    }

    /// `self::` and `super::` as the path from the crate's root that they stand for.
    fn absolute(&self, segments: Vec<String>) -> Vec<String> {
        let relative =
            segments.iter().take_while(|segment| *segment == "super" || *segment == "self").count();
        if relative == 0 || segments.len() == 1 {
            return segments;
        }
        let ups = segments.iter().take_while(|segment| *segment == "super" || *segment == "self");
        let ups = ups.filter(|segment| *segment == "super").count();
        let mut module = self.module();
        module.truncate(module.len().saturating_sub(ups));
        std::iter::once("crate".to_owned()).chain(module).chain(segments.into_iter().skip(relative)).collect()
    }

    /// `src/sip/uri/parse.rs` is `sip::uri::parse`.
    fn module(&self) -> Vec<String> {
        let inside = self.path.split_once("src/").map_or(self.path.as_str(), |(_, inside)| inside);
        let names = inside.trim_end_matches(".rs").split('/');
        names.filter(|name| !["mod", "lib", "main"].contains(name)).map(str::to_owned).collect()
    }
}

/// The line, counted from 1, of a place in a text.
pub fn line_of(text: &str, place: usize) -> usize {
    text[..place].matches('\n').count() + 1
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single signs, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let of_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            c if of_word(c) => rest.find(|c| !of_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if first == '\n' {
            line += 1;
        } else if !first.is_whitespace() {
            found.push((line, token));
        }
        rest = after;
    }
    found
}

/// A `use` tree from `at` on, under `prefix`; stops behind it.
fn tree(tokens: &[(usize, &str)], at: &mut usize, prefix: &[String], paths: &mut Vec<Named>) {
    let mut segments = prefix.to_vec();
    let mut line = 0;
    while let Some(&(here, token)) = tokens.get(*at) {
        match token {
            "{" => {
                *at += 1;
                while tokens.get(*at).is_some_and(|(_, token)| *token != "}" && *token != ";") {
                    tree(tokens, at, &segments, paths);
                    if tokens.get(*at).is_some_and(|(_, token)| *token == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "as" => *at += 1,
            "," | "}" | ";" => break,
            "::" => {}
            "*" => line = here,
            // `a::{self}` is `a`.
            "self" if !segments.is_empty() && segments == prefix => line = here,
            word => {
                line = here;
                segments.push(word.to_owned());
            }
        }
        *at += 1;
    }
    if line > 0 {
        paths.push(Named { line, segments });
    }
}

/// All of it blanked, lines kept.
fn blank(code: &str) -> String {
    code.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

/// Without the items under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut kept = code.to_owned();
    let mut from = 0;
    while let Some(start) = kept[from..].find("#[cfg(test)]").map(|found| from + found) {
        let mut depth = 0_usize;
        let end = kept[start..].char_indices().find_map(|(index, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            ((c == '}' || c == ';') && depth == 0).then_some(start + index + 1)
        });
        let end = end.unwrap_or(kept.len());
        let blanked = blank(&kept[start..end]);
        // A character of several octets becomes one blank: what follows moves, its lines do not.
        from = start + blanked.len();
        kept.replace_range(start..end, &blanked);
    }
    kept
}

/// Code and comments, each with the other, and what stands in quotes, blanked out.
fn split(text: &str) -> (String, String) {
    let (mut code, mut comments) = (String::new(), String::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, kind) = next_piece(rest).unwrap_or((first.len_utf8(), Kind::Code));
        let (piece, after) = rest.split_at(length);
        code.push_str(&if kind == Kind::Code { piece.to_owned() } else { blank(piece) });
        comments.push_str(&if kind == Kind::Comment { piece.to_owned() } else { blank(piece) });
        rest = after;
    }
    (code, comments)
}

#[derive(PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Quoted,
}

/// The comment, the quotation or the word that `rest` starts with, as its length.
fn next_piece(rest: &str) -> Option<(usize, Kind)> {
    if rest.starts_with("//") {
        return Some((rest.find('\n').unwrap_or(rest.len()), Kind::Comment));
    }
    if rest.starts_with("/*") {
        return Some((block_comment(rest), Kind::Comment));
    }
    let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    if ["r", "br", "cr"].contains(&&rest[..word]) {
        let hashes = rest[word..].bytes().take_while(|byte| *byte == b'#').count();
        let open = word + hashes;
        if rest[open..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let end =
                rest[open + 1..].find(&close).map_or(rest.len(), |found| open + 1 + found + close.len());
            return Some((end, Kind::Quoted));
        }
    }
    if word > 0 {
        // `b` and `c` in front of quotes are a word of their own, which does no harm.
        return Some((word, Kind::Code));
    }
    if rest.starts_with('"') {
        return Some((quoted(rest, '"'), Kind::Quoted));
    }
    // A character, and not a lifetime or a label, which have no closing quote behind the first character.
    let mut characters = rest.strip_prefix('\'')?.chars();
    let (first, second) = (characters.next()?, characters.next()?);
    (first == '\\' || second == '\'').then(|| (quoted(rest, '\''), Kind::Quoted))
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

mod tests {
    use super::*;

    fn named(path: &str, text: &str) -> Vec<String> {
        let source = Source::new(path, text);
        source.paths(&source.library).into_iter().map(|named| named.segments.join("::")).collect()
    }

    #[test]
    fn comments_and_quotations_are_no_code() {
        let text = "a /* b /* c */ d */ e // f\n\"g \\\" h\" i r#\"j \" k\"# 'l' '\\'' m<'n> b\"o\"";
        let source = Source::new("src/x.rs", text);
        assert_eq!(source.code.split_whitespace().collect::<Vec<_>>(), ["a", "e", "i", "m<'n>", "b"]);
        assert!(source.comments.contains("b /* c */ d") && source.comments.contains("// f"));
        assert_eq!(source.code.lines().count(), 2);
    }

    #[test]
    fn what_is_compiled_for_tests_is_no_library() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c(); } }\nfn d() {}\n#[cfg(test)]\nmod e;\nfn f() {}";
        let source = Source::new("src/x.rs", text);
        for (word, kept) in [("a", true), ("b", false), ("c", false), ("d", true), ("e", false), ("f", true)]
        {
            assert_eq!(source.library.contains(&format!(" {word}")), kept, "{word}");
        }
        assert_eq!(Source::new("src/x/tests.rs", "fn a() {}").library.trim(), "");
    }

    #[test]
    fn use_trees_are_taken_apart() {
        let text = "use a::{b, c::{d as e, *}, self};\npub use f::g;\nfn h() { i::j::<k>(); }";
        let paths = named("src/x.rs", text);
        for expected in ["a::b", "a::c::d", "a::c", "a", "f::g", "i::j"] {
            assert!(paths.iter().any(|path| path == expected), "{expected} is not among {paths:?}");
        }
    }

    #[test]
    fn relative_paths_are_told_from_the_root() {
        let paths =
            named("src/sip/uri/parse.rs", "use super::super::proto::X; use self::y::Z; use super::Uri;");
        for expected in ["crate::sip::proto::X", "crate::sip::uri::parse::y::Z", "crate::sip::uri::Uri"] {
            assert!(paths.iter().any(|path| path == expected), "{expected} is not among {paths:?}");
        }
        assert!(named("src/sip/mod.rs", "use super::actor::X;").contains(&"crate::actor::X".to_owned()));
    }

    #[test]
    fn a_path_has_the_line_that_it_stands_on() {
        let source = Source::new("src/x.rs", "\n\nuse a::{\n    b,\n    c,\n};\n");
        let lines: Vec<usize> = source.paths(&source.code).iter().map(|named| named.line).collect();
        assert_eq!(lines, [4, 5]);
    }
}
