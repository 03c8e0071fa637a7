"""What the service can be told by its environment."""

from .gateway import ServiceSettings


class Settings(ServiceSettings, prefix="GREETER_SERVICE_"):
    """HTTP_PORT, TLS_CERT_FILE and all the others are inherited; fields of this class are yours.

    A field `database_url: SecretStr` is GREETER_SERVICE_DATABASE_URL; no message shows it.
    """
