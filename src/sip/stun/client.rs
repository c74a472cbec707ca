//! The client's side of a STUN Binding: the request, and what its response says.

use super::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, ERROR_CODE, Octets, PORT_MASK, XOR_MAPPED_ADDRESS,
    attributes, header, is_known, mask, parse_header,
};
use std::net::{IpAddr, SocketAddr};

/// A Binding response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BindingResponse {
    /// The transaction id of the request that it answers.
    pub transaction: [u8; 12],
    /// Where the server saw the request come from, or the code of its error.
    pub outcome: Result<SocketAddr, u16>,
}

/// A Binding request.
pub fn binding_request(transaction: [u8; 12]) -> Octets {
    // RFC 5626 §8: a keep-alive needs no attributes.
    header(BINDING_REQUEST, &transaction)
}

/// Reads a Binding response. `None` for all that is none, or says nothing: a success without an address.
pub fn parse_response(datagram: &[u8]) -> Option<BindingResponse> {
    let (kind, transaction) = parse_header(datagram)?;
    let (mut mapped, mut code, mut unknown) = (None, None, false);
    for attribute in attributes(datagram) {
        match attribute? {
            (XOR_MAPPED_ADDRESS, value) => mapped = mapped.or(Some(mapped_address(value, &transaction)?)),
            (ERROR_CODE, value) => code = code.or(Some(error_code(value)?)),
            (kind, _) => unknown |= kind < 0x8000 && !is_known(kind),
        }
    }
    let outcome = match kind {
        // RFC 8489 §6.3.3: a success with attributes that have to be understood and are not has failed.
        BINDING_SUCCESS if unknown => Err(420),
        BINDING_SUCCESS => Ok(mapped?),
        BINDING_ERROR => Err(code?),
        _ => return None,
    };
    Some(BindingResponse { transaction, outcome })
}

fn mapped_address(value: &[u8], transaction: &[u8; 12]) -> Option<SocketAddr> {
    let [_, family, port @ ..] = value.first_chunk::<4>()?;
    let mut address = [0; 16];
    let octets = &value[4..];
    for ((plain, octet), mask) in address.iter_mut().zip(octets).zip(mask(transaction)) {
        *plain = octet ^ mask;
    }
    let ip = match (*family, octets.len()) {
        (1, 4) => IpAddr::from(*address.first_chunk::<4>()?),
        (2, 16) => IpAddr::from(address),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port) ^ PORT_MASK))
}

/// RFC 8489 §14.8: a class of three bits, and a number below 100.
fn error_code(value: &[u8]) -> Option<u16> {
    let [_, _, class, number] = value.first_chunk::<4>()?;
    Some(u16::from(class & 7) * 100 + u16::from(*number))
}
