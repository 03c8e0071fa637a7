"""The files of Swagger UI: where the build has put them, beside the stubs of a service.

They are those of the distribution `flask-swagger-ui`, which only the build needs, as it needs Flask
for it: neither is installed where the service runs. Where a package has no such folder, as that of
an application that is not built, they are taken from the distribution itself, if it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path

FOLDER = "swagger_ui"


@dataclass(frozen=True)
class SwaggerFiles:
    """A folder with them, and their version."""

    folder: Path
    version: str

    def read(self, name: str) -> bytes:
        """Return the content of one."""
        return (self.folder / name).read_bytes()


def swagger_files(package: str | None) -> SwaggerFiles | None:
    """Find the files.

    Args:
        package: The service's.

    Returns:
        None: they are nowhere.
    """
    if package is not None:
        folder = Path(str(files(package).joinpath(FOLDER)))
        if (folder / "VERSION").is_file():
            return SwaggerFiles(folder, (folder / "VERSION").read_text(encoding="utf-8").strip())
    try:
        installed = distribution("flask-swagger-ui")
    except PackageNotFoundError:
        return None
    folder = Path(str(installed.locate_file("flask_swagger_ui/dist")))
    return SwaggerFiles(folder, installed.version)
