//! What a UA asks its owner to do, and what it has to tell.

use crate::proto::recovery;
use crate::sip::Wire;

/// What to do next.
#[derive(Clone, Debug)]
pub enum Action {
    /// Open a connection or a socket towards the proxy of this reg-id, and say [`super::Ua::connected`] or
    /// [`super::Ua::lost`].
    Connect {
        /// Which flow.
        reg_id: u32,
    },
    /// Send this: a message, or a ping.
    Send {
        /// Over which flow.
        reg_id: u32,
        /// The octets.
        wire: Wire,
    },
    /// Close what was opened, once all is written; it is not reported as lost.
    Close {
        /// Which flow.
        reg_id: u32,
    },
    /// Something that people and scripts may want to know.
    Tell(Event),
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A flow is being opened.
    Connecting {
        /// Which flow.
        reg_id: u32,
    },
    /// A flow is open, and a REGISTER goes over it.
    Connected {
        /// Which flow.
        reg_id: u32,
        /// Its ends.
        link: recovery::Link,
    },
    /// A ping goes over a flow.
    Ping {
        /// Which flow.
        reg_id: u32,
    },
    /// Something happened to a flow.
    Flow {
        /// Which flow.
        reg_id: u32,
        /// What.
        event: recovery::Event,
    },
    /// A MESSAGE arrived and was answered 200.
    Message {
        /// Over which flow.
        reg_id: u32,
        /// The URI in its From.
        from: String,
        /// Its body.
        text: String,
    },
    /// A MESSAGE goes out.
    Sending {
        /// Over which flow.
        reg_id: u32,
        /// To whom.
        to: String,
    },
    /// A MESSAGE that went out has come to its end.
    Sent {
        /// To whom.
        to: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// Something happened to a call.
    Call {
        /// Over which flow it came.
        reg_id: u32,
        /// The URI in its From.
        from: String,
        /// What.
        call: CallEvent,
    },
}

/// How a MESSAGE that went out has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was answered.
    Answered {
        /// Over this flow.
        reg_id: u32,
        /// With this status.
        status: u16,
        /// And this reason phrase.
        reason: String,
    },
    /// Nobody answered over any flow.
    NoAnswer,
}

/// What happened to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallEvent {
    /// It came in.
    Ringing,
    /// It was refused, because this UA takes none or not such a one.
    Refused {
        /// The status.
        status: u16,
    },
    /// It was answered.
    Answered,
    /// The caller knows that it was answered.
    Confirmed,
    /// The caller gave it up.
    Cancelled,
    /// The caller hung up.
    Ended,
    /// This UA hung up.
    HungUp,
    /// The caller never heard of the answer.
    Unconfirmed,
}
