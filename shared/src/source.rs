//! Where a request came from, as far as it is kept: enough for a user to recognise and for an operator to count by,
//! too little to find a person by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest user agent that is kept, in bytes.
pub const MAX_AGENT_BYTES: usize = 256;

/// Where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The network of the address, never the address: `203.0.113.0/24`, `2001:db8:1::/48`.
    pub network: Option<String>,
    /// The user agent, as the client calls itself: visible ASCII, cut to [`MAX_AGENT_BYTES`].
    pub agent: Option<String>,
}

impl Source {
    /// The source of a request from `address` by `agent`, as the gateway gives them. What is no address has no network.
    #[must_use]
    pub fn new(address: Option<&str>, agent: Option<&str>) -> Self {
        Self { network: address.and_then(network), agent: agent.and_then(shown) }
    }
}

/// The first 24 bits of an IPv4 address or 48 of an IPv6 one: what one site usually has to itself.
fn network(address: &str) -> Option<String> {
    match address.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => {
            let bits = u32::from(address) & 0xffff_ff00;
            Some(format!("{}/24", Ipv4Addr::from(bits)))
        }
        IpAddr::V6(address) => {
            let bits = u128::from(address) & (u128::MAX << 80);
            Some(format!("{}/48", Ipv6Addr::from(bits)))
        }
    }
}

fn shown(agent: &str) -> Option<String> {
    let visible = |c: &char| *c == ' ' || c.is_ascii_graphic();
    let text: String = agent.chars().filter(visible).take(MAX_AGENT_BYTES).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leaves_only_its_network() {
        for (address, expected) in [
            ("203.0.113.77", Some("203.0.113.0/24")),
            ("::ffff:203.0.113.77", Some("203.0.113.0/24")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1::/48")),
            ("203.0.113.77, 10.0.0.1", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(Source::new(Some(address), None).network.as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn a_user_agent_is_cut_and_can_hold_nothing_that_a_terminal_obeys() {
        let kept = |agent: &str| Source::new(None, Some(agent)).agent;
        assert_eq!(kept("curl/8.5\u{1b}[2J\n\u{202e}").as_deref(), Some("curl/8.5[2J"));
        assert_eq!(kept(&"x".repeat(9999)).map(|agent| agent.len()), Some(MAX_AGENT_BYTES));
        assert_eq!(kept(" \u{7}"), None);
    }
}
