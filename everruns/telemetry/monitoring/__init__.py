"""What shows metrics to people: a dashboard for Grafana, alerts and settings for Prometheus."""
