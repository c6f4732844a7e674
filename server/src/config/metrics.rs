//! Where metrics are exported.

use super::error::ConfigError;
use super::listen::ListenAddress;
use super::settings::Settings;

/// `metricsProvider.className`: who reads the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsProvider {
    /// Four-letter words and the HTTP commands; `/metrics` on the HTTP commands' port.
    Default,
    /// The same, and `/metrics` on a port of its own.
    Prometheus {
        /// `metricsProvider.httpHost` and `metricsProvider.httpPort`.
        address: ListenAddress,
    },
}

impl MetricsProvider {
    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let port = settings.port("metricsProvider.httpPort")?.unwrap_or(7000);
        let address = ListenAddress::read(
            settings,
            "metricsProvider.httpHost",
            port,
            ListenAddress::Any { port },
        )?;
        let allowed = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider or \
                       org.apache.zookeeper.metrics.impl.DefaultMetricsProvider";
        let provider =
            settings.parsed("metricsProvider.className", allowed, |class| {
                match class.rsplit('.').next() {
                    Some("PrometheusMetricsProvider") => Some(Self::Prometheus { address }),
                    Some("DefaultMetricsProvider" | "NullMetricsProvider") => Some(Self::Default),
                    _ => None,
                }
            })?;
        Ok(provider.unwrap_or(Self::Default))
    }
}
