//! From flags to an experiment that can be made.

use kv_http::Address;
use kv_replication::Quorum;

use super::args::Args;
use super::config::{
    BadExperiment, Config, FOLLOWERS, MAX_DELAY_MS, MIN_DELAY_MS, Running, Sweep, Target, Work, uniform_ms,
};
use super::judge::{IN_CONTAINERS, IN_PROCESS, Promised};
use crate::bounds::{CONNECTIONS_MAX, WRITES_MAX};
use crate::containers;

impl Args {
    /// # Errors
    /// [`BadExperiment`] for the first flag that cannot be meant.
    pub fn config(mut self) -> Result<Config, BadExperiment> {
        if self.writes == 0 || self.workers == 0 || self.keys == 0 {
            return Err(BadExperiment::Zero);
        }
        let sizes = [
            ("--writes", self.writes, WRITES_MAX),
            ("--workers", self.workers, CONNECTIONS_MAX),
            ("--keys", self.keys, WRITES_MAX),
        ];
        if let Some((flag, _, max)) = sizes.into_iter().find(|(_, size, max)| size > max) {
            return Err(BadExperiment::TooMuch { flag, max });
        }
        if self.followers == Some(0) {
            return Err(BadExperiment::NoFollowers);
        }
        let work = Work { writes: self.writes, workers: self.workers, keys: self.keys, seed: self.seed };
        let out = std::mem::take(&mut self.out);
        let target = match (self.url.take(), self.compose.take()) {
            (Some(leader), _) => Target::Running(self.running(leader)?),
            (None, None) => Target::InProcess(self.sweep(self.followers.unwrap_or(FOLLOWERS), &IN_PROCESS)?),
            (None, Some(file)) => Target::Compose(file, self.sweep(containers::FOLLOWERS, &IN_CONTAINERS)?),
        };
        Ok(Config { work, target, out })
    }

    fn sweep(&self, followers: usize, promised: &'static Promised) -> Result<Sweep, BadExperiment> {
        let (min, max) =
            (self.min_delay_ms.unwrap_or(MIN_DELAY_MS), self.max_delay_ms.unwrap_or(MAX_DELAY_MS));
        let delays = uniform_ms(self.seed, min, max)?;
        let wanted = if self.quorums.is_empty() { (1..=followers).collect() } else { self.quorums.clone() };
        let quorums: Vec<Quorum> =
            wanted.into_iter().map(|write| Quorum::new(followers, write)).collect::<Result<_, _>>()?;
        if quorums.iter().any(|quorum| quorum.write() == 0) {
            return Err(BadExperiment::ZeroQuorum);
        }
        Ok(Sweep { followers, quorums, delays, promised: self.check.then_some(promised) })
    }

    fn running(self, leader: Address) -> Result<Running, BadExperiment> {
        let write_quorum = self.quorum.ok_or(BadExperiment::NoLabel)?;
        if !self.quorums.is_empty() {
            return Err(BadExperiment::Quorums);
        }
        let named = self.follower_urls.len();
        let follower_count = match self.followers {
            Some(said) if named > 0 && said != named => return Err(BadExperiment::Followers { said, named }),
            Some(said) => Some(said),
            None => (named > 0).then_some(named),
        };
        if let Some(followers) = follower_count {
            Quorum::new(followers, write_quorum)?;
        }
        let delays = match (self.min_delay_ms, self.max_delay_ms) {
            (min, Some(max)) => Some(uniform_ms(self.seed, min.unwrap_or(MIN_DELAY_MS), max)?),
            (Some(_), None) => return Err(BadExperiment::NoMaximum),
            (None, None) => None,
        };
        Ok(Running { leader, followers: self.follower_urls, write_quorum, follower_count, delays })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::config::COMPOSE_FILE;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(flags: &[&str]) -> Config {
        let line = Line::try_parse_from([&["kv-bench"], flags].concat()).unwrap();
        line.args.config().unwrap_or_else(|error| panic!("{flags:?}: {error}"))
    }

    fn written(quorums: &[Quorum]) -> Vec<usize> {
        quorums.iter().map(|quorum| quorum.write()).collect()
    }

    #[test]
    fn nothing_said_is_the_built_in_cluster() {
        let Config { target: Target::InProcess(sweep), .. } = parse(&[]) else { panic!() };
        assert_eq!((sweep.followers, written(&sweep.quorums)), (FOLLOWERS, vec![1, 2, 3, 4, 5]));
        assert_eq!(sweep.delays, uniform_ms(1, MIN_DELAY_MS, MAX_DELAY_MS).unwrap());
        assert!(sweep.promised.is_none());
        let flags = ["--followers=3", "--quorums=2", "--check", "--max-delay-ms=7", "--seed=4"];
        let Config { target: Target::InProcess(sweep), .. } = parse(&flags) else { panic!() };
        assert_eq!((sweep.followers, written(&sweep.quorums)), (3, vec![2]));
        assert_eq!(sweep.delays, uniform_ms(4, MIN_DELAY_MS, 7).unwrap());
        assert_eq!(sweep.promised.unwrap().p50_ms, IN_PROCESS.p50_ms);
    }

    #[test]
    fn a_compose_file_has_its_followers_and_its_own_promise() {
        let config = parse(&["--compose", "--check"]);
        assert!(config.target.is_compared());
        let Target::Compose(file, sweep) = config.target else { panic!() };
        assert_eq!(file.to_str(), Some(COMPOSE_FILE));
        assert_eq!(written(&sweep.quorums).len(), containers::FOLLOWERS);
        assert_eq!(sweep.promised.unwrap().p50_ms, IN_CONTAINERS.p50_ms);
    }

    #[test]
    fn a_cluster_that_runs_is_known_as_far_as_somebody_says() {
        let url = ["--url", "http://l:1", "--quorum=2"];
        let Config { target, .. } = parse(&url);
        assert!(!target.is_compared() && target.promised().is_none());
        let Target::Running(running) = target else { panic!() };
        assert_eq!((running.write_quorum, running.follower_count, running.delays), (2, None, None));

        let followers = ["--follower-urls=http://a:1,http://b:1", "--max-delay-ms=9"];
        let Config { target, .. } = parse(&[url.as_slice(), &followers].concat());
        assert!(target.is_compared());
        let Target::Running(running) = target else { panic!() };
        assert_eq!((running.followers.len(), running.follower_count), (2, Some(2)));
        assert_eq!(running.delays, Some(uniform_ms(1, MIN_DELAY_MS, 9).unwrap()));
    }
}
