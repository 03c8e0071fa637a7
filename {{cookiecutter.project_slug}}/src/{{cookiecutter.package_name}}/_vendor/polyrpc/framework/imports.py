"""The web framework that is installed: Esmerald, or Ravyn, its successor, and Lilya below it.

All other modules import from here, so nothing but this folder changes when the framework does.
"""

from __future__ import annotations

from importlib.util import find_spec

ESMERALD = find_spec("esmerald") is not None

if ESMERALD:
    from .esmerald import *  # noqa: F403 - its `__all__` is what there is
else:
    from .ravyn import *  # noqa: F403 - its `__all__` is what there is
