//! Logins with the part of a core that Lambda gives to each memory size. As there, a function starts with a whole core
//! and has its part from the first event on.

use local::progress::Progress;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::cgroup::{FULL_MB, Share};
use crate::contestants::{Contestant, Places, Workload};
use crate::runtimes::{Amount, ms, start};
use crate::world::World;

/// Sizes in MB.
pub const SIZES: [u32; 5] = [128, 256, 512, 1024, FULL_MB];

/// Logins of one size, in ms.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sized {
    /// Whose.
    pub contestant: Contestant,
    /// In MB.
    pub memory_mb: u32,
    /// The first one of each process.
    pub first: Vec<f64>,
    /// The others.
    pub warm: Vec<f64>,
}

/// Measures all sizes in turn, start by start.
pub async fn measure(
    world: &World,
    places: &Places,
    contestants: &[Contestant],
    amount: Amount,
    progress: Progress,
) -> Result<Vec<Sized>, Error> {
    let share = Share::new()?;
    let pairs = contestants.iter().flat_map(|who| SIZES.iter().map(move |size| (*who, *size)));
    let sized = |(contestant, memory_mb)| Sized { contestant, memory_mb, first: Vec::new(), warm: Vec::new() };
    let mut all: Vec<_> = pairs.map(sized).collect();
    let step = progress.step("Measuring memory sizes");
    for round in 0..amount.starts {
        for sized in &mut all {
            let message = format!("{}, {} MB", sized.contestant.title(), sized.memory_mb);
            step.reached(u64::from(round), u64::from(amount.starts), &message);
            let (mut process, _) = start(world, places, sized.contestant, Workload::Login).await?;
            share.limit(sized.memory_mb)?;
            share.take(process.id())?;
            for invocation in 0..=amount.invocations.div_ceil(amount.starts) {
                let event = world.event(sized.contestant, Workload::Login).await?;
                let took = ms(process.invoke(event).await?);
                if invocation == 0 { sized.first.push(took) } else { sized.warm.push(took) }
            }
        }
    }
    step.done("Measured memory sizes");
    Ok(all)
}
