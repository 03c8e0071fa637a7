"""`python -m polyrpc.build` compiles the protos of the project in the working directory."""

from __future__ import annotations

import sys
from pathlib import Path

from .hatch import CompileError, compile_protos

if __name__ == "__main__":
    try:
        compile_protos(Path.cwd())
    except CompileError as error:
        sys.exit(str(error))
