"""HTTP <-> gRPC. Imports nothing of the service that it serves."""

from .gateway import ServiceGateway

__all__ = ["ServiceGateway"]
