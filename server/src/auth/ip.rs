//! The `ip` scheme (`IPAuthenticationProvider`).

use std::net::IpAddr;

/// An address and how many of its first bits count.
struct Network {
    address: IpAddr,
    bits: u32,
}

fn parse(id: &str) -> Option<Network> {
    let (address, bits) = match id.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (id, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(width), |bits| {
        bits.parse().ok().filter(|bits| *bits <= width)
    })?;
    Some(Network { address, bits })
}

/// Is `id` well-formed in an ACL: `address` or `address/bits`?
pub(super) fn is_valid(id: &str) -> bool {
    parse(id).is_some()
}

/// Does the connection's address lie in the network that the ACL names?
pub(super) fn matches(connection: &str, acl: &str) -> bool {
    let (Ok(address), Some(network)) = (connection.parse::<IpAddr>(), parse(acl)) else {
        return false;
    };
    match (address, network.address) {
        (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
            let differing = ours.to_bits() ^ theirs.to_bits();
            differing.leading_zeros() >= network.bits
        }
        (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
            let differing = ours.to_bits() ^ theirs.to_bits();
            differing.leading_zeros() >= network.bits
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bits_decide() {
        assert!(matches("10.1.2.3", "10.1.0.0/16") && !matches("10.2.2.3", "10.1.0.0/16"));
        assert!(matches("10.1.2.3", "10.1.2.3") && !matches("10.1.2.4", "10.1.2.3"));
        assert!(matches("10.1.2.3", "0.0.0.0/0") && !matches("::1", "0.0.0.0/0"));
        assert!(matches("fe80::1", "fe80::/10") && !matches("fe00::1", "fe80::/10"));
    }

    #[test]
    fn bits_beyond_the_family_are_invalid() {
        assert!(is_valid("10.0.0.0/32") && is_valid("::1/128") && is_valid("127.0.0.1"));
        assert!(
            !is_valid("10.0.0.0/33")
                && !is_valid("::1/129")
                && !is_valid("host")
                && !is_valid("1.2.3.4/")
        );
    }
}
