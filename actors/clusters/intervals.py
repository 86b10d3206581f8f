"""How often Ray's processes look at what seldom changes on one machine, and at themselves.

Their defaults suit clusters of many nodes. On an idle server they cause a third of its use of a
core: see docs/performance.md, "The floor". No request waits for any of them, and the death of a
session actor or an API replica is noticed by connections, not by these.
"""

SECOND_MS = 1000

INTERVALS = {
    # By default the controller looks for changes ten times a second, and asks the GCS for all
    # nodes. A lost replica is replaced half a second later at most.
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
    # By default replicas and proxies export their metrics ten times for each time that Ray passes
    # them on.
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": str(5 * SECOND_MS),
    # What the agent of the dashboard measures, and the events that it passes on.
    "REPORTER_UPDATE_INTERVAL_MS": str(10 * SECOND_MS),
    "EVENT_AGENT_REPORT_INTERVAL_SECONDS": "2",
    "RAY_DASHBOARD_AGGREGATOR_AGENT_CHECK_MAIN_THREAD_LIVENESS_INTERVAL_SECONDS": "5",
    # What a raylet tells the GCS of its node, and what it looks for there.
    "RAY_raylet_report_resources_period_milliseconds": str(SECOND_MS),
    "RAY_raylet_check_gc_period_milliseconds": str(SECOND_MS),
    "RAY_object_manager_timer_freq_ms": str(SECOND_MS),
    "RAY_local_fs_monitor_interval_ms": str(5 * SECOND_MS),
    "RAY_kill_idle_workers_interval_ms": str(2 * SECOND_MS),
    "RAY_debug_dump_period_milliseconds": str(60 * SECOND_MS),
    # What the GCS asks raylets for, on behalf of an autoscaler that one machine does not have.
    "RAY_gcs_pull_resource_loads_period_milliseconds": str(10 * SECOND_MS),
    # Whether Ray's own event loops are late.
    "RAY_io_context_event_loop_lag_collection_interval_ms": str(10 * SECOND_MS),
    "RAY_io_context_monitor_probe_interval_ms": str(10 * SECOND_MS),
    # What each of these loops has handled is counted at every wake of every process, and appears in
    # those dumps alone.
    "RAY_event_stats": "0",
}
