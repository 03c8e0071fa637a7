"""Cross-cutting concerns, written once and run for the calls of every protocol.

They know nothing of any one service, whose own interceptors run inside them.
"""
