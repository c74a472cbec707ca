use super::{message, options_with, text, wire};
use crate::sip::{Edit, Message, Name, Wire};
use std::net::IpAddr;

/// A message, a change to it, and what must come of it.
fn check(before: &str, change: impl FnOnce(&mut Edit<'_>), after: &str) {
    let message = Message::parse(wire(before)).unwrap();
    let mut edit = Edit::new(&message);
    change(&mut edit);
    assert_eq!(text(&edit.finish().to_bytes()), text(&wire(after)));
}

const START: &str = "OPTIONS sip:b@example.com SIP/2.0\n";

fn ip(octets: &str) -> IpAddr {
    octets.parse().unwrap()
}

#[test]
fn s16_6_2_the_request_uri_is_replaced() {
    check(
        "OPTIONS sip:b SIP/2.0\nTo: x\n\n",
        |edit| _ = edit.request_uri(b"sip:c@d"),
        "OPTIONS sip:c@d SIP/2.0\nTo: x\n\n",
    );
}

#[test]
fn s16_6_8_a_via_is_put_above_the_others_and_leaves_them_as_they_are() {
    check(
        &format!("{START}To: x\nv :  SIP  / 2.0/UDP a,\n SIP/2.0/UDP b\nVia: SIP/2.0/UDP c\n\nbody"),
        |edit| _ = edit.push_via(b"SIP/2.0/TCP n"),
        &format!(
            "{START}To: x\nVia: SIP/2.0/TCP n\nv :  SIP  / 2.0/UDP a,\n SIP/2.0/UDP b\nVia: SIP/2.0/UDP c\n\nbody"
        ),
    );
}

#[test]
fn s16_7_3_the_topmost_via_value_is_removed_from_its_list() {
    let rest = "X: y\nVia: SIP/2.0/UDP c\n\n";
    check(
        &format!("SIP/2.0 200 OK\nv: SIP/2.0/UDP a;x=\"1,2\" ,\n SIP/2.0/UDP b\n{rest}"),
        |edit| _ = edit.pop_via(),
        &format!("SIP/2.0 200 OK\nv: SIP/2.0/UDP b\n{rest}"),
    );
}

#[test]
fn s16_7_3_the_line_goes_with_its_last_value() {
    let before = "SIP/2.0 200 OK\nVia: SIP/2.0/UDP a\n ;x\nX: y\nVia: SIP/2.0/UDP c\n\n";
    check(before, |edit| _ = edit.pop_via(), "SIP/2.0 200 OK\nX: y\nVia: SIP/2.0/UDP c\n\n");
    check(before, |edit| _ = edit.pop_via().pop_via(), "SIP/2.0 200 OK\nX: y\n\n");
    check(before, |edit| _ = edit.pop_via().pop_via().pop_via(), "SIP/2.0 200 OK\nX: y\n\n");
}

#[test]
fn s16_4_a_route_is_removed_once_for_each_call() {
    let before = format!("{START}Route: <sip:1;lr>,<sip:2;lr>,  <sip:3;lr>\nX: y\nRoute: <sip:4;lr>\n\n");
    check(
        &before,
        |edit| _ = edit.pop_route(),
        &format!("{START}Route: <sip:2;lr>,  <sip:3;lr>\nX: y\nRoute: <sip:4;lr>\n\n"),
    );
    check(
        &before,
        |edit| _ = edit.pop_route().pop_route(),
        &format!("{START}Route: <sip:3;lr>\nX: y\nRoute: <sip:4;lr>\n\n"),
    );
    check(
        &before,
        |edit| _ = edit.pop_route().pop_route().pop_route(),
        &format!("{START}X: y\nRoute: <sip:4;lr>\n\n"),
    );
    check(
        &before,
        |edit| _ = edit.push_route(b"<sip:0;lr>").pop_route(),
        &format!("{START}Route: <sip:0;lr>\nRoute: <sip:2;lr>,  <sip:3;lr>\nX: y\nRoute: <sip:4;lr>\n\n"),
    );
}

#[test]
fn s16_6_4_a_later_record_route_stands_above_an_earlier_one() {
    check(
        &format!("{START}Record-Route: <sip:old;lr>\n\n"),
        |edit| _ = edit.push_record_route(b"<sip:in;lr>").push_record_route(b"<sip:out;lr>"),
        &format!(
            "{START}Record-Route: <sip:out;lr>\nRecord-Route: <sip:in;lr>\nRecord-Route: <sip:old;lr>\n\n"
        ),
    );
}

#[test]
fn rfc3327_s5_2_a_path_is_put_above_the_others_or_behind_all_fields() {
    check(
        &format!("{START}X: y\n\n"),
        |edit| _ = edit.push_path(b"<sip:p;ob>"),
        &format!("{START}X: y\nPath: <sip:p;ob>\n\n"),
    );
    check(
        &format!("{START}Path: <sip:q>\nX: y\n\n"),
        |edit| _ = edit.push_path(b"<sip:p>"),
        &format!("{START}Path: <sip:p>\nPath: <sip:q>\nX: y\n\n"),
    );
}

#[test]
fn s16_6_3_max_forwards_is_set_or_added() {
    check(
        &format!("{START}Max-Forwards :  0070 \nX: y\n\n"),
        |edit| _ = edit.max_forwards(69),
        &format!("{START}Max-Forwards :  69 \nX: y\n\n"),
    );
    check(
        &format!("{START}X: y\n\n"),
        |edit| _ = edit.max_forwards(70),
        &format!("{START}X: y\nMax-Forwards: 70\n\n"),
    );
}

#[test]
fn a_removed_field_takes_its_folding_along_and_cannot_be_changed() {
    let before =
        format!("{START}X: y\nProxy-Authorization: Digest a,\n b\nTo: z\nproxy-authorization: c\n\n");
    check(&before, |edit| _ = edit.remove(Name::ProxyAuthorization), &format!("{START}X: y\nTo: z\n\n"));
    check(
        &before,
        |edit| _ = edit.set(Name::ProxyAuthorization, b"n").remove(Name::ProxyAuthorization),
        &format!("{START}X: y\nTo: z\n\n"),
    );
}

#[test]
fn appended_fields_stand_behind_all_others_in_order() {
    check(
        &format!("{START}X: y\n\nbody"),
        |edit| _ = edit.append(Name::Supported, b"path").append("X-New", b"z"),
        &format!("{START}X: y\nSupported: path\nX-New: z\n\nbody"),
    );
}

#[test]
fn s20_14_content_length_is_added_where_it_is_missing_only() {
    check(
        &format!("{START}X: y\n\nbody"),
        |edit| _ = edit.ensure_content_length(),
        &format!("{START}X: y\nContent-Length: 4\n\nbody"),
    );
    check(
        &format!("{START}l: 4\n\nbody"),
        |edit| _ = edit.ensure_content_length(),
        &format!("{START}l: 4\n\nbody"),
    );
}

#[test]
fn s18_2_1_received_is_added_where_sent_by_is_not_the_source() {
    let with = |via: &str| format!("{START}Via: SIP/2.0/UDP {via}\n\n");
    let note = |source: &'static str| move |edit: &mut Edit<'_>| _ = edit.note_source(ip(source), 9988);
    check(&with("192.0.2.1:5060;branch=x"), note("192.0.2.1"), &with("192.0.2.1:5060;branch=x"));
    check(&with("10.0.0.1;branch=x"), note("192.0.2.1"), &with("10.0.0.1;branch=x;received=192.0.2.1"));
    check(
        &with("host;branch=x , SIP/2.0/UDP b"),
        note("192.0.2.1"),
        &with("host;branch=x;received=192.0.2.1 , SIP/2.0/UDP b"),
    );
    check(&with("[2001:db8::1]"), note("2001:DB8::0:1"), &with("[2001:db8::1]"));
    check(&with("[2001:db8::1]"), note("2001:db8::2"), &with("[2001:db8::1];received=2001:db8::2"));
    // A socket for both families reports an IPv4 source as a mapped one.
    check(&with("192.0.2.1"), note("::ffff:192.0.2.1"), &with("192.0.2.1"));
}

#[test]
fn rfc3581_s4_rport_gets_the_port_and_received_is_added_even_when_equal() {
    let with = |via: &str| format!("{START}Via: SIP/2.0/UDP {via}\n\n");
    let note = |edit: &mut Edit<'_>| _ = edit.note_source(ip("192.0.2.1"), 9988);
    check(
        &with("192.0.2.1:9988;branch=x;rport"),
        note,
        &with("192.0.2.1:9988;branch=x;rport=9988;received=192.0.2.1"),
    );
    check(
        &with("10.1.1.1:4540;RPort ;branch=x"),
        note,
        &with("10.1.1.1:4540;RPort=9988 ;branch=x;received=192.0.2.1"),
    );
}

#[test]
fn a_false_received_or_rport_is_overwritten() {
    let with = |via: &str| format!("{START}Via: SIP/2.0/UDP {via}\n\n");
    let note = |edit: &mut Edit<'_>| _ = edit.note_source(ip("192.0.2.1"), 9988);
    check(&with("a;received=198.51.100.9;x"), note, &with("a;received=192.0.2.1;x"));
    check(&with("a;rport = 53 ;received"), note, &with("a;rport=9988 ;received=192.0.2.1"));
}

#[test]
fn a_via_that_cannot_be_read_is_left_alone() {
    let before = format!("{START}Via: ;;,;,,\n\n");
    check(&before, |edit| _ = edit.note_source(ip("192.0.2.1"), 1), &before);
}

#[test]
fn changes_compose() {
    check(
        &format!("{START}Via: SIP/2.0/UDP h;rport\nRoute: <sip:us;lr>\nMax-Forwards: 70\nTo: x\n\nbody"),
        |edit| {
            edit.note_source(ip("192.0.2.1"), 7).pop_route().max_forwards(69).request_uri(b"sip:n");
            edit.push_record_route(b"<sip:us;lr>").push_via(b"SIP/2.0/TCP us;branch=z9hG4bKn");
        },
        "OPTIONS sip:n SIP/2.0\nVia: SIP/2.0/TCP us;branch=z9hG4bKn\n\
         Via: SIP/2.0/UDP h;rport=7;received=192.0.2.1\nMax-Forwards: 69\nTo: x\nRecord-Route: <sip:us;lr>\n\nbody",
    );
}

#[test]
fn a_long_run_is_shared_and_a_short_message_is_one_piece() {
    let pieces = |wire: &Wire| wire.pieces().len();
    let short = options_with("");
    let mut edit = Edit::new(&short);
    edit.push_via(b"SIP/2.0/TCP n").max_forwards(69);
    assert_eq!(pieces(&edit.finish()), 1);

    let long = message(&format!("{START}Max-Forwards: 70\nTo: x\n\n{}", "body".repeat(1000)));
    let mut edit = Edit::new(&long);
    edit.max_forwards(69);
    let wire = edit.finish();
    assert_eq!(pieces(&wire), 2);
    let shared = &wire.pieces()[1];
    assert_eq!(shared.as_ptr_range().end, long.bytes().as_ptr_range().end);
    assert_eq!(wire.len(), wire.to_bytes().len());
}
