"""The web framework: Esmerald, or Ravyn, its successor, and Lilya below it.

The application has imported one of them before, as a rule; otherwise it is the one that is
installed.

All other modules import from here, so nothing but this folder changes when the framework does.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

ESMERALD = "esmerald" in sys.modules or ("ravyn" not in sys.modules and bool(find_spec("esmerald")))

if ESMERALD:
    from .esmerald import *  # noqa: F403 - its `__all__` is what there is
else:
    from .ravyn import *  # noqa: F403 - its `__all__` is what there is
