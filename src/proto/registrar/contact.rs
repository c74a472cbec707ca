//! The Contact values of a REGISTER: which bindings are meant, and what becomes of them. RFC 3261 §10.3, RFC 5626 §6.

use std::time::Duration;

use flowhold_cluster::binding::BindingKey;
use smallvec::SmallVec;

use crate::sip::{Address, Message, Name, Params, Uri};

use super::extensions::Extensions;
use super::reject::Reject;
use super::{Settings, expiry, instance_id};

/// What the Contact fields of a REGISTER say.
pub(super) enum Contacts<'a> {
    /// Nothing: a query.
    None,
    /// All bindings are to be removed.
    Star,
    /// Each value in turn.
    Each(SmallVec<[Contact<'a>; 1]>),
}

/// One Contact value.
pub(super) struct Contact<'a> {
    /// Which binding is meant.
    pub(super) key: BindingKey,
    /// Without brackets.
    pub(super) uri: &'a [u8],
    /// As they came but for `expires`.
    pub(super) params: Box<[u8]>,
    /// In thousandths.
    pub(super) q: u16,
    /// For how long; zero: the binding is to be removed.
    pub(super) expires: Duration,
}

impl Contact<'_> {
    /// Whether the binding is to be there afterwards.
    pub(super) fn is_put(&self) -> bool {
        !self.expires.is_zero()
    }

    /// Whether it is for one flow of a UA instance.
    pub(super) fn is_outbound(&self) -> bool {
        matches!(self.key, BindingKey::Instance { .. })
    }
}

/// Reads all Contact values.
pub(super) fn read_all<'a>(
    settings: &Settings,
    request: &'a Message,
    extensions: &Extensions,
) -> Result<Contacts<'a>, Reject> {
    if request.first(Name::Contact).is_none() {
        return Ok(Contacts::None);
    }
    // RFC 3261 §10.3 step 6: `*` stands alone and goes with `Expires: 0`.
    if request.values(Name::Contact).any(|value| value == b"*") {
        if request.values(Name::Contact).nth(1).is_some() {
            return Err(Reject::StarNotAlone);
        }
        return if expiry::is_zero(request) {
            Ok(Contacts::Star)
        } else {
            Err(Reject::StarWithoutZeroExpires)
        };
    }
    let expires = expiry::of_request(request);
    let mut contacts = SmallVec::new();
    for value in request.values(Name::Contact) {
        // As many as there may be, and as many others removed: who has more does not mean them.
        if contacts.len() >= 2 * settings.max_bindings {
            return Err(Reject::TooManyBindings);
        }
        contacts.push(read(settings, value, expires, extensions)?);
    }
    if contacts.is_empty() { Err(Reject::BadContact) } else { Ok(Contacts::Each(contacts)) }
}

fn read<'a>(
    settings: &Settings,
    value: &'a [u8],
    expires: Option<u32>,
    extensions: &Extensions,
) -> Result<Contact<'a>, Reject> {
    let address = Address::parse(value).map_err(|_| Reject::BadContact)?;
    let uri = Uri::parse(address.uri).map_err(|_| Reject::BadContact)?;
    let params = Known::of(&address.params);
    let key = match instance_key(&params, extensions)? {
        Some(key) => key,
        // RFC 3261 §10.3 step 7: without an instance-id and a reg-id that counts, the URI is compared.
        None => contact_key(&uri),
    };
    Ok(Contact {
        key,
        uri: address.uri,
        q: params.q.map_or(Ok(1000), thousandths)?,
        expires: expiry::granted(settings, params.expires, expires)?,
        params: params.stored.into(),
    })
}

/// RFC 5626 §6: the key when instance-id and reg-id are there and outbound can be applied.
fn instance_key(params: &Known<'_>, extensions: &Extensions) -> Result<Option<BindingKey>, Reject> {
    let Some(reg_id) = params.reg_id else { return Ok(None) };
    if !extensions.has_outbound_first_hop {
        // RFC 5626 §6: 439 if the UA counts on outbound, otherwise the reg-id is ignored.
        return if extensions.ua_knows_outbound { Err(Reject::FirstHopLacksOutbound) } else { Ok(None) };
    }
    // RFC 5626 §6: a reg-id without an instance-id is ignored.
    let Some(instance_id) = params.instance.and_then(instance_id::normal) else { return Ok(None) };
    let reg_id = number(reg_id).ok_or(Reject::BadRegId)?;
    Ok(Some(BindingKey::Instance { instance_id, reg_id }))
}

fn contact_key(uri: &Uri<'_>) -> BindingKey {
    let key = uri.comparison_key();
    BindingKey::contact(key.core, key.params)
}

/// RFC 5626 §11.1 grammar of reg-id: 1 to 2^31-1.
fn number(reg_id: &[u8]) -> Option<u32> {
    let number =
        std::str::from_utf8(reg_id).ok().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))?;
    number.parse().ok().filter(|number| (1..1 << 31).contains(number))
}

/// RFC 3261 §25.1 qvalue: 0 to 1 with at most three decimals.
fn thousandths(q: &[u8]) -> Result<u16, Reject> {
    let (whole, decimals) = match q {
        [whole] => (*whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (*whole, decimals),
        _ => return Err(Reject::BadQ),
    };
    if !matches!(whole, b'0' | b'1') || !decimals.iter().all(u8::is_ascii_digit) {
        return Err(Reject::BadQ);
    }
    let digits = decimals.iter().copied().chain(std::iter::repeat(b'0')).take(3);
    let q = std::iter::once(whole).chain(digits).fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    if q <= 1000 { Ok(q) } else { Err(Reject::BadQ) }
}

/// The parameters that mean something to a registrar, found in one pass. Of several with one name the first counts.
#[derive(Default)]
struct Known<'a> {
    expires: Option<&'a [u8]>,
    q: Option<&'a [u8]>,
    reg_id: Option<&'a [u8]>,
    instance: Option<&'a [u8]>,
    /// All but `expires`, each with its `;`.
    stored: Vec<u8>,
}

impl<'a> Known<'a> {
    fn of(params: &Params<'a>) -> Self {
        let mut known = Self { stored: Vec::with_capacity(params.as_bytes().len()), ..Self::default() };
        for (name, value) in params.iter() {
            // A parameter that has no value has a bad one.
            let read = value.unwrap_or_default();
            if name.eq_ignore_ascii_case(b"expires") {
                known.expires.get_or_insert(read);
                continue;
            }
            if name.eq_ignore_ascii_case(b"q") {
                known.q.get_or_insert(read);
            } else if name.eq_ignore_ascii_case(b"reg-id") {
                known.reg_id.get_or_insert(read);
            } else if name.eq_ignore_ascii_case(b"+sip.instance") {
                known.instance.get_or_insert(read);
            }
            known.stored.push(b';');
            known.stored.extend_from_slice(name);
            if let Some(value) = value {
                known.stored.push(b'=');
                known.stored.extend_from_slice(value);
            }
        }
        known
    }
}
