//! What a run has shown, as a table and as a verdict.

use std::time::Duration;

use kv_replication::Limits;

use super::config::{Away, Config, LEVEL_MAX};
use super::watch::Peak;
use crate::load::Outcome;

/// One part of a run, under the same writers as every other.
#[derive(Debug)]
pub struct Stage {
    pub name: &'static str,
    pub outcome: Outcome,
    /// From the end of the stage before it.
    pub peak: Peak,
}

/// How the follower came back. All times are from just before it was started or continued.
#[derive(Clone, Copy, Debug)]
pub struct Return {
    /// What it lacked when it came back.
    pub missed: u64,
    /// When a snapshot had arrived; none if none was seen on its way.
    pub installed: Option<Duration>,
    /// When it held all that was assigned when it came back.
    pub caught_up: Duration,
    /// When it held all that was committed at that very moment, and counted for the quorum.
    pub level: Duration,
}

/// All of it.
#[derive(Debug)]
pub struct Figures {
    pub stages: Vec<Stage>,
    pub back: Return,
    /// How much the leader may grow, by its limits.
    pub growth_bytes_max: u64,
}

impl Figures {
    pub fn table(&self, config: &Config) -> String {
        let mut text = format!(
            "{:<11}  {:>7}  {:>8}  {:>5}  {:>7}  {:>7}  {:>7}  {:>6}  {:>9}  {:>11}\n",
            "Stage",
            "Seconds",
            "Writes/s",
            "Ratio",
            "p50 ms",
            "p99 ms",
            "max ms",
            "Errors",
            "Leader MB",
            "Log entries"
        );
        let first = self.stages.first().map_or(f64::NAN, |stage| stage.outcome.throughput());
        for stage in &self.stages {
            text += &stage.row(first);
        }
        let Return { missed, installed, caught_up, level } = self.back;
        let how = match config.away {
            Away::Killed => "killed and started again empty",
            Away::Stopped => "stopped and continued",
            Away::Slow => "slowed down and let go",
        };
        let installed = installed.map_or(String::new(), |at| format!("snapshot {at:.2?}, "));
        text += &format!(
            "{how}, {missed} entries behind; {installed}all that was assigned then {caught_up:.2?}, level {level:.2?}\n"
        );
        let growth = self.growth_bytes().map_or("?".to_owned(), |bytes| format!("{:.0}", mb(bytes)));
        text + &format!(
            "the leader grew by {growth} MB, its limits allow {:.0}; W = {} of {}, {} keys, values of {} bytes\n",
            mb(self.growth_bytes_max),
            config.quorum.write(),
            config.quorum.followers(),
            config.keys,
            config.value_bytes,
        )
    }

    /// What is not as it should be.
    pub fn problem(&self, limits: &Limits) -> Option<String> {
        let mut problems = Vec::new();
        let level = self.back.level;
        if level >= LEVEL_MAX {
            problems.push(format!("level after {level:.1?}, not in {LEVEL_MAX:.0?}"));
        }
        match self.growth_bytes() {
            None => problems.push("this system does not tell how much memory a process has".to_owned()),
            Some(bytes) if bytes > self.growth_bytes_max => {
                problems.push(format!("the leader grew by {:.1} MB", mb(bytes)));
            }
            Some(_) => {}
        }
        let (entries, bytes) = (self.peak(|peak| peak.log_entries), self.peak(|peak| peak.log_bytes));
        if entries > limits.log_entries_hard_max as u64 || bytes > limits.log_bytes_hard_max as u64 {
            problems.push(format!("the log had {entries} entries and {bytes} bytes"));
        }
        let errors: u64 = self.stages.iter().map(|stage| stage.outcome.errors).sum();
        if errors > 0 {
            let first = self.stages.iter().find_map(|stage| stage.outcome.first_error.as_deref());
            problems.push(format!("{errors} writes failed, the first with: {}", first.unwrap_or_default()));
        }
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// From the first stage to the largest.
    fn growth_bytes(&self) -> Option<u64> {
        let first = self.stages.first()?.peak.resident_bytes?;
        let largest = self.stages.iter().filter_map(|stage| stage.peak.resident_bytes).max()?;
        Some(largest.saturating_sub(first))
    }

    fn peak(&self, figure: impl Fn(&Peak) -> u64) -> u64 {
        self.stages.iter().map(|stage| figure(&stage.peak)).max().unwrap_or(0)
    }
}

impl Stage {
    fn row(&self, first: f64) -> String {
        let Self { name, outcome, peak } = self;
        let (seconds, writes) = (outcome.elapsed.as_secs_f64(), outcome.throughput());
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| outcome.quantile_ms(share));
        let resident = peak.resident_bytes.map_or("?".to_owned(), |bytes| format!("{:.0}", mb(bytes)));
        let (ratio, errors, entries) = (writes / first, outcome.errors, peak.log_entries);
        format!(
            "{name:<11}  {seconds:>7.1}  {writes:>8.0}  {ratio:>5.2}  {p50:>7.2}  {p99:>7.2}  {max:>7.2}  {errors:>6}  {resident:>9}  {entries:>11}\n"
        )
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(resident_bytes: u64, log_entries: u64, errors: u64) -> Stage {
        let outcome = Outcome { errors, ..Outcome::none().unwrap() };
        let peak = Peak { resident_bytes: Some(resident_bytes), log_entries, log_bytes: 0 };
        Stage { name: "", outcome, peak }
    }

    fn judge(seconds: u64, stages: Vec<Stage>) -> Option<String> {
        let level = Duration::from_secs(seconds);
        let back = Return { missed: 1, installed: None, caught_up: level, level };
        Figures { stages, back, growth_bytes_max: 1_000_000 }.problem(&Limits::default())
    }

    #[test]
    fn every_limit_can_be_missed() {
        let hard = Limits::default().log_entries_hard_max as u64;
        let good = || vec![stage(5_000_000, 5, 0), stage(6_000_000, hard, 0), stage(900, 7, 0)];
        assert_eq!(judge(19, good()), None);
        assert_eq!(judge(20, good()).unwrap(), "level after 20.0s, not in 20s");
        let large = vec![stage(5_000_000, 5, 0), stage(6_100_000, 5, 0)];
        assert_eq!(judge(1, large).unwrap(), "the leader grew by 1.1 MB");
        assert_eq!(judge(1, vec![stage(1, hard + 1, 0)]).unwrap(), "the log had 1000001 entries and 0 bytes");
        let failed = judge(20, vec![stage(1, 5, 0), stage(1, 5, 3)]).unwrap();
        assert!(failed.contains("not in 20s; 3 writes failed"), "{failed}");
    }
}
