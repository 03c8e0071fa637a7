"""Adds services to a project: `nox -s add_service -- PROTO` runs `python -m polyrpc.scaffold`."""
