//! Everything measurable as one list, which `mntr` and the monitor command show.

use super::gauges::{self, Number, rounded, saturated};
use super::metrics::{Distribution, Sample};
use super::version::full_version;
use super::view::View;

/// One line of the list.
pub(super) enum Value {
    Text(String),
    Number(Number),
}

/// Name and value of everything measurable, version and state first.
pub(super) fn monitor(view: &dyn View) -> Vec<(String, Value)> {
    let mut lines = vec![
        ("version".to_owned(), Value::Text(full_version())),
        (
            "server_state".to_owned(),
            Value::Text(view.server().mode.as_str().to_owned()),
        ),
    ];
    let mut number = |name: String, number| lines.push((name, Value::Number(number)));
    for gauge in gauges::read(view) {
        number(gauge.name.to_owned(), gauge.value);
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
