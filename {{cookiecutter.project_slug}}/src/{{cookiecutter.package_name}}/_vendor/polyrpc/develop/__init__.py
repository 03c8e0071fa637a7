"""The service while it is being written, started anew on every change: `nox -s dev`."""
