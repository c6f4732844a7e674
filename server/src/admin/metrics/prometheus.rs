//! The Prometheus exposition of everything that is counted.
//!
//! prometheus-client appends `_total` to counters and has no summaries. ZooKeeper's names have no suffix, and
//! dashboards ask for them, so counters are shown as metrics of unknown type, and a summary as three of those.

use super::{Distribution, Reading, Sample};
use crate::admin::gauges;
use crate::admin::view::View;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;

/// The content type of [`exposition`].
pub(in crate::admin) const CONTENT_TYPE: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of the server as text.
pub(in crate::admin) fn exposition(view: &Arc<dyn View>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(ViewCollector(Arc::clone(view))));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .expect("writing to a string does not fail");
    text
}

struct ViewCollector(Arc<dyn View>);

impl fmt::Debug for ViewCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewCollector")
    }
}

impl Collector for ViewCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for gauge in gauges::read(&*self.0) {
            let value = ConstGauge::new(gauge.value.as_f64());
            value.encode(encoder.encode_descriptor(gauge.name, gauge.help, None, gauge.kind)?)?;
        }
        let mut result = Ok(());
        self.0.metrics().visit(&mut |reading| {
            result = result.and_then(|()| encode(&mut encoder, &reading));
        });
        result
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows no numbers but f64"
)]
fn encode(encoder: &mut DescriptorEncoder<'_>, reading: &Reading) -> fmt::Result {
    match &reading.sample {
        Sample::Counter(count) => {
            let descriptor =
                encoder.encode_descriptor(reading.name, reading.help, None, MetricType::Unknown)?;
            ConstGauge::new(*count as f64).encode(descriptor)
        }
        Sample::Basic(distribution) => encode_summary(encoder, reading, distribution, &[500]),
        Sample::Advanced(distribution) => {
            encode_summary(encoder, reading, distribution, &[500, 900, 990])
        }
    }
}

/// `X{quantile="…"}` for each of `per_mille`, `X_count` and `X_sum`.
#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows no numbers but f64"
)]
fn encode_summary(
    encoder: &mut DescriptorEncoder<'_>,
    reading: &Reading,
    distribution: &Distribution,
    per_mille: &[u64],
) -> fmt::Result {
    let mut quantiles =
        encoder.encode_descriptor(reading.name, reading.help, None, MetricType::Unknown)?;
    for per_mille in per_mille {
        let label = [("quantile", *per_mille as f64 / 1000.0)];
        ConstGauge::new(distribution.percentile(*per_mille))
            .encode(quantiles.encode_family(&label)?)?;
    }
    for (suffix, value) in [
        ("count", distribution.count() as f64),
        ("sum", distribution.sum()),
    ] {
        let name = format!("{}_{suffix}", reading.name);
        ConstGauge::new(value).encode(encoder.encode_descriptor(
            &name,
            reading.help,
            None,
            MetricType::Unknown,
        )?)?;
    }
    Ok(())
}
