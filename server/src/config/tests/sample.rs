//! The table of keys, the code that reads them and the sample file tell the same.

use super::*;

/// Every key of ZooKeeper 3.9, with a number where the key takes one.
const ZOOKEEPERS_KEYS: &str = "dataDir dataLogDir clientPort clientPortAddress secureClientPort \
    secureClientPortAddress clientPortListenBacklog tickTime minSessionTimeout maxSessionTimeout maxClientCnxns \
    initLimit syncLimit connectToLearnerMasterLimit electionAlg peerType syncEnabled observerMasterPort \
    quorumListenOnAllIPs dynamicConfigFile standaloneEnabled reconfigEnabled autopurge.snapRetainCount \
    autopurge.purgeInterval localSessionsEnabled localSessionsUpgradingEnabled sslQuorum portUnification \
    sslQuorumReloadCertFiles client.portUnification quorum.auth.enableSasl quorum.auth.learnerRequireSasl \
    quorum.auth.serverRequireSasl quorum.auth.learner.saslLoginContext quorum.auth.server.saslLoginContext \
    quorum.auth.kerberos.servicePrincipal quorum.cnxn.threads.size multiAddress.enabled \
    multiAddress.reachabilityCheckEnabled multiAddress.reachabilityCheckTimeoutMs metricsProvider.className \
    metricsProvider.httpHost metricsProvider.httpPort metricsProvider.exportJvmInfo metricsProvider.numWorkerThreads \
    metricsProvider.maxQueueSize metricsProvider.workerShutdownTimeoutMs jvm.pause.monitor jvm.pause.sleep.time.ms \
    jvm.pause.warn-threshold.ms jvm.pause.info-threshold.ms oraclePath server.1 group.1 weight.1 \
    globalOutstandingLimit preAllocSize snapCount snapSizeLimitInKb txnLogSizeLimitInKb commitLogCount \
    snapshotSizeFactor maxCnxns maxResponseCacheSize maxGetChildrenResponseCacheSize forceSync \
    fsync.warningthresholdms flushDelay maxBatchSize maxWriteQueuePollTime 4lw.commands.whitelist \
    admin.enableServer admin.serverAddress admin.serverPort admin.commandURL admin.idleTimeout \
    admin.portUnification admin.forceHttps admin.needClientAuth admin.snapshot.enabled admin.restore.enabled \
    admin.rateLimiterIntervalInMS extendedTypesEnabled emulate353TTLNodes znode.container.checkIntervalMs \
    znode.container.maxPerMinute znode.container.maxNeverUsedIntervalMs enforceQuota skipACL digest.enabled \
    closeSessionTxn.enabled serializeLastProcessedZxid.enabled snapshot.compression.method snapshot.trust.empty \
    readonlymode.enabled leaderServes cnxTimeout quorumCnxnTimeoutMs tcpKeepAlive clientTcpKeepAlive \
    electionPortBindRetry observer.reconnectDelayMs observer.election.DelayMs leader.maxTimeToWaitForEpoch \
    leader.maxConcurrentSnapSyncs leader.maxConcurrentDiffSyncs fastleader.minNotificationInterval \
    fastleader.maxNotificationInterval request_throttle_max_requests request_throttle_stall_time \
    request_throttle_drop_stale request_stale_connection_check request_stale_latency_check throttled_op_wait_time \
    connection_throttle_tokens connection_throttle_fill_time connection_throttle_fill_count \
    connection_throttle_freeze_time connection_throttle_drop_increase connection_throttle_drop_decrease \
    connection_throttle_decrease_ratio connection_throttle_weight_enabled connection_throttle_global_session_weight \
    connection_throttle_local_session_weight connection_throttle_renew_session_weight largeRequestThreshold \
    largeRequestMaxBytes jute.maxbuffer jute.maxbuffer.extrasize watchManagerName watcherCleanThreadsNum \
    watcherCleanIntervalInSeconds nio.numSelectorThreads nio.numWorkerThreads nio.sessionlessCnxnTimeout \
    nio.directBufferBytes nio.shutdownTimeout commitProcessor.numWorkerThreads commitProcessor.maxReadBatchSize \
    commitProcessor.maxCommitBatchSize serverCnxnFactory netty.server.outstandingHandshake.limit \
    netty.advancedFlowControl.enabled datadir.autocreate db.autocreate DigestAuthenticationProvider.enabled \
    DigestAuthenticationProvider.superDigest DigestAuthenticationProvider.digestAlg \
    X509AuthenticationProvider.superUser superUser superUser.1 ensembleAuthName ssl.authProvider \
    sessionRequireClientSASLAuth enforce.auth.enabled enforce.auth.schemes allowSaslFailedClients \
    enableEagerACLCheck IPAuthenticationProvider.usexforwardedfor kerberos.removeHostFromPrincipal \
    kerberos.removeRealmFromPrincipal kerberos.canonicalizeHostNames sasl.serverconfig authProvider.1 audit.enable \
    fips-mode learner.asyncSending learner.closeSocketAsync leader.closeSocketAsync observerMaster.sizeLimit \
    messageTracker.BufferSize forward_learner_requests_to_commit_processor_disabled ssl.keyStore.location \
    ssl.keyStore.password ssl.keyStore.passwordPath ssl.keyStore.type ssl.trustStore.location ssl.protocol \
    ssl.enabledProtocols ssl.ciphersuites ssl.hostnameVerification ssl.clientHostnameVerification ssl.crl ssl.ocsp \
    ssl.clientAuth ssl.handshakeDetectionTimeoutMillis ssl.context.supplier.class ssl.sslProvider \
    ssl.quorum.keyStore.location ssl.quorum.keyStore.password ssl.quorum.keyStore.passwordPath \
    ssl.quorum.keyStore.type ssl.quorum.trustStore.location ssl.quorum.trustStore.password \
    ssl.quorum.trustStore.passwordPath ssl.quorum.trustStore.type ssl.quorum.protocol ssl.quorum.enabledProtocols \
    ssl.quorum.ciphersuites ssl.quorum.hostnameVerification ssl.quorum.clientHostnameVerification \
    ssl.quorum.allowReverseDnsLookup ssl.quorum.crl ssl.quorum.ocsp ssl.quorum.clientAuth \
    ssl.quorum.handshakeDetectionTimeoutMillis ssl.quorum.context.supplier.class ssl.quorum.sslProvider \
    client.certReload";

#[test]
fn every_key_of_zookeeper_is_known() {
    for key in ZOOKEEPERS_KEYS.split_whitespace() {
        assert!(keys::is_known(key), "{key}");
    }
}

#[test]
fn every_honoured_key_is_read() {
    // Any text is right for these, or the file it names is missing.
    let texts = [
        "dataDir",
        "dataLogDir",
        "dynamicConfigFile",
        "4lw.commands.whitelist",
        "server.*",
        "ssl.quorum.keyStore.location",
        "ssl.quorum.trustStore.location",
    ];
    let of_ensembles = [
        "initLimit",
        "syncLimit",
        "peerType",
        "reconfigEnabled",
        "leaderServes",
        "sslQuorum",
        "portUnification",
        "ssl.quorum.keyStore.type",
        "ssl.quorum.trustStore.type",
        "ssl.quorum.clientAuth",
        "ssl.quorum.hostnameVerification",
        "ssl.quorum.clientHostnameVerification",
        "ssl.quorum.protocol",
        "ssl.quorum.enabledProtocols",
    ];
    for key in keys::honoured().filter(|key| !texts.contains(key)) {
        let second = if of_ensembles.contains(&key) {
            "server.2=g:1:2\n"
        } else {
            ""
        };
        let lines = format!("server.1=h:1:2\n{second}{key}=?");
        let error = Folder::with(&format!("{MINIMAL}{lines}"))
            .load()
            .expect_err(key);
        let ConfigError::Value { key: wrong, .. } = error else {
            panic!("{key}: {error}")
        };
        assert_eq!(wrong, key);
    }
}

const SAMPLE: &str = include_str!("../sample.cfg");

#[test]
fn the_sample_is_right_and_silent() {
    let folder = Folder::with(SAMPLE);
    let (_, notices) = folder.load().expect("right");
    assert_eq!(notices, []);
}

#[test]
fn the_sample_explains_every_honoured_key() {
    for key in keys::honoured() {
        let line = format!("{}=", key.replace('*', "1"));
        let explained = SAMPLE
            .lines()
            .any(|shown| shown.trim_start_matches(['#', ' ']).starts_with(&line));
        assert!(explained, "{key}");
    }
}

#[test]
fn the_sample_shows_the_defaults() {
    let shown: String = SAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_ne!(shown, SAMPLE);
    let folder = Folder::with(&shown);
    let (mut config, notices) = folder.load().expect("right");
    assert_eq!(notices, []);
    config.initial_configuration.clear();
    let mut default = load(SAMPLE);
    default.initial_configuration.clear();
    assert_eq!(format!("{config:?}"), format!("{default:?}"));
}
