"""The service under test: what a generated one is, on the library where it stands."""
