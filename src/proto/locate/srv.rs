//! The order in which the servers of SRV records are tried. RFC 2782.

/// A server that an SRV record names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Lower ones first.
    pub priority: u16,
    /// Within one priority, how often it is the first.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its name.
    pub target: String,
}

/// The servers in the order in which to try them; `random` gives uniform numbers.
pub fn in_order(mut servers: Vec<Server>, mut random: impl FnMut() -> u32) -> Vec<Server> {
    // RFC 2782: a target of "." says that there is no such service.
    servers.retain(|server| !server.target.trim_end_matches('.').is_empty());
    // RFC 2782: within one priority those of weight 0 stand first, so that they have a small chance.
    servers.sort_by_key(|server| (server.priority, server.weight));
    let mut ordered = Vec::with_capacity(servers.len());
    while let Some(first) = servers.first() {
        let group = servers.iter().take_while(|server| server.priority == first.priority).count();
        let sum: u64 = servers[..group].iter().map(|server| u64::from(server.weight)).sum();
        // RFC 2782: a number from 0 to the sum, and the first server whose running sum reaches it.
        let chosen = u64::from(random()) % (sum + 1);
        let mut running = 0;
        let reached = servers[..group].iter().position(|server| {
            running += u64::from(server.weight);
            running >= chosen
        });
        ordered.push(servers.remove(reached.expect("the last one reaches the sum")));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(priority: u16, weight: u16, target: &str) -> Server {
        Server { priority, weight, port: 5060, target: target.to_owned() }
    }

    fn targets(servers: Vec<Server>, random: u32) -> Vec<String> {
        in_order(servers, || random).into_iter().map(|server| server.target).collect()
    }

    #[test]
    fn lower_priorities_are_first_whatever_their_weight() {
        let servers = || vec![server(20, 100, "c"), server(10, 0, "a"), server(15, 1, "b")];
        for random in 0..200 {
            assert_eq!(targets(servers(), random), ["a", "b", "c"]);
        }
    }

    #[test]
    fn within_one_priority_the_weight_decides_how_often_a_server_is_first() {
        let servers = || vec![server(0, 1, "one"), server(0, 2, "two"), server(0, 0, "zero")];
        let first = |random| targets(servers(), random).swap_remove(0);
        assert_eq!([0, 1, 2, 3].map(first), ["zero", "one", "two", "two"]);
        for random in 0..100 {
            assert_eq!(targets(servers(), random).len(), 3, "each is tried once");
        }
    }

    #[test]
    fn a_target_of_a_dot_is_no_server() {
        assert_eq!(targets(vec![server(0, 0, ".")], 0), [""; 0]);
    }
}
