"""What the service can be told by its environment."""

from .gateway import ServiceSettings


class Settings(ServiceSettings, prefix="{{ cookiecutter.__env_prefix }}"):
    """HTTP_PORT, TLS_CERT_FILE and all the others are inherited; fields of this class are yours.

    A field `database_url: SecretStr` is {{ cookiecutter.__env_prefix }}DATABASE_URL; no message shows it.
    """
