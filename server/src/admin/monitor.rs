//! Everything measurable as one list, which `mntr` and the monitor command show.

use super::gauges::{self, Number, rounded, saturated};
use super::metrics::{Distribution, Sample};
use super::version::full_version;
use super::view::{ServerMode, View};

/// One line of the list.
pub(super) enum Value {
    Text(String),
    Number(Number),
}

/// Name and value of everything measurable, version and state first.
pub(super) fn monitor(view: &dyn View) -> Vec<(String, Value)> {
    let mode = view.server().mode;
    let mut lines = vec![
        ("version".to_owned(), Value::Text(full_version())),
        (
            "server_state".to_owned(),
            Value::Text(mode.as_str().to_owned()),
        ),
    ];
    let ensemble = view.ensemble();
    if let Some(ensemble) = &ensemble {
        let state = Value::Text(ensemble.peer_state(mode));
        lines.push(("peer_state".to_owned(), state));
    }
    let mut number = |name: String, number| lines.push((name, Value::Number(number)));
    for gauge in gauges::read(view) {
        number(gauge.name.to_owned(), gauge.value);
    }
    if let Some(ensemble) = ensemble.filter(|_| mode == ServerMode::Leader) {
        // The name of `learners` before ZooKeeper 3.6, which old dashboards ask for.
        let followers = saturated(ensemble.followers.len() as u64);
        number("followers".to_owned(), Number::Whole(followers));
    }
    view.metrics().visit(&mut |reading| {
        let name = reading.name;
        match reading.sample {
            Sample::Counter(count) => number(name.to_owned(), Number::Whole(saturated(count))),
            Sample::Basic(distribution) => basic(name, &distribution, &mut number),
            Sample::Advanced(distribution) => {
                basic(name, &distribution, &mut number);
                for (percentile, per_mille) in
                    [("p50", 500), ("p95", 950), ("p99", 990), ("p999", 999)]
                {
                    let value = Number::Whole(rounded(distribution.percentile(per_mille)));
                    number(format!("{percentile}_{name}"), value);
                }
            }
        }
    });
    lines
}

fn basic(name: &str, distribution: &Distribution, number: &mut impl FnMut(String, Number)) {
    number(
        format!("avg_{name}"),
        Number::Decimal(distribution.average()),
    );
    number(
        format!("min_{name}"),
        Number::Whole(rounded(distribution.min())),
    );
    number(
        format!("max_{name}"),
        Number::Whole(rounded(distribution.max())),
    );
    number(
        format!("cnt_{name}"),
        Number::Whole(saturated(distribution.count())),
    );
    number(
        format!("sum_{name}"),
        Number::Whole(rounded(distribution.sum())),
    );
}
