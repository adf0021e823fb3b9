"""Prometheus and Grafana for a deployment: a dashboard, alert rules, and tests of both."""
