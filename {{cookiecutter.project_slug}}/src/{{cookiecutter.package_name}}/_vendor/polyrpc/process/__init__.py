"""Processes: their signals, exit statuses, workers and supervisor."""
