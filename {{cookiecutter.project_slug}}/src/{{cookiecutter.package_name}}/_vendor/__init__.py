"""Copied as it is by the template, and replaced whole by its updates. Not this service's code."""
