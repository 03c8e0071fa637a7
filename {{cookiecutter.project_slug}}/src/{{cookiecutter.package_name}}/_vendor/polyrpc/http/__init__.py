"""RPCs over HTTP/JSON: from a request to the servicer and back."""
