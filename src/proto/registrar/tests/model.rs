//! Any sequence of REGISTERs: the 200 lists exactly the bindings of a naive model, in its order and with its times.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Step {
    wait: u64,
    call_id: u8,
    cseq: u32,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Query,
    Star,
    /// Of each: which of `CONTACTS`, and its `expires`.
    Contacts(Vec<(usize, Option<u64>)>),
}

/// A Contact value and the name of its binding: those with one name are the same.
const CONTACTS: [(&str, &str); 8] = [
    ("<sip:a@h>", "a"),
    ("<sip:%61@H>", "a"),
    ("<sip:b@h>;q=0.5", "b"),
    ("<sip:b@h:5060>", "b5060"),
    ("<sip:x@1>;+sip.instance=\"<urn:uuid:A>\";reg-id=1", "A1"),
    ("<sip:x@2>;reg-id=1;+sip.instance=\"<urn:uuid:a>\"", "A1"),
    ("<sip:x@1>;+sip.instance=\"<urn:uuid:A>\";reg-id=2", "A2"),
    ("<sip:x@1>;+sip.instance=\"<urn:uuid:B>\"", "x1"),
];

struct Bound {
    name: &'static str,
    uri: &'static str,
    call_id: u8,
    cseq: u32,
    until: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let expires =
        prop::option::of(prop_oneof![2 => Just(0), 1 => 1..60_u64, 6 => 60..600_u64, 1 => 3600..9000_u64]);
    let what = prop_oneof![
        1 => Just(What::Query),
        1 => Just(What::Star),
        8 => prop::collection::vec((0..CONTACTS.len(), expires), 1..4).prop_map(What::Contacts),
    ];
    (0..200_u64, 0..3_u8, 1..20_u32, what).prop_map(|(wait, call_id, cseq, what)| Step {
        wait,
        call_id,
        cseq,
        what,
    })
}

/// The status, and the bindings afterwards.
fn expected(bound: &mut Vec<Bound>, step: &Step, now: u64, max: usize) -> u16 {
    bound.retain(|binding| binding.until > now);
    let is_late = |binding: &Bound| binding.call_id == step.call_id && binding.cseq >= step.cseq;
    let contacts = match &step.what {
        What::Query => return 200,
        What::Star if bound.iter().any(is_late) => return 500,
        What::Star => {
            bound.clear();
            return 200;
        }
        What::Contacts(contacts) => contacts,
    };
    let seconds = |expires: Option<u64>| expires.unwrap_or(1800).min(7200);
    let puts: Vec<_> = contacts.iter().filter(|(_, expires)| *expires != Some(0)).collect();
    if contacts.iter().any(|(_, expires)| expires.is_some_and(|expires| (1..60).contains(&expires))) {
        return 423;
    }
    if puts.len() > 1 && puts.iter().any(|(n, _)| CONTACTS[*n].0.contains("reg-id")) {
        return 400;
    }
    if bound
        .iter()
        .any(|binding| is_late(binding) && contacts.iter().any(|(n, _)| CONTACTS[*n].1 == binding.name))
    {
        return 500;
    }
    let before = bound.len();
    let names: Vec<_> = contacts.iter().map(|(n, _)| CONTACTS[*n].1).collect();
    let mut after: Vec<Bound> = Vec::new();
    for (n, expires) in contacts {
        let (value, name) = CONTACTS[*n];
        after.retain(|binding| binding.name != name);
        if *expires != Some(0) {
            let uri = &value[1..value.find('>').unwrap()];
            let until = now + seconds(*expires);
            after.push(Bound { name, uri, call_id: step.call_id, cseq: step.cseq, until });
        }
    }
    let kept = bound.iter().filter(|binding| !names.contains(&binding.name)).count();
    if after.len() + kept > max && after.len() + kept > before {
        return 403;
    }
    after.extend(bound.drain(..).filter(|binding| !names.contains(&binding.name)));
    *bound = after;
    200
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_200_lists_exactly_the_bindings_that_a_naive_model_has(steps in prop::collection::vec(step(), 1..40)) {
        let mut registrar = Registrar::new();
        let mut bound = Vec::new();
        let mut now = 0;
        for step in steps {
            registrar.wait(step.wait);
            now += step.wait;
            let register = Register::new(step.cseq).call_id(&step.call_id.to_string());
            let register = match &step.what {
                What::Query => register,
                What::Star => register.contact("*").with("Expires", "0"),
                What::Contacts(contacts) => contacts.iter().fold(register, |register, (n, expires)| {
                    let expires = expires.map(|seconds| format!(";expires={seconds}")).unwrap_or_default();
                    register.contact(&format!("{}{expires}", CONTACTS[*n].0))
                }),
            };
            let answer = registrar.send(&register);
            let status = expected(&mut bound, &step, now, registrar.settings.max_bindings);
            prop_assert_eq!(answer.status(), status);
            let listed = if status == 200 { answer } else { registrar.send(&Register::new(1)) };
            let uris: Vec<_> = bound.iter().map(|binding| binding.uri.to_owned()).collect();
            prop_assert_eq!(listed.uris(), uris);
            let left: Vec<_> = bound.iter().map(|binding| binding.until - now).collect();
            prop_assert_eq!(listed.expires(), left);
        }
    }
}
