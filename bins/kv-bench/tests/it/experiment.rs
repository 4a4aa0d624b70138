//! The real binary: the experiment with its files, a running cluster, and `load`.

use std::collections::BTreeSet;
use std::time::Duration;

use kv_replication::{DelayLaw, Quorum};
use serde_json::Value;

use crate::common::{Ended, Out, Servers, kv_bench};

/// The fields of a row that are documented, and the failures beside them.
const ROW_FIELDS: [&str; 14] = [
    "quorum",
    "writes",
    "avg_latency_ms",
    "min_latency_ms",
    "max_latency_ms",
    "parity_ok",
    "p50_latency_ms",
    "p95_latency_ms",
    "p99_latency_ms",
    "theory_ms",
    "ci95_ms",
    "overhead_p50_ms",
    "overhead_p99_ms",
    "errors",
];
const FILES: [&str; 3] = ["perf_summary.json", "quorum_latency.png", "quorum_latency.svg"];
/// Figures are rounded to three decimals.
const ROUNDING_MS: f64 = 0.001;
/// A port that nobody listens on, since only the system's own services may.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn a_small_run_writes_a_row_for_every_quorum() {
    let out = Out::new("small");
    let ended = kv_bench(&["--writes", "20", "--max-delay-ms", "20", "--out", out.path()]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(out.names(), FILES);
    assert_table(&ended.stdout, &["1", "2", "3", "4", "5"], "yes");
    for name in FILES {
        assert!(ended.stdout.lines().last().unwrap().contains(name), "{}", ended.stdout);
    }

    let summary = out.summary();
    let meta = &summary["meta"];
    assert_eq!((&meta["followers"], &meta["writes"], &meta["seed"]), (&5.into(), &20.into(), &1.into()));
    assert_eq!((&meta["min_delay_ms"], &meta["max_delay_ms"]), (&0.into(), &20.into()));
    assert_eq!((&meta["workers"], &meta["keys"]), (&10.into(), &10.into()));
    let rows = summary["results"].as_array().unwrap();
    assert_eq!(rows.len(), 5);
    let delays = DelayLaw::uniform(1, Duration::ZERO, Duration::from_millis(20)).unwrap();
    for (w, row) in (1..).zip(rows) {
        assert_row(row, w, 5, 20, delays);
    }
}

#[test]
fn the_pictures_are_pictures() {
    let out = Out::new("pictures");
    let ended = kv_bench(&["--writes", "5", "--max-delay-ms", "5", "--out", out.path()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let png = out.read("quorum_latency.png");
    assert_eq!(&png[..16], b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    let (width, height) = (number(16), number(20));
    assert!(width >= 640 && height >= 400, "{width} x {height}");
    assert!(png.len() > 10_000, "{} bytes", png.len());
    assert!(png.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82"));

    let svg = String::from_utf8(out.read("quorum_latency.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains(r#"xmlns="http://www.w3.org/2000/svg""#));
    let texts = texts_of_xml(&svg);
    for text in [
        "Write latency against the write quorum",
        "N = 5 followers, 5 writes per quorum, delays 0–5 ms, seed 1",
        "Mean write latency (ms)",
        "Write quorum W",
    ] {
        assert!(texts.contains(&text), "{text:?} is not in {texts:?}");
    }
}

#[test]
fn other_numbers_of_followers_and_delays_have_their_own_theory() {
    let out = Out::new("other");
    let ended = kv_bench(&[
        "--followers",
        "3",
        "--quorums",
        "2",
        "--writes",
        "10",
        "--min-delay-ms",
        "5",
        "--max-delay-ms",
        "20",
        "--seed",
        "9",
        "--out",
        out.path(),
    ]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_table(&ended.stdout, &["2"], "yes");
    let summary = out.summary();
    assert_eq!(summary["meta"]["followers"], 3);
    let rows = summary["results"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["theory_ms"]), (1, &12.5.into()));
    let delays = DelayLaw::uniform(9, Duration::from_millis(5), Duration::from_millis(20)).unwrap();
    assert_row(&rows[0], 2, 3, 10, delays);
}

/// The delays of a seed can be computed again, so what is above them is the store's own time. How
/// much that is depends on the machine, which may be busy: one of three runs must be fast.
#[test]
fn a_seed_fixes_what_the_delays_cost() {
    const ABOVE_MAX_MS: f64 = 50.0;
    let delays = DelayLaw::uniform(7, Duration::ZERO, Duration::from_millis(400)).unwrap();
    let out = Out::new("seed");
    let flags = ["--writes=20", "--workers=4", "--quorums=1,3", "--max-delay-ms=400", "--seed=7", "--out"];
    for attempt in 1..=3 {
        let ended = kv_bench(&[&flags as &[_], &[out.path()]].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let summary = out.summary();
        let rows = summary["results"].as_array().unwrap();
        let is_near = |(w, row): (usize, &Value)| {
            assert_row(row, w, 5, 20, delays);
            let above_ms = ms(row, "avg_latency_ms") - mean(&drawn_ms(delays, w, 5, 20));
            // Under the delays of another seed some write would seem to be far later than its own.
            above_ms < ABOVE_MAX_MS && ms(row, "overhead_p99_ms") < 2.0 * ABOVE_MAX_MS
        };
        if [1, 3].into_iter().zip(rows).all(is_near) {
            return;
        }
        assert!(attempt < 3, "far above the delays in three runs: {summary:#}");
    }
}

/// A cluster that somebody else runs is measured through the report's endpoints: one row.
#[test]
fn a_running_cluster_gives_one_row() {
    let servers = Servers::start(Quorum::new(3, 2).unwrap(), DelayLaw::NONE);
    let followers = servers.followers.join(",");
    let out = Out::new("running");
    let flags = ["--url", &servers.leader, "--quorum", "2", "--writes", "12", "--out", out.path()];
    let measure = |more: &[&str]| {
        let ended = kv_bench(&[&flags, more].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{more:?}: {ended:?}");
        let mut summary = out.summary();
        assert_eq!(summary["results"].as_array().unwrap().len(), 1);
        let row = summary["results"][0].take();
        assert_eq!(fields(&row), BTreeSet::from(ROW_FIELDS));
        assert_eq!((&row["quorum"], &row["writes"], &row["errors"]), (&2.into(), &12.into(), &0.into()));
        assert!(row["overhead_p50_ms"].is_null() && row["overhead_p99_ms"].is_null(), "{row}");
        (summary["meta"].take(), row, ended)
    };

    let (meta, row, ended) = measure(&["--follower-urls", &followers]);
    assert_eq!((&row["parity_ok"], &row["theory_ms"]), (&true.into(), &Value::Null));
    assert_eq!((&meta["followers"], &meta["max_delay_ms"]), (&3.into(), &Value::Null));
    assert_table(&ended.stdout, &["2"], "yes");
    assert_eq!(out.names(), FILES);

    let delays = ["--min-delay-ms", "4", "--max-delay-ms", "12"];
    let (meta, row, _) = measure(&[&["--follower-urls", &followers], &delays as &[_]].concat());
    assert_eq!((&row["parity_ok"], &row["theory_ms"]), (&true.into(), &8.0.into()));
    assert_eq!((&meta["min_delay_ms"], &meta["max_delay_ms"]), (&4.into(), &12.into()));

    // Nobody to compare with: that is not parity, and not a difference.
    let (meta, row, ended) = measure(&[]);
    assert_eq!((&row["parity_ok"], &meta["followers"]), (&Value::Null, &Value::Null));
    assert_table(&ended.stdout, &["2"], "not compared");
    let (_, row, _) = measure(&["--followers", "3", "--max-delay-ms", "12"]);
    assert_eq!((&row["parity_ok"], &row["theory_ms"]), (&Value::Null, &6.0.into()));
}

/// A replica that differs is found: it is the follower of another leader.
#[test]
fn a_follower_that_differs_is_no_parity() {
    let quorum = Quorum::new(1, 1).unwrap();
    let (servers, others) = (Servers::start(quorum, DelayLaw::NONE), Servers::start(quorum, DelayLaw::NONE));
    let followers = format!("{},{}", servers.followers[0], others.followers[0]);
    let out = Out::new("differs");
    let flags = ["--url", &servers.leader, "--quorum", "1", "--writes", "3", "--follower-urls", &followers];
    let ended = kv_bench(&[&flags as &[_], &["--out", out.path()]].concat());
    assert_eq!(out.summary()["results"][0]["parity_ok"], false, "{ended:?}");
    assert_table(&ended.stdout, &["1"], "NO");
}

#[test]
fn a_load_says_how_much_was_answered() {
    let servers = Servers::start(Quorum::new(3, 2).unwrap(), DelayLaw::NONE);
    for (operation, node) in
        [("put", &servers.leader), ("get", &servers.leader), ("get", &servers.followers[0])]
    {
        let flags =
            ["load", "--url", node, "--seconds", "0.3", "--connections", "4", "--operation", operation];
        let ended = kv_bench(&flags);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        // "1234 requests/s over 0.3 s, 370 answered, 0 errors"
        let words: Vec<&str> = ended.stdout.lines().next().unwrap().split([' ', ',']).collect();
        let numbers: Vec<f64> = words.iter().filter_map(|word| word.parse().ok()).collect();
        let [per_second, seconds, answered, errors] = numbers[..] else { panic!("{ended:?}") };
        assert!(words[1] == "requests/s" && per_second > 0.0 && answered > 0.0, "{ended:?}");
        assert!((0.3..10.0).contains(&seconds) && errors == 0.0, "{ended:?}");
        assert!(ended.stdout.lines().nth(1).unwrap().starts_with("p50 "), "{ended:?}");
    }
    // A follower takes no writes: those are errors, and the first of them is shown.
    let ended = kv_bench(&["load", "--url", &servers.followers[0], "--seconds", "0.1", "--connections", "1"]);
    assert!(ended.stdout.contains(" 0 answered, ") && ended.stdout.contains("Leader only"), "{ended:?}");
}

#[test]
fn a_dead_port_is_one_clear_failure() {
    let out = Out::new("dead");
    for flags in [
        &["load", "--url", NOBODY, "--seconds", "0.3"] as &[_],
        &["--url", NOBODY, "--quorum", "1", "--out", out.path()],
    ] {
        let ended = kv_bench(flags);
        assert_failed(&ended, &format!("cannot connect to {NOBODY}: Connection refused"));
        assert_eq!(ended.code, Some(1), "{ended:?}");
    }
    assert!(out.names().is_empty());
}

#[test]
fn bad_flags_are_refused_and_write_nothing() {
    let out = Out::new("bad");
    for (flags, words) in [
        (&["--writes", "0"] as &[&str], "--writes, --workers and --keys must be at least 1"),
        (&["--workers", "0"], "--writes, --workers and --keys must be at least 1"),
        (&["--writes", "18446744073709551615"], "--writes: at most 10000000"),
        (&["--keys", "0"], "--writes, --workers and --keys must be at least 1"),
        (&["--quorums", "6"], "a write quorum of 6 can never be met by 5 followers"),
        (&["--quorums", "1,6"], "a write quorum of 6 can never be met by 5 followers"),
        (&["--followers", "2", "--quorums", "3"], "a write quorum of 3 can never be met by 2 followers"),
        (&["--followers", "65"], "65 followers are too many"),
        (&["--quorums", "0"], "--quorums: 0 is not a quorum"),
        (&["--min-delay-ms", "30", "--max-delay-ms", "20"], "30ms, is above the longest, 20ms"),
        (&["--min-delay-ms", "1001"], "1.001s, is above the longest, 1s"),
        (&["--url", NOBODY], "--quorum: say which write quorum"),
        (&["--url", NOBODY, "--quorum", "1", "--quorums", "1"], "--quorums: only for the built-in cluster"),
    ] {
        let ended = kv_bench(&[flags, &["--out", out.path()]].concat());
        assert_failed(&ended, words);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1), "{flags:?}: {ended:?}");
        assert!(out.names().is_empty(), "{flags:?} wrote {:?}", out.names());
    }
    // What is not even a flag, or not a number, is refused by the parser.
    for (flags, words) in [
        (&["--quorum", "1"] as &[&str], "--url"),
        (&["--follower-urls", "http://f1:8000"], "--url"),
        (&["--writes", "many"], "'many'"),
        (&["--writes", "-1"], "'-1'"),
        (&["--quorums", "1,x"], "'x'"),
        (&["--url", "follower1:8000", "--quorum", "1"], "not of the form http://host:port"),
        (&["--depth", "3"], "--depth"),
        (&["--compose", "--quorum", "3"], "--quorum"),
        (&["throughput", "--connections", "0"], "1 to 10000"),
        (&["throughput", "--rounds", "0"], "1 to 1000"),
        (&["load", "--url", NOBODY, "--value-bytes", "99999999999"], "0 to 1048576"),
        (&["dump", "--keys", "0"], "1 to 100000000"),
        (&["catch-up", "--missed", "0"], "--missed"),
        (&["catch-up", "--stop", "--slow"], "--slow"),
        (&["catch-up", "--seconds", "0"], "more than 0"),
    ] {
        let out_flags = ["--out", out.path()];
        let ended = kv_bench(&[flags, if flags[0].starts_with("--") { &out_flags } else { &[] }].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{flags:?}: {ended:?}");
        assert!(ended.stderr.contains(words), "{flags:?}: {words:?} is not in {ended:?}");
        assert!(out.names().is_empty(), "{flags:?} wrote {:?}", out.names());
    }
}

/// Nothing on stdout, and the first line on stderr is the program's and has `words`.
fn assert_failed(ended: &Ended, words: &str) {
    assert_eq!(ended.stdout, "", "{ended:?}");
    let first = ended.stderr.lines().next().unwrap_or_default();
    assert!(first.starts_with("kv-bench: ") && first.contains(words), "{words:?} is not in {ended:?}");
}

/// A header, one line for each quorum that ends with `parity`, and what was written where.
fn assert_table(stdout: &str, quorums: &[&str], parity: &str) {
    let lines: Vec<&str> = stdout.lines().take_while(|line| !line.is_empty()).collect();
    assert!(lines[0].trim_start().starts_with("Quorum") && lines[0].ends_with("Parity"), "{stdout}");
    let shown: Vec<&str> = lines[1..].iter().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(shown, quorums, "{stdout}");
    for line in &lines[1..] {
        assert!(line.ends_with(&format!(" {parity}")), "{parity:?} is not in {line:?}");
    }
}

/// A row of the built-in cluster, where every write must have succeeded.
fn assert_row(row: &Value, w: usize, n: usize, writes: u64, delays: DelayLaw) {
    assert_eq!(fields(row), BTreeSet::from(ROW_FIELDS));
    assert_eq!((&row["quorum"], &row["writes"]), (&w.into(), &writes.into()), "{row}");
    assert_eq!((&row["errors"], &row["parity_ok"]), (&0.into(), &true.into()), "{row}");

    let (min, max) = (delays.min().as_secs_f64() * 1000.0, delays.max().as_secs_f64() * 1000.0);
    let theory = min + (max - min) * w as f64 / (n as f64 + 1.0);
    assert!((ms(row, "theory_ms") - theory).abs() <= ROUNDING_MS, "{theory} {row}");

    // No write is faster than the W-th smallest of the delays of its version, and a fresh cluster
    // gives the versions from 1 on.
    let drawn = drawn_ms(delays, w, n, writes);
    assert!(ms(row, "min_latency_ms") >= drawn[0] - ROUNDING_MS, "{} {row}", drawn[0]);
    assert!(ms(row, "max_latency_ms") >= drawn[drawn.len() - 1] - ROUNDING_MS, "{row}");
    assert!(ms(row, "avg_latency_ms") >= mean(&drawn) - ROUNDING_MS, "{} {row}", mean(&drawn));
    assert!(ms(row, "overhead_p50_ms") >= 0.0, "{row}");

    let ascending = ["min", "p50", "p95", "p99", "max"].map(|name| ms(row, &format!("{name}_latency_ms")));
    assert!(ascending.is_sorted(), "{row}");
    assert!(ms(row, "overhead_p50_ms") <= ms(row, "overhead_p99_ms"), "{row}");
    assert!(ms(row, "ci95_ms") > 0.0, "{row}");
}

/// What the writes 1 to `writes` have to wait at least, ascending.
fn drawn_ms(delays: DelayLaw, w: usize, n: usize, writes: u64) -> Vec<f64> {
    let waits = (1..=writes).map(|version| delays.order_statistic(w, n, version).unwrap());
    let mut waits: Vec<f64> = waits.map(|wait| wait.as_secs_f64() * 1000.0).collect();
    waits.sort_by(f64::total_cmp);
    waits
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn ms(row: &Value, name: &str) -> f64 {
    row[name].as_f64().unwrap_or_else(|| panic!("{name} in {row}"))
}

fn fields(row: &Value) -> BTreeSet<&str> {
    row.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The texts between the tags, after a look at what XML asks of them: every tag is closed in order,
/// every attribute is quoted, and no text has a bare `<` or `&`.
fn texts_of_xml(xml: &str) -> Vec<&str> {
    let (mut open, mut texts, mut rest, mut roots) = (Vec::new(), Vec::new(), xml.trim(), 0);
    while let Some((text, after)) = rest.split_once('<') {
        assert!(text.split('&').skip(1).all(|entity| entity.contains(';')), "{text:?}");
        assert!(text.trim().is_empty() || !open.is_empty(), "{text:?} is in no element");
        texts.extend(Some(text.trim()).filter(|text| !text.is_empty()));
        let (tag, after) = after.split_once('>').unwrap();
        assert!(!tag.contains('<') && tag.matches('"').count() % 2 == 0, "{tag:?}");
        rest = after;
        let name = tag.trim_matches('/').split_whitespace().next().unwrap();
        for attribute in tag.split('"').step_by(2).map(str::trim).filter(|part| part.contains('=')) {
            assert!(attribute.ends_with('='), "{tag:?}");
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else {
            roots += usize::from(open.is_empty());
            open.extend((!tag.ends_with('/')).then_some(name));
        }
    }
    assert!(open.is_empty() && rest.is_empty() && roots == 1, "{open:?} {rest:?}");
    texts
}
