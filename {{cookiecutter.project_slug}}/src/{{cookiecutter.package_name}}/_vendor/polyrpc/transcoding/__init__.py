"""`google.api.http`: RPCs at paths and query parameters of their own."""
