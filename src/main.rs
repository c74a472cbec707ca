//! The command line: `flowhold` or `flowhold node` runs a node, `flowhold check` looks at its configuration,
//! `flowhold bindings` at what a node that runs knows,
//! `flowhold token decode` at a flow token; `flowhold passwd` writes the users; `flowhold ua` is a user agent, `flowhold
//! demo` a demonstration.
//!
//! Exit status: 0 when all went well, 1 when what was asked for could not be done, 2 when what it was asked for is wrong
//! (the command line, the configuration, a listener that it names). `flowhold ua` says more.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use cli::ConfigurationFiles;

/// Runs a SIP registrar and edge proxy that holds the flows of clients behind NAT.
///
/// A client opens a connection to Flowhold, registers over it and keeps it alive with pings (SIP outbound, RFC 5626);
/// Flowhold delivers every request for that client over that connection.
///
/// Without a subcommand it runs a node. Without a configuration the node listens on 127.0.0.1:5060, UDP and TCP, and
/// takes registrations for any address-of-record of the domain `localhost`.
#[derive(Parser)]
#[command(name = "flowhold", version, args_conflicts_with_subcommands = true, max_term_width = 100, after_long_help = EXAMPLES)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    layers: ConfigurationFiles,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a node until SIGTERM or SIGINT.
    ///
    /// SIGTERM has it drain for as long as `node.drain` says: it sends its UAs elsewhere a few at a time and takes no new
    /// ones. SIGINT, or a second SIGTERM, ends it at once.
    ///
    /// When it is ready, it prints one line that names its listeners, each with the port that it got. The log goes to
    /// standard error: how much of it says `log.filter` in the configuration, or RUST_LOG, which wins.
    ///
    /// A fault in the configuration stops the start with exit status 2, and every fault is named.
    #[command(after_long_help = cli::node::EXAMPLES)]
    Node(ConfigurationFiles),
    /// Reads a configuration and reports every fault in it, without starting anything.
    ///
    /// Each fault is a line `FILE: KEY: REASON` on standard output, and the exit status is then 2. What is allowed and
    /// probably not meant is a line `FILE: KEY: warning: REASON`. A configuration that a node can start with ends in a
    /// line that sums it up, and exit status 0.
    #[command(after_long_help = cli::check::EXAMPLES)]
    Check(ConfigurationFiles),
    /// Shows where an address-of-record can be reached, as a node that runs knows it.
    ///
    /// It asks the node's HTTP listener (`admin.listen`), which answers for the whole cluster. Each binding is a block of
    /// lines `NAME: VALUE`: its Contact, the node that holds its flow, the flow and its peer as the log has them, how long
    /// it is good. Exit status 1: there is none, or the node cannot be asked.
    #[command(after_long_help = cli::bindings::EXAMPLES)]
    Bindings(cli::bindings::Bindings),
    /// Registers an address-of-record over several flows, shows what becomes of them, sends and answers messages.
    ///
    /// It follows the client's procedures of SIP outbound (RFC 5626): a flow for each proxy, each with a reg-id of its own
    /// and kept alive by pings; one that fails is formed anew after a time that grows with its failures, while the others
    /// stay in use. Every change is a line on standard output. It ends on SIGINT and SIGTERM, and removes its bindings.
    #[command(after_long_help = cli::ua::EXAMPLES)]
    Ua(Box<cli::ua::UserAgent>),
    /// Shows what this is about: a node and two UAs on this machine, for some ten seconds.
    ///
    /// It starts a node on free ports of the loopback interface, registers two UAs, lets them ping and send messages, cuts
    /// a connection, and shows that messages take the other one until the first is formed anew. It needs no
    /// configuration and no network, and leaves nothing behind. Exit status 1: something did not happen as it should.
    Demo,
    /// Adds a user or changes its password, or removes it, where nodes know their users from: a file, or Redis.
    ///
    /// It asks for the password, or takes a line from standard input if that is no terminal. What is stored is not the
    /// password but its hashes for digest authentication, for the algorithms of `auth.algorithms`; nodes that run see the
    /// change within a second. A file is replaced as a whole, with its comments, and is for its owner alone.
    #[command(after_long_help = cli::passwd::EXAMPLES)]
    Passwd(cli::passwd::Passwd),
    /// Looks at flow tokens.
    Token {
        #[command(subcommand)]
        command: Token,
    },
}

#[derive(Subcommand)]
enum Token {
    /// Prints what a flow token says, with the keys of the configuration.
    ///
    /// A flow token is the user part of a URI that Flowhold wrote into Path or Record-Route: it names a flow, so where a
    /// request that carries it goes. It is encrypted, and opens with `tokens.keys` of the node that made it. What it says
    /// comes one thing to a line, `NAME: VALUE`.
    ///
    /// A token that does not open is a line on standard error that says why, and exit status 1.
    #[command(after_long_help = cli::token::EXAMPLES)]
    Decode(cli::token::Decode),
}

const EXAMPLES: &str = "\
Examples:
  Try it out on this machine, with the defaults:
      flowhold
  Run it for a domain, with TCP on all addresses, for the users of ./users.toml:
      flowhold passwd alice@example.com
      FLOWHOLD__NODE__DOMAINS=example.com FLOWHOLD__LISTEN__TCP=0.0.0.0:5060 \\
        FLOWHOLD__AUTH__MODE=digest flowhold
  Find out what is wrong with a configuration:
      flowhold check --config /etc/flowhold.toml";

fn main() -> ExitCode {
    let line = CommandLine::parse();
    match line.command.unwrap_or(Command::Node(line.layers)) {
        Command::Node(layers) => cli::node::run(&layers),
        Command::Check(layers) => cli::check::run(&layers),
        Command::Bindings(options) => cli::bindings::run(&options),
        Command::Ua(options) => cli::ua::run(&options),
        Command::Demo => cli::demo::run(),
        Command::Passwd(options) => cli::passwd::run(&options),
        Command::Token { command: Token::Decode(decode) } => cli::token::decode(&decode),
    }
}
