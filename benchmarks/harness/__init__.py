"""Prepares the peers, loads them in turn, and reports. Standard library only."""
