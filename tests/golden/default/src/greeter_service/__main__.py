"""`python -m greeter_service` runs the service."""

from .app import create_app
from .gateway import run
from .settings import Settings


def main() -> None:
    run(create_app, Settings)


if __name__ == "__main__":
    main()
