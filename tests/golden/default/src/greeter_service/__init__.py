"""One servicer per service, answering gRPC and HTTP/JSON. `app.py` shows how the parts fit."""
