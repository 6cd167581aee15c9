//! The order in which ways are tried: by priority, and among equals by chance as their weights say (RFC 2782).

use super::{Way, resolve::Ranked};

/// `draw` gives a number up to and including the one it is given.
pub(super) fn order(ways: &[Ranked], mut draw: impl FnMut(u32) -> u32) -> Vec<Way> {
    let mut left: Vec<&Ranked> = ways.iter().collect();
    // Those without weight come first among equals, so that chance gives them their small part.
    left.sort_by_key(|ranked| (ranked.priority, ranked.weight));
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let priority = first.priority;
        let equals = left.partition_point(|ranked| ranked.priority == priority);
        let total = left.iter().take(equals).map(|r| u32::from(r.weight)).sum();
        let drawn = draw(total);
        let mut sum = 0;
        let picked = left.iter().take(equals).position(|ranked| {
            sum += u32::from(ranked.weight);
            sum >= drawn
        });
        let Ranked { way, second, .. } = left.remove(picked.unwrap_or(0));
        ordered.push(*way);
        ordered.extend(second);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(priority: u16, weight: u16, port: u16) -> Ranked {
        Ranked {
            priority,
            weight,
            way: Way {
                address: ([127, 0, 0, 1], port).into(),
                kind: None,
            },
            second: None,
        }
    }

    fn ports(ways: &[Ranked], draw: impl FnMut(u32) -> u32) -> Vec<u16> {
        let ordered = order(ways, draw);
        ordered.iter().map(|way| way.address.port()).collect()
    }

    #[test]
    fn a_lower_priority_comes_first_whatever_the_weights() {
        let ways = [ranked(20, 60_000, 3), ranked(10, 0, 1), ranked(15, 1, 2)];
        for drawn in [0, u32::MAX] {
            assert_eq!(ports(&ways, |most| drawn.min(most)), [1, 2, 3]);
        }
    }

    #[test]
    fn among_equals_chance_decides_as_the_weights_say() {
        let ways = [ranked(1, 30, 1), ranked(1, 10, 2), ranked(1, 0, 3)];
        let mut first = [0; 3];
        for number in 0..=40 {
            let mut draws = [number].into_iter();
            let order = ports(&ways, |most| draws.next().unwrap_or(0).min(most));
            assert_eq!(order.len(), 3);
            first[usize::from(order[0]) - 1] += 1;
        }
        assert_eq!(first, [30, 10, 1]);
        assert_eq!(ports(&[], |most| most), Vec::<u16>::new());
    }
}
