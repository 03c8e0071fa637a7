"""RPCs by gRPC, gRPC-Web and Connect over HTTP: one module for each wire format.

No format imports another, none knows JSON routes or the framework. What several need is in modules
of its own: envelopes, compression, codecs, statuses.
"""
