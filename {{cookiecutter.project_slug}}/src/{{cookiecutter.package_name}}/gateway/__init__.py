"""HTTP <-> gRPC. Imports nothing of the service that it serves."""

from .gateway import ServiceGateway
from .methods import service_names

__all__ = ["ServiceGateway", "service_names"]
