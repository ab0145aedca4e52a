"""Mail that comes in: stored first, then read, then put where it belongs. Nothing is lost, nothing
counts twice, and nothing in it is believed or run."""
