//! A follower that missed a great deal becomes level again, while writes go on.

mod bound;
mod config;
mod figures;
mod watch;
mod writers;

use std::error::Error;
use std::time::Duration;

use kv_core::{Command, Key};
use kv_replication::Limits;

use self::config::{Away, Config, SLOW_STOPPED};
use self::figures::{Figures, Return, Stage};
use self::watch::{Watch, pause};
use self::writers::Writers;
use crate::clock::now;
use crate::fill::{self, fill};
use crate::nodes::{FOLLOWERS, Nodes};
use crate::output::Report;

pub use self::config::Args;

/// Who goes away: the last of the followers.
const AWAY: usize = FOLLOWERS - 1;
/// How long it may take until this program gives up.
const PATIENCE: Duration = Duration::from_secs(180);

/// Measures and gives a table.
pub async fn run(config: Config) -> Result<Report, Box<dyn Error>> {
    let nodes = Nodes::start(&config.binary, config.quorum).await?;
    let watch = Watch::new(&nodes, AWAY)?;
    let mut run = Run { config: &config, nodes, watch, stages: Vec::new() };
    // Every key is there before anything is measured: stores of one size cost the same.
    run.fill(config.keys).await?;

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
    let growth_bytes_max =
        bound::growth_bytes_max(&limits, FOLLOWERS as u64, frame_bytes(config.value_bytes)?);
    let figures = Figures { stages: run.stages, back, growth_bytes_max };
    let problem = figures.problem(&limits).filter(|_| config.check);
    Ok(Report::new(figures.table(&config), problem))
}

struct Run<'a> {
    config: &'a Config,
    nodes: Nodes,
    watch: Watch,
    stages: Vec<Stage>,
}

impl Run<'_> {
    async fn writers(&self) -> Result<Writers, Box<dyn Error>> {
        Ok(Writers::start(&self.nodes.leader, self.config).await?)
    }

    async fn fill(&mut self, writes: u64) -> Result<(), Box<dyn Error>> {
        let Config { keys, value_bytes, .. } = *self.config;
        fill(self.nodes.leader.clone(), writes, keys, value_bytes).await?;
        Ok(())
    }

    /// The follower misses what it is to miss.
    async fn miss(&mut self) -> Result<(), Box<dyn Error>> {
        let Config { missed, keys, value_bytes, .. } = *self.config;
        match self.config.away {
            Away::Killed => self.nodes.kill(AWAY)?,
            Away::Stopped | Away::Slow => self.nodes.signal(AWAY, "STOP")?,
        }
        let filling = tokio::spawn(fill(self.nodes.leader.clone(), missed, keys, value_bytes));
        let mut stopped_since = now();
        while !filling.is_finished() {
            if self.config.away == Away::Slow && stopped_since.elapsed() >= SLOW_STOPPED {
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
        while start.elapsed() < self.config.stage_min {
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
        let held = match self.config.away {
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
