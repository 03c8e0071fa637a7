"""One call over HTTP, whatever protocol its caller speaks: context, messages, deadline, end.

Wire formats are rooms and modules of their own, which import this one; it knows none of them.
"""
