//! The wires between leaders and followers: delay, loss, duplicates, cuts in one direction or both.

use std::collections::BTreeSet;
use std::time::Duration;

use super::shape::{Dice, Shape};

/// Cut directions, by (leader, follower).
#[derive(Debug, Default)]
pub(super) struct Network {
    there: BTreeSet<(usize, usize)>,
    back: BTreeSet<(usize, usize)>,
    /// Address of a follower → the follower that it leads to, if not its own.
    pub(super) led_astray: Option<(usize, usize)>,
    pub(super) slow: bool,
}

impl Network {
    pub(super) fn cut(&mut self, wire: (usize, usize), there: bool, back: bool) {
        if there {
            self.there.insert(wire);
        }
        if back {
            self.back.insert(wire);
        }
    }

    pub(super) fn mend(&mut self, wire: (usize, usize)) {
        self.there.remove(&wire);
        self.back.remove(&wire);
    }

    pub(super) fn heal(&mut self) {
        *self = Self::default();
    }

    /// When a request arrives, once for each copy; an empty list is a lost one.
    pub(super) fn there(&self, wire: (usize, usize), shape: &Shape, dice: &mut Dice) -> Vec<Duration> {
        self.travel(self.there.contains(&wire), shape, dice)
    }

    pub(super) fn back(&self, wire: (usize, usize), shape: &Shape, dice: &mut Dice) -> Vec<Duration> {
        self.travel(self.back.contains(&wire), shape, dice).into_iter().take(1).collect()
    }

    /// The follower that the address leads to.
    pub(super) fn resolve(&self, address: usize) -> usize {
        match self.led_astray {
            Some((from, to)) if from == address => to,
            _ => address,
        }
    }

    fn travel(&self, cut: bool, shape: &Shape, dice: &mut Dice) -> Vec<Duration> {
        if cut || dice.chance(shape.lost) {
            return Vec::new();
        }
        let copies = if dice.chance(shape.doubled) { 2 } else { 1 };
        (0..copies).map(|_| self.delay(dice)).collect()
    }

    fn delay(&self, dice: &mut Dice) -> Duration {
        let longest = match (self.slow, dice.roll(200)) {
            (_, 0) => Duration::from_secs(3), // far beyond the time-out of an attempt
            (true, _) => Duration::from_millis(900),
            (false, _) => Duration::from_millis(12),
        };
        dice.between(Duration::from_micros(200), longest)
    }
}
