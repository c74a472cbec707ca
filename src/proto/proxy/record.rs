//! What the proxy writes into a request so that later ones find their way: Record-Route (RFC 3261 §16.6 step 4) and Path
//! (RFC 3327 §5.2), both with flow tokens (RFC 5626 §§5.1 to 5.3). And what comes of the answer: Flow-Timer (§5.4).

use std::borrow::Cow;

use super::by_link::ByLink;
use super::context::Context;
use super::routes::begins_dialog;
use super::target::Target;
use super::{Proxy, Source};
use crate::proto::NextHop;
use crate::proto::edge::{FlowTimer, Form, value};
use crate::proto::keepalive::Assign;
use crate::sip::{Edit, Message, Method, Name, Transport};

impl Proxy {
    /// Writes the way back into a request that leaves for `target`.
    pub(super) fn record_way(
        &self,
        edit: &mut Edit<'_>,
        request: &Message,
        context: &Context,
        target: &Target,
        by_link: Option<&ByLink>,
    ) {
        match target {
            Target::NextHop(registrar) if context.method == Method::Register => {
                self.write_path(edit, request, context.from, *registrar);
            }
            _ if begins_dialog(request) => self.write_record_route(edit, context, target, by_link),
            _ => {}
        }
    }

    fn write_path(&self, edit: &mut Edit<'_>, request: &Message, from: Source, registrar: NextHop) {
        // RFC 5626 §5.1: the URI of the first hop has the flow's token and `ob`. Departs from it in that a REGISTER without
        // reg-id gets a Path too: its UA is behind its NAT all the same.
        let at = self.settings.sent_by.of(registrar.transport);
        let path = self.settings.edge().value(
            Some(from),
            at,
            registrar.transport,
            Form::of_path(request, from.profile),
        );
        edit.push_path(&path);
        // Departs from RFC 3327 §5.2, which has a proxy refuse what does not support Path: the extension asks nothing of the
        // UA but to ignore a field, and registrars refuse a Path without it.
        if !request.has_tag(Name::Supported, "path") {
            edit.append(Name::Supported, b"path");
        }
    }

    /// RFC 5626 §§5.3.1, 5.3.2: with the token of each side's flow, so that the requests of the dialog arrive in both
    /// directions. Whether or not the UA asked for it with `ob`: behind a NAT there is no other way to it.
    fn write_record_route(
        &self,
        edit: &mut Edit<'_>,
        context: &Context,
        target: &Target,
        by_link: Option<&ByLink>,
    ) {
        let form = if context.onward.secure { Form::SecureRecordRoute } else { Form::RecordRoute };
        let edge = self.settings.edge();
        // What goes on to the registrar does not come from there: of a connection only the address tells, which UAs may share.
        let is_from_registrar = target.flow().is_some()
            && self.settings.registrars().any(|registrar| registrar.is_source(context.from));
        let from = Side {
            // The registrar takes requests at its own address, and not only over the connection that it happened to open.
            token: (!is_from_registrar).then(|| Cow::Owned(edge.token(context.from))),
            at: self.settings.sent_by.of(context.from.transport),
            transport: context.from.transport,
        };
        let transport = target.transport();
        let ours = self.settings.sent_by.of(transport);
        let to = match by_link {
            // The UA reaches the node that has its flow, and that node the others.
            Some(by_link) => Side {
                token: Some(Cow::Borrowed(by_link.token())),
                at: Some(by_link.peer().sent_by.of(transport)).filter(|at| !at.is_empty()).unwrap_or(ours),
                transport,
            },
            None => {
                Side { token: target.flow().map(|flow| Cow::Owned(edge.token(flow))), at: ours, transport }
            }
        };
        // RFC 3261 §16.6 step 4, RFC 5658 §5: a side without a flow needs a value of its own only where it is reached over
        // another transport. The callee's side stands on top, because it comes first for the callee.
        let is_needed = |side: &Side<'_>| side.token.is_some() || from.transport != to.transport;
        for side in [&from, &to].into_iter().filter(|side| is_needed(side)) {
            edit.push_record_route(&value(side.token.as_deref(), side.at, side.transport, form));
        }
    }

    /// What a response, a 2xx to a REGISTER that another registrar gave, does to the keep-alive of the UA's flow.
    pub(super) fn take_flow_timer(
        &self,
        context: &Context,
        response: &Message,
        edit: &mut Edit<'_>,
    ) -> Option<Assign> {
        let is_success = response.status().is_some_and(|status| (200..300).contains(&status));
        let request =
            context.request.as_ref().filter(|_| is_success && context.method == Method::Register)?;
        if !context.from.profile.has_flow_timer {
            return Some(Assign { flow_timer: None });
        }
        let ours = match context.from.transport {
            Transport::Udp => self.settings.flow_timer_udp,
            _ => self.settings.flow_timer,
        };
        match FlowTimer::of(request, response, ours) {
            FlowTimer::Untouched => None,
            FlowTimer::Theirs(flow_timer) => Some(Assign { flow_timer }),
            FlowTimer::Ours(flow_timer) => {
                edit.append(Name::FlowTimer, flow_timer.as_secs().to_string().as_bytes());
                Some(Assign { flow_timer: Some(flow_timer) })
            }
        }
    }
}

/// One side of a dialog.
struct Side<'t> {
    /// Of the flow to its UA; none where a next hop is.
    token: Option<Cow<'t, str>>,
    /// `host:port` at which the UA reaches the node that has its flow.
    at: &'t [u8],
    transport: Transport,
}
