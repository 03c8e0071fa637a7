"""Compiles the protos of a project: as a hook of hatchling, or by `python -m polyrpc.build`."""
