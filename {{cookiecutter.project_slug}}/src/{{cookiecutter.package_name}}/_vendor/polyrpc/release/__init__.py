"""What others get of a project: its contract, stubs for them, and the versions of its parts."""
