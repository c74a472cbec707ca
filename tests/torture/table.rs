//! The expected outcome of each message. Sections are those of RFC 4475.
//!
//! An element that forwards judges less than a UA does: what it does not act on (a Date, a body, an offer, credentials,
//! option tags for the other end) passes. Such rows say so.

use super::{Outcome, Row, Stream};
use Outcome::{Accepted, Dropped, Refused};
use Stream::{BadContentLength, Garbage, NoContentLength, Unfinished, Whole};
use flowhold::sip::{
    Address, Fault, Message, Method, Name, Params, Scheme, Unintelligible, Uri, Via, response_target, unquote,
};

pub(super) const TABLE: &[Row] = &[
    // §3.1.1.1: well-formed for all its folding, white space and mixed forms.
    row("wsinv.dat", Accepted(wsinv), Whole),
    // §3.1.1.2: every octet that may stand somewhere, in unknown elements.
    row("intmeth.dat", Accepted(intmeth), Whole),
    // §3.1.1.3: escapes where they count.
    row("esc01.dat", Accepted(esc01), Whole),
    // §3.1.1.4: escaped nulls shorten nothing.
    row("escnull.dat", Accepted(escnull), Whole),
    // §3.1.1.5: a percent sign where it escapes nothing.
    row("esc02.dat", Accepted(esc02), Whole),
    // §3.1.1.6: no white space before the bracket is accepted by all.
    row("lwsdisp.dat", Accepted(lwsdisp), Whole),
    // §3.1.1.7: long values.
    row("longreq.dat", Accepted(longreq), Whole),
    // §3.1.1.8: a datagram's octets behind the body are no part of it. In a stream they are a pong and an INVITE
    // whose body is longer than it states, and what is left over is no message.
    row("dblreq.dat", Accepted(dblreq), Garbage),
    // §3.1.1.9: a parameter in the user part.
    row("semiuri.dat", Accepted(semiuri), Whole),
    // §3.1.1.10: transports that we do not know, below the topmost Via.
    row("transports.dat", Accepted(transports), Whole),
    // §3.1.1.11: a body with nulls.
    row("mpart01.dat", Accepted(mpart01), Whole),
    // §3.1.1.12: a reason phrase in UTF-8.
    row("unreason.dat", Accepted(unreason), Whole),
    // §3.1.1.13: an empty reason phrase.
    row("noreason.dat", Accepted(noreason), Whole),
    // §3.1.2.1: separators with nothing between them.
    row("badinv01.dat", Refused(Fault::Via), Whole),
    // §3.1.2.2: a body shorter than stated is 400 in a datagram and waited for in a stream.
    row("clerr.dat", Refused(Fault::Truncated), Unfinished),
    // §3.1.2.3: a negative length.
    row("ncl.dat", Refused(Fault::ContentLength), BadContentLength),
    // §3.1.2.4: 400 for the CSeq.
    row("scalar02.dat", Refused(Fault::CSeq), Whole),
    // §3.1.2.5: a response, so it is dropped.
    row("scalarlg.dat", Refused(Fault::CSeq), Whole),
    // §3.1.2.6: a quote that does not end.
    row("quotbal.dat", Refused(Fault::To), Whole),
    // §3.1.2.7: brackets around the Request-URI.
    row("ltgtruri.dat", Refused(Fault::RequestUri), Whole),
    // §3.1.2.8: white space within the Request-URI.
    row("lwsruri.dat", Refused(Fault::RequestUri), Whole),
    // §3.1.2.9: more than one space in the start line.
    row("lwsstart.dat", Refused(Fault::StartLine), Whole),
    // §3.1.2.10: spaces behind the version.
    row("trws.dat", Refused(Fault::StartLine), Whole),
    // §3.1.2.11: headers in the Request-URI must not be forwarded.
    row("escruri.dat", Refused(Fault::RequestUri), Whole),
    // §3.1.2.12: more lenient than a UA that needs the date: it is nothing to a proxy.
    row("baddate.dat", Accepted(baddate), Whole),
    // §3.1.2.13: more lenient than a registrar, which refuses the Contact when it reads it.
    row("regbadct.dat", Accepted(regbadct), Whole),
    // §3.1.2.14: spaces within the brackets.
    row("badaspec.dat", Refused(Fault::To), Whole),
    // §3.1.2.15: a comma in a display name without quotes; the archive's file also lacks its empty line.
    row("baddn.dat", Refused(Fault::UnfinishedHead), Unfinished),
    // §3.1.2.16: another version is 505.
    row("badvers.dat", Refused(Fault::Version), Whole),
    // §3.1.2.17: the method of CSeq is another.
    row("mismatch01.dat", Refused(Fault::CSeqMethod), Whole),
    // §3.1.2.18: the same with an unknown method is 501.
    row("mismatch02.dat", Refused(Fault::UnknownMethod), Whole),
    // §3.1.2.19: dropped.
    row("bigcode.dat", Dropped(Unintelligible::StatusCode), Garbage),
    // §3.2.1: a branch of the cookie alone; accepted, and matched as RFC 2543 would.
    row("badbranch.dat", Accepted(badbranch), Whole),
    // §3.3.1: mandatory fields are missing.
    row("insuf.dat", Refused(Fault::From), Whole),
    // §3.3.2: a scheme that nobody knows is 416.
    row("unkscm.dat", Refused(Fault::UnsupportedScheme), Whole),
    // §3.3.3: a scheme that exists, and that we never route by, is 416 as well.
    row("novelsc.dat", Refused(Fault::UnsupportedScheme), Whole),
    // §3.3.4: unknown schemes in fields are nothing to a proxy; a registrar refuses the AOR.
    row("unksm2.dat", Accepted(unksm2), Whole),
    // §3.3.5: well-formed; 420 is for the proxy's rules, which see the tags.
    row("bext01.dat", Accepted(bext01), Whole),
    // §3.3.6: a body of unknown type is nothing to a proxy.
    row("invut.dat", Accepted(invut), Whole),
    // §3.3.7: credentials of an unknown scheme are nothing to a proxy, and as good as none to a registrar.
    row("regaut01.dat", Accepted(regaut01), Whole),
    // §3.3.8: fields that are single stand there twice.
    row("multi01.dat", Refused(Fault::From), Whole),
    // §3.3.9: lengths that disagree.
    row("mcl01.dat", Refused(Fault::ContentLength), BadContentLength),
    // §3.3.10: well-formed; the second Via leads to everyone, and that is no target for a response.
    row("bcast.dat", Accepted(bcast), Whole),
    // §3.3.11: well-formed; 483 is for the proxy's rules.
    row("zeromf.dat", Accepted(zeromf), Whole),
    // §3.3.12: the parameter is the field's.
    row("cparam01.dat", Accepted(cparam01), Whole),
    // §3.3.13: the parameter is the URI's.
    row("cparam02.dat", Accepted(cparam02), Whole),
    // §3.3.14: the URI keeps its header.
    row("regescrt.dat", Accepted(regescrt), Whole),
    // §3.3.15: what the response may contain is for the UA.
    row("sdp01.dat", Accepted(sdp01), Whole),
    // §3.4.1: no branch, tag, Max-Forwards or Content-Length is the older RFC, but a stream needs the last.
    row("inv2543.dat", Accepted(inv2543), NoContentLength),
    // In the archive, not in the text: a request line without a version, and no Via to answer to.
    row("test.dat", Dropped(Unintelligible::StartLine), Garbage),
];

const fn row(file: &'static str, outcome: Outcome, stream: Stream) -> Row {
    Row { file, outcome, stream }
}

fn first(message: &Message, name: Name) -> &[u8] {
    message.first(name).unwrap()
}

fn address(message: &Message, name: Name) -> Address<'_> {
    Address::parse(message.values(name).next().unwrap()).unwrap()
}

fn uri(octets: &[u8]) -> Uri<'_> {
    Uri::parse(octets).unwrap()
}

fn wsinv(message: &Message) {
    assert_eq!(message.method(), Method::Invite);
    assert_eq!(message.request_uri(), b"sip:vivekg@chair-dnrc.example.com;unknownparam");
    let to = address(message, Name::To);
    assert_eq!((to.uri, to.tag()), (&b"sip:vivekg@chair-dnrc.example.com"[..], Some(&b"1918181833n"[..])));
    let from = address(message, Name::From);
    assert_eq!(&*unquote(from.display), br#"J Rosenberg \""#);
    assert_eq!(from.tag(), Some(&b"98asjd8"[..]));
    assert_eq!(message.max_forwards(), Ok(Some(68)));
    let cseq = message.cseq().unwrap();
    assert_eq!((cseq.number, cseq.method), (9, &b"INVITE"[..]));
    assert_eq!(first(message, Name::Subject), b"");
    let vias: Vec<_> = message.values(Name::Via).map(|value| Via::parse(value).unwrap()).collect();
    let hosts: Vec<_> = vias.iter().map(Via::host).collect();
    assert_eq!(hosts, [&b"192.0.2.2"[..], b"spindle.example.com", b"192.168.255.111"]);
    let branches: Vec<_> = vias.iter().filter_map(Via::branch).collect();
    assert_eq!(branches, [&b"390skdjuw"[..], b"z9hG4bK9ikj8", b"z9hG4bK30239"]);
    let route = address(message, Name::Route);
    assert!(uri(route.uri).params.has("lr"));
    let contact = address(message, Name::Contact);
    assert_eq!(&*unquote(contact.display), br#"Quoted string """#);
    assert_eq!(contact.params.value("newparam"), Some(&b"newvalue"[..]));
    assert_eq!(contact.params.get("secondparam"), Some(None));
    assert_eq!(contact.params.value("q"), Some(&b"0.33"[..]));
    let odd = message.headers().find(|(name, _)| name == b"UnknownHeaderWithUnusualValue").unwrap();
    assert_eq!(odd.1, b";;,,;;,;");
    assert_eq!(message.body().len(), 150);
}

fn intmeth(message: &Message) {
    assert_eq!(message.method(), Method::Other);
    assert_eq!(message.method_bytes(), b"!interesting-Method0123456789_*+`.%indeed'~");
    let target = uri(message.request_uri());
    assert_eq!(target.user, Some(&b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"[..]));
    assert_eq!(target.password, Some(&b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"[..]));
    assert_eq!(target.host, b"example.com");
    assert_eq!(message.top_via().unwrap().branch(), Some(&b"z9hG4bK-.!%66*_+`'~"[..]));
    assert_eq!(&*unquote(address(message, Name::To).display), b"BEL:\x07 NUL:\0 DEL:\x7F");
    let from = address(message, Name::From);
    assert_eq!(from.display, b"token1~` token2'+_ token3*%!.-");
    assert_eq!(from.tag(), Some(&b"_token~1'+`*%!-."[..]));
    assert_eq!(from.params.value("fromParam''~+*_!.-%"), Some("\"работающий\"".as_bytes()));
    assert_eq!(first(message, Name::CallId), br#"intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#);
    assert_eq!(message.max_forwards(), Ok(Some(255)));
}

fn esc01(message: &Message) {
    let target = uri(message.request_uri());
    assert_eq!((target.user, target.host), (Some(&b"sips%3Auser%40example.com"[..]), &b"example.net"[..]));
    assert_eq!(uri(address(message, Name::To).uri).canonical_aor().unwrap(), b"user@example.com");
    assert_eq!(uri(address(message, Name::From).uri).canonical_aor().unwrap(), b"I have spaces@example.net");
    let contact = uri(address(message, Name::Contact).uri);
    assert!(contact.equivalent(&uri(b"sip:caller@host5.example.net;lr;name=value%2541")));
    assert!(!contact.equivalent(&uri(b"sip:caller@host5.example.net;lr;name=valueA")));
}

fn escnull(message: &Message) {
    assert_eq!(uri(address(message, Name::To).uri).canonical_aor().unwrap(), b"null-\0-null@example.com");
    let contacts: Vec<_> =
        message.values(Name::Contact).map(|value| Address::parse(value).unwrap().uri).collect();
    assert_eq!(contacts.len(), 2);
    assert!(!uri(contacts[0]).equivalent(&uri(contacts[1])));
}

fn esc02(message: &Message) {
    assert_eq!(message.method(), Method::Other);
    assert_eq!(message.method_bytes(), b"RE%47IST%45R");
    assert_eq!(&*unquote(address(message, Name::From).display), b"%Z%45");
    assert_eq!(message.values(Name::Contact).count(), 2);
    assert_eq!(message.top_via().unwrap().branch(), Some(&b"z9hG4bK209%fzsnel234"[..]));
}

fn lwsdisp(message: &Message) {
    let from = address(message, Name::From);
    assert_eq!((from.display, from.uri), (&b"caller"[..], &b"sip:caller@example.com"[..]));
}

fn longreq(message: &Message) {
    assert_eq!(message.values(Name::Via).count(), 34);
    assert!(message.values(Name::Via).all(|value| Via::parse(value).is_ok()));
    assert_eq!(message.top_via().unwrap().host(), b"sip33.example.com");
    assert_eq!(uri(address(message, Name::To).uri).port, Some(6000));
    assert_eq!(address(message, Name::From).tag().unwrap().len(), 2 + 50 * 3 + 3);
    assert_eq!(message.body().len(), 150);
}

fn dblreq(message: &Message) {
    assert_eq!(message.method(), Method::Register);
    assert_eq!(message.body(), b"");
    assert!(message.bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
}

fn semiuri(message: &Message) {
    let target = uri(message.request_uri());
    assert_eq!(target.user, Some(&b"user;par=u%40example.net"[..]));
    assert_eq!(target.canonical_aor().unwrap(), b"user;par=u@example.net@example.com");
    assert_eq!(message.values(Name::Accept).count(), 6);
}

fn transports(message: &Message) {
    let vias = message.values(Name::Via).map(|value| Via::parse(value).unwrap().transport_bytes());
    assert_eq!(vias.collect::<Vec<_>>(), [&b"UDP"[..], b"SCTP", b"TLS", b"UNKNOWN", b"TCP"]);
}

fn mpart01(message: &Message) {
    assert_eq!(message.method(), Method::Message);
    assert_eq!(message.body().len(), 553);
    assert!(message.body().contains(&0));
    assert_eq!(message.top_via().unwrap().rport(), Some(None));
}

fn unreason(message: &Message) {
    assert_eq!(message.status(), Some(200));
    assert_eq!(message.reason(), "= 2**3 * 5**2 но сто девяносто девять - простое".as_bytes());
}

fn noreason(message: &Message) {
    assert_eq!((message.status(), message.reason()), (Some(100), &b""[..]));
}

fn baddate(message: &Message) {
    assert_eq!(first(message, Name::Date), b"Fri, 01 Jan 2010 16:00:00 EST");
}

fn regbadct(message: &Message) {
    assert_eq!(Address::parse(first(message, Name::Contact)).map(|_| ()), Err(Fault::Address));
}

fn badbranch(message: &Message) {
    let via = message.top_via().unwrap();
    assert_eq!((via.branch(), via.unique_branch()), (Some(&b"z9hG4bK"[..]), None));
}

fn unksm2(message: &Message) {
    assert_eq!(uri(address(message, Name::To).uri).canonical_aor(), Err(Fault::UnsupportedScheme));
    assert_eq!(uri(address(message, Name::From).uri).scheme, Scheme::Other);
    assert_eq!(address(message, Name::Contact).uri, b"name:John_Smith");
}

fn bext01(message: &Message) {
    assert!(message.has_tag(Name::Require, "nothingSupportsThisEither"));
    assert!(message.has_tag(Name::ProxyRequire, "noProxiesSupportThis"));
    assert_eq!(message.values(Name::ProxyRequire).count(), 2);
}

fn invut(message: &Message) {
    assert_eq!(first(message, Name::ContentType), b"application/unknownformat");
    assert_eq!(message.body().len(), 40);
}

fn regaut01(message: &Message) {
    assert_eq!(first(message, Name::Authorization), b"NoOneKnowsThisScheme opaque-data=here");
}

fn bcast(message: &Message) {
    let second = message.values(Name::Via).nth(1).unwrap();
    assert_eq!(response_target(&Via::parse(second).unwrap()), None);
}

fn zeromf(message: &Message) {
    assert_eq!(message.max_forwards(), Ok(Some(0)));
}

fn cparam01(message: &Message) {
    let contact = address(message, Name::Contact);
    assert_eq!(contact.uri, b"sip:+19725552222@gw1.example.net");
    assert_eq!(contact.params.get("unknownparam"), Some(None));
}

fn cparam02(message: &Message) {
    let contact = address(message, Name::Contact);
    assert_eq!(contact.params, Params::default());
    assert_eq!(uri(contact.uri).params.get("unknownparam"), Some(None));
}

fn regescrt(message: &Message) {
    let contact = uri(address(message, Name::Contact).uri);
    assert_eq!(contact.headers().collect::<Vec<_>>(), [(&b"Route"[..], &b"%3Csip:sip.example.com%3E"[..])]);
}

fn sdp01(message: &Message) {
    assert_eq!(first(message, Name::Accept), b"text/nobodyKnowsThis");
}

fn inv2543(message: &Message) {
    assert_eq!(message.top_via().unwrap().branch(), None);
    assert_eq!(address(message, Name::From).tag(), None);
    assert_eq!(address(message, Name::To).params.value("user"), Some(&b"phone"[..]));
    assert_eq!(message.max_forwards(), Ok(None));
    assert_eq!(message.body().len(), 105);
}
