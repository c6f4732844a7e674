//! What is recorded is what is shown.

use super::*;
use crate::admin::fixed_view::FixedView;
use crate::admin::view::{ServerMode, View};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_distribution_has_exact_bounds_and_near_percentiles() {
    let times = Times::hot();
    for micros in 1..=10_000 {
        times.record(Duration::from_micros(micros));
    }
    let distribution = times.distribution();
    assert_eq!(distribution.count(), 10_000);
    assert_eq!((distribution.min(), distribution.max()), (0.001, 10.0));
    assert_eq!(distribution.average(), 5.0005);
    assert_eq!(distribution.sum(), 50_005.0);
    for (per_mille, exact) in [(500, 5.0), (950, 9.5), (990, 9.9), (999, 9.99)] {
        let shown = distribution.percentile(per_mille);
        assert!(
            (shown / exact - 1.0).abs() < 1.0 / 16.0,
            "{per_mille}: {shown} for {exact}"
        );
    }
}

#[test]
fn nothing_recorded_is_all_zero() {
    let distribution = Sizes::basic().distribution();
    assert_eq!(distribution.count(), 0);
    assert_eq!(
        (
            distribution.min(),
            distribution.max(),
            distribution.average()
        ),
        (0.0, 0.0, 0.0)
    );
    assert_eq!(
        (distribution.sum(), distribution.percentile(500)),
        (0.0, 0.0)
    );
}

#[test]
fn values_beyond_all_buckets_count_as_the_largest() {
    let times = Times::basic();
    times.record(Duration::MAX);
    times.record(Duration::MAX);
    assert_eq!(times.distribution().count(), 2);
    assert_eq!(times.distribution().max(), 68_719_476.735);
}

#[test]
fn small_sizes_are_exact() {
    let sizes = Sizes::basic();
    for size in [0, 1, 15, 16] {
        sizes.record(size);
    }
    let distribution = sizes.distribution();
    let quartiles = [250, 500, 750, 1000].map(|per_mille| distribution.percentile(per_mille));
    assert_eq!(quartiles, [0.0, 1.0, 15.0, 16.0]);
}

#[test]
fn requests_are_reads_and_writes_together() {
    let metrics = Metrics::new();
    metrics.readlatency.record(Duration::from_millis(1));
    metrics.updatelatency.record(Duration::from_millis(4));
    let both = metrics.request_latency();
    assert_eq!(
        (both.count(), both.min(), both.average(), both.max()),
        (2, 1.0, 2.5, 4.0)
    );
}

#[test]
fn nothing_is_lost_between_threads() {
    let metrics = Metrics::new();
    std::thread::scope(|scope| {
        for thread in 0..12 {
            let metrics = &metrics;
            scope.spawn(move || {
                let mut counts = TrafficCounts::default();
                for _ in 0..1000 {
                    counts.request_received(10);
                    counts.response_sent(20 + thread);
                    metrics.traffic.add(&mut counts);
                    metrics.readlatency.record(Duration::from_micros(500));
                    metrics.commit_count.increment();
                }
            });
        }
    });
    let totals = metrics.traffic.totals();
    assert_eq!(
        (totals.packets_received, totals.packets_sent),
        (12_000, 12_000)
    );
    assert_eq!(
        (totals.bytes_received, totals.response_bytes),
        (120_000, 306_000)
    );
    assert_eq!(
        (totals.response_min, totals.response_max),
        (Some(20), Some(31))
    );
    assert_eq!(metrics.readlatency.distribution().count(), 12_000);
    assert_eq!(metrics.commit_count.get(), 12_000);
}

#[test]
fn a_reset_forgets_everything() {
    let view = FixedView::new();
    view.metrics().reset();
    assert_eq!(view.metrics().traffic.totals(), TrafficCounts::default());
    view.metrics().visit(&mut |reading| match reading.sample {
        Sample::Counter(count) => assert_eq!(count, 0, "{}", reading.name),
        Sample::Basic(distribution) | Sample::Advanced(distribution) => {
            assert_eq!(distribution.count(), 0, "{}", reading.name);
        }
    });
}

#[test]
fn the_exposition_has_zookeepers_names() {
    let view: Arc<dyn View> = Arc::new(FixedView::new());
    let text = exposition(&view);
    for line in [
        "# TYPE znode_count gauge",
        "znode_count 72.0",
        "# TYPE packets_received unknown",
        "packets_received 3.0",
        "# HELP commit_count Commands committed.",
        "# TYPE commit_count unknown",
        "commit_count 7.0",
        "avg_latency 4.0",
        "node_created_watch_count{quantile=\"0.5\"} 2.0",
        "node_created_watch_count_count 1.0",
        "node_created_watch_count_sum 2.0",
        "readlatency{quantile=\"0.9\"} 8.0",
        "readlatency{quantile=\"0.99\"} 8.0",
        "readlatency_count 3.0",
        "readlatency_sum 12.0",
        "# EOF",
    ] {
        assert!(
            text.lines().any(|shown| shown == line),
            "{line} is missing in\n{text}"
        );
    }
    assert!(
        !text.contains("_total"),
        "ZooKeeper's counters have no suffix"
    );
    assert!(
        !text.contains("\nzk_"),
        "ZooKeeper's metrics have no prefix"
    );
}

#[test]
fn the_exposition_of_a_leader_has_the_ensemble() {
    let shown = |mode| {
        let view: Arc<dyn View> = Arc::new(FixedView::new().in_ensemble(mode));
        exposition(&view)
    };
    let (leader, follower) = (shown(ServerMode::Leader), shown(ServerMode::Follower));
    for (line, on_both) in [
        ("# TYPE quorum_size gauge", true),
        ("quorum_size 3.0", true),
        ("# TYPE looking_count unknown", true),
        ("looking_count 4.0", true),
        ("learners 4.0", false),
        ("synced_followers 1.0", false),
        ("synced_non_voting_followers 1.0", false),
        ("synced_observers 1.0", false),
        ("pending_syncs 3.0", false),
        ("leader_uptime 5000.0", false),
    ] {
        let has = |text: &str| text.lines().any(|shown| shown == line);
        assert!(has(&leader), "{line} is missing in\n{leader}");
        assert_eq!(has(&follower), on_both, "{line} in\n{follower}");
    }
}

#[test]
fn every_line_of_the_exposition_is_a_comment_or_a_name_and_a_number() {
    let view: Arc<dyn View> = Arc::new(FixedView::new());
    let text = exposition(&view);
    let mut types = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            types.push(comment.split(' ').next().expect("a name"));
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert_eq!(name.split('{').next(), types.last().copied(), "{line}");
        }
    }
    let count = types.len();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), count, "a metric is declared twice");
}
