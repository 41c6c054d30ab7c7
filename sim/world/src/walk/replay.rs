//! Replays of recorded actions, and the search for a shorter run that ends the same way.

use crate::action::Action;
use crate::shape::Shape;
use crate::world::World;

/// Applies the actions one by one; those that are not possible where they stand are passed over.
/// Ends at a violation.
#[must_use]
pub fn replay(shape: &Shape, actions: &[Action]) -> World {
    let mut world = World::new(shape.clone());
    for action in actions {
        let _ = world.try_apply(action.clone());
        if world.violation().is_some() {
            break;
        }
    }
    world
}

/// Removes ever smaller runs of actions as long as the same invariant is still violated
/// (delta debugging: Zeller, Hildebrandt 2002). Gives up looking after `replays_max` replays.
#[must_use]
pub fn shrink(shape: &Shape, actions: &[Action], replays_max: u32) -> Vec<Action> {
    let invariant = replay(shape, actions).violation().map(|violation| violation.invariant);
    let mut best = actions.to_vec();
    if invariant.is_none() {
        return best;
    }
    let mut replays = 0;
    let mut size = best.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < best.len() && replays < replays_max {
            let mut candidate = best.clone();
            candidate.drain(start..(start + size).min(best.len()));
            replays += 1;
            let found = replay(shape, &candidate).violation().map(|v| v.invariant);
            if found == invariant {
                best = candidate;
            } else {
                start += size;
            }
        }
        size /= 2;
    }
    best
}
