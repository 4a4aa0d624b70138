//! A follower that missed a great deal becomes level again, while writes go on.

mod bound;
mod figures;
mod watch;
mod writers;

use std::error::Error;
use std::time::Duration;

use kv_core::{Command, Key};
use kv_replication::Limits;

use self::figures::{Figures, Return, Stage};
use self::watch::{Watch, pause};
use self::writers::Writers;
use crate::Report;
use crate::args::CatchUp;
use crate::clock::now;
use crate::fill::{self, fill};
use crate::nodes::Nodes;

/// Who goes away: the last of the followers.
const AWAY: usize = 4;
const FOLLOWERS: usize = 5;
/// How long it may take until this program gives up.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long a slow follower stands still at a time: less than the time-out of one attempt.
const SLOW_STOPPED: Duration = Duration::from_millis(2_500);

/// What happens to the follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// It is killed, and started again without memory.
    Killed,
    /// It stands still, and goes on.
    Stopped,
    /// It stands still nearly all the time, and so never fails: the log has to wait for it.
    Slow,
}

/// Measures and gives a table.
pub async fn command(args: &CatchUp) -> Result<Report, Box<dyn Error>> {
    let nodes = Nodes::start(args.node.as_deref(), FOLLOWERS, args.quorum).await?;
    let watch = Watch::new(&nodes, AWAY)?;
    let mut run = Run { args, nodes, watch, stages: Vec::new() };
    // Every key is there before anything is measured: stores of one size cost the same.
    run.fill(args.keys).await?;

    let mut writers = run.writers().await?;
    run.measure("before", &mut writers).await?;
    writers.stop().await;
    run.miss().await?;
    let mut writers = run.writers().await?;
    run.measure("away", &mut writers).await?;
    let back = run.come_back().await?;
    run.take("catching up", &mut writers);
    run.measure("after", &mut writers).await?;
    writers.stop().await;

    let limits = Limits::default();
    let growth_bytes_max = bound::growth_bytes_max(&limits, FOLLOWERS as u64, frame_bytes(args.value_bytes)?);
    let figures = Figures { stages: run.stages, back, growth_bytes_max };
    let problem = figures.problem(&limits).filter(|_| args.check);
    Ok(Report { text: figures.table(args), problem, code: 1 })
}

struct Run<'a> {
    args: &'a CatchUp,
    nodes: Nodes,
    watch: Watch,
    stages: Vec<Stage>,
}

impl Run<'_> {
    async fn writers(&self) -> Result<Writers, Box<dyn Error>> {
        Ok(Writers::start(&self.nodes.leader, self.args).await?)
    }

    async fn fill(&mut self, writes: u64) -> Result<(), Box<dyn Error>> {
        let CatchUp { keys, value_bytes, .. } = *self.args;
        fill(self.nodes.leader.clone(), writes, keys, value_bytes).await?;
        Ok(())
    }

    /// The follower misses what it is to miss.
    async fn miss(&mut self) -> Result<(), Box<dyn Error>> {
        let CatchUp { missed, keys, value_bytes, .. } = *self.args;
        match self.args.away() {
            Away::Killed => self.nodes.kill(AWAY)?,
            Away::Stopped | Away::Slow => self.nodes.signal(AWAY, "STOP")?,
        }
        let filling = tokio::spawn(fill(self.nodes.leader.clone(), missed, keys, value_bytes));
        let mut stopped_since = now();
        while !filling.is_finished() {
            if self.args.away() == Away::Slow && stopped_since.elapsed() >= SLOW_STOPPED {
                self.nodes.signal(AWAY, "CONT")?;
                pause().await;
                self.nodes.signal(AWAY, "STOP")?;
                stopped_since = now();
            }
            self.watch.leader(&self.nodes).await?;
            pause().await;
        }
        Ok(filling.await??)
    }

    /// The writers at work for the length of a stage.
    async fn measure(&mut self, name: &'static str, writers: &mut Writers) -> Result<(), Box<dyn Error>> {
        writers.take(); // what came before is no part of it
        let start = now();
        while start.elapsed() < self.args.seconds {
            self.watch.leader(&self.nodes).await?;
            pause().await;
        }
        self.take(name, writers);
        Ok(())
    }

    fn take(&mut self, name: &'static str, writers: &mut Writers) {
        self.stages.push(Stage { name, outcome: writers.take(), peak: self.watch.take_peak() });
    }

    /// Brings the follower back, and watches it until it is level.
    async fn come_back(&mut self) -> Result<Return, Box<dyn Error>> {
        let leader = self.watch.leader(&self.nodes).await?;
        let assigned = leader.versions.assigned;
        let acked = leader.followers.get(AWAY).map_or(0, |link| link.watermark);
        let start = now();
        let held = match self.args.away() {
            Away::Killed => {
                self.nodes.start_again(AWAY).await?;
                0
            }
            Away::Stopped | Away::Slow => {
                self.nodes.signal(AWAY, "CONT")?;
                acked
            }
        };
        let (mut installing, mut installed, mut caught_up) = (false, None, None);
        while start.elapsed() < PATIENCE {
            let leader = self.watch.leader(&self.nodes).await?;
            // Asked after the leader: it can have all that was committed there by then.
            let follower = self.watch.follower().await;
            let link = leader.followers.get(AWAY);
            let state = link.map_or("", |link| &link.state);
            if installing && state == "streaming" {
                installed.get_or_insert_with(|| start.elapsed());
            }
            installing |= state == "installing";
            let watermark = follower.map_or(0, |follower| follower.versions.watermark);
            if watermark >= assigned {
                let caught_up = *caught_up.get_or_insert_with(|| start.elapsed());
                if watermark >= leader.versions.committed && link.is_some_and(|link| link.counts) {
                    let missed = assigned.saturating_sub(held);
                    return Ok(Return { missed, installed, caught_up, level: start.elapsed() });
                }
            }
            pause().await;
        }
        Err(format!("the follower is not level after {} s", PATIENCE.as_secs()).into())
    }
}

/// What one entry has in the log.
fn frame_bytes(value_bytes: usize) -> Result<u64, Box<dyn Error>> {
    let path = fill::path(0);
    let key = Key::parse(path.trim_start_matches("/kv/"))?;
    Ok(Command::put(key, &vec![b'v'; value_bytes])?.frame_bytes() as u64)
}
