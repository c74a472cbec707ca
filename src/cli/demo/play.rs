//! The demonstration itself, step by step.

use std::io::stdout;

use flowhold::proto::recovery;
use flowhold::proto::ua::{Event, Outcome};

use super::relay::Relay;
use super::stage::{DOMAIN, Node, Phone};
use crate::cli::say;

pub(super) async fn play() -> Result<(), String> {
    step(
        1,
        "A node starts: a registrar and proxy for the domain demo.example, on free ports of this machine.",
    );
    let node = Node::start().await?;
    detail(&node.ready);

    step(
        2,
        "Bob's phone opens two connections to it, each through something that could be a NAT, and registers",
    );
    more(
        "over both. Such a connection is a flow; by its number (reg-id) the node knows it again when it is renewed.",
    );
    let mut relays = Vec::new();
    for listener in &node.tcp {
        relays.push(Relay::before(*listener).await.map_err(|error| error.to_string())?);
    }
    let addresses: Vec<_> = relays.iter().map(|relay| relay.address).collect();
    let mut bob = Phone::start("bob", &addresses)?;
    bob.until("his registration over both flows", both(is_registered)).await?;

    step(
        3,
        "The node has told the phone to say something every 2 seconds (Flow-Timer). It sends a ping, the node",
    );
    more("answers with a pong, and so both know that the flow is alive and no NAT has forgotten it.");
    bob.until("a pong on both flows", both(is_pong)).await?;

    step(
        4,
        "Alice registers too, and sends bob a message. The node delivers it over a connection that bob opened.",
    );
    let mut alice = Phone::start("alice", &node.tcp[..1])?;
    alice.until("her registration", is_registered).await?;
    alice.send("bob", "Hello Bob!").await;
    let used = bob.until("the message", is_message).await?;
    alice.until("its answer", is_delivered).await?;

    step(
        5,
        &format!(
            "Now flow {used}, which the message came over, is cut: its NAT loses power, and is off for a while."
        ),
    );
    relays[position(used)].unplug();
    bob.until("the failure", |event| is_failed(event, used)).await?;

    step(6, "Alice sends another message, and does not notice anything: it takes bob's other flow.");
    alice.send("bob", "Are you still there?").await;
    let other = bob.until("the message", is_message).await?;
    alice.until("its answer", is_delivered).await?;
    if other == used {
        return Err(format!("the message came over flow {used}, which was cut"));
    }

    step(
        7,
        &format!(
            "Power is back. Bob's phone keeps trying, waits longer after each failure, and forms flow {used} anew:"
        ),
    );
    more("with the same reg-id, so that the node replaces what it knew of it.");
    relays[position(used)].plug_in();
    bob.until("the new flow", |event| is_registered(event).filter(|reg_id| *reg_id == used)).await?;

    step(8, "Both phones are switched off: they take their registrations back, and the node ends.");
    alice.end().await?;
    bob.end().await?;
    drop(node);
    say(&mut stdout(), "");
    say(&mut stdout(), &format!("Do it yourself: FLOWHOLD__NODE__DOMAINS={DOMAIN} flowhold"));
    say(
        &mut stdout(),
        &format!("           and: flowhold ua --aor sip:bob@{DOMAIN} --proxy 'sip:127.0.0.1;transport=tcp'"),
    );
    Ok(())
}

fn step(number: u32, text: &str) {
    say(&mut stdout(), &format!("\n {number}.  {text}"));
}

fn more(text: &str) {
    say(&mut stdout(), &format!("     {text}"));
}

fn detail(text: &str) {
    say(&mut stdout(), &format!("     {text}"));
}

/// Once it has happened to flow 1 and to flow 2.
fn both(is_it: impl Fn(&Event) -> Option<u32>) -> impl FnMut(&Event) -> Option<()> {
    let mut seen = [false; 2];
    move |event| {
        seen[position(is_it(event)?)] = true;
        seen.iter().all(|seen| *seen).then_some(())
    }
}

fn is_registered(event: &Event) -> Option<u32> {
    match event {
        Event::Flow { reg_id, event: recovery::Event::Registered { .. } } => Some(*reg_id),
        _ => None,
    }
}

fn is_pong(event: &Event) -> Option<u32> {
    match event {
        Event::Flow { reg_id, event: recovery::Event::Pong { .. } } => Some(*reg_id),
        _ => None,
    }
}

fn is_failed(event: &Event, flow: u32) -> Option<()> {
    let failed =
        matches!(event, Event::Flow { reg_id, event: recovery::Event::Failed { .. } } if *reg_id == flow);
    failed.then_some(())
}

fn is_message(event: &Event) -> Option<u32> {
    match event {
        Event::Message { reg_id, .. } => Some(*reg_id),
        _ => None,
    }
}

fn is_delivered(event: &Event) -> Option<()> {
    let answered = matches!(event, Event::Sent { outcome: Outcome::Answered { status: 200..300, .. }, .. });
    answered.then_some(())
}

/// Where what belongs to the flow of this reg-id stands.
fn position(reg_id: u32) -> usize {
    usize::try_from(reg_id).expect("a small number") - 1
}
