"""The server under test."""
