"""Brings a proto into the project: `nox -s add_service -- PROTO`."""
