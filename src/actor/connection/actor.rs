//! The connection as an actor: what it is told, and when it reads and writes.

use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Instant;

use actix::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;
use crate::actor::message::{Close, Deliver};
use crate::metrics::FlowClosed;

impl<S> Actor for Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Io);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.fail(FlowClosed::Shutdown);
        if self.role.link().is_none() {
            self.worker.node.metrics.connections.dec(self.source.transport);
        }
    }
}

impl<S> Handler<Deliver> for Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Result = ();

    fn handle(&mut self, deliver: Deliver, ctx: &mut Self::Context) {
        if let Some((_, assign)) = deliver.assign {
            self.standing.is_known = true;
            self.keepalive.assign(Instant::now(), assign, self.worker.node.ping_wait);
        }
        self.push(deliver.wire);
        // The context polls `Io` after the mailbox, which writes it.
        if self.is_congested() {
            ctx.wait(Drain);
        }
    }
}

impl<S> Handler<Close> for Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Result = ();

    fn handle(&mut self, Close(reason): Close, _: &mut Self::Context) {
        self.fail(reason);
    }
}

/// The connection's reading and writing, as the context's one future.
struct Io;

impl<S> ActorFuture<Connection<S>> for Io
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        connection: &mut Connection<S>,
        ctx: &mut Context<Connection<S>>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        let over = connection.poll(cx);
        if over.is_ready() {
            ctx.stop();
        }
        over
    }
}

/// The same, and nothing is taken from the mailbox meanwhile: until a congested link has written most of what it has.
struct Drain;

impl<S> ActorFuture<Connection<S>> for Drain
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        connection: &mut Connection<S>,
        ctx: &mut Context<Connection<S>>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        if connection.poll(cx).is_ready() {
            ctx.stop();
            return Poll::Ready(());
        }
        let mark = connection.worker.node.config.limits.link_write_queue / 2;
        if connection.closing.is_some() || connection.writer.queued() <= mark {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
