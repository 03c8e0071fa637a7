"""The OpenAPI document of RPCs, from their descriptors."""
