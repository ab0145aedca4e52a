"""Measurements that take longer than a test: `make bench ARGS=<name>`."""
