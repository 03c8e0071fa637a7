"""Listeners, connections and TLS: a service as seen from the network."""
