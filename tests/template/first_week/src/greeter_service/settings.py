"""What the service can be told by its environment."""

from pydantic import SecretStr

from .gateway import ServiceSettings


class Settings(ServiceSettings, prefix="GREETER_SERVICE_"):
    """HTTP_PORT, TLS_CERT_FILE and all the others are inherited; these are ours."""

    database_url: SecretStr
    database_connections: int = 5
