"""The web framework: Esmerald, or Ravyn, its successor, and Lilya below it.

The application has imported one of them before, as a rule; otherwise it is the one that is
installed.

All other modules import from here, so nothing but this folder changes when the framework does.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

from lilya import exceptions
from lilya._internal._connection import ClientDisconnect as ClientDisconnect
from lilya._internal._connection import Connection as Connection
from lilya._internal._path import clean_path as clean_path
from lilya.datastructures import Header as Header
from lilya.enums import Match as Match
from lilya.middleware import DefineMiddleware as DefineMiddleware
from lilya.middleware.trustedhost import TrustedHostMiddleware as TrustedHostMiddleware
from lilya.routing import BasePath as BasePath
from lilya.routing import BaseRouter as BaseRouter
from lilya.routing import Host as Host
from lilya.routing import NoMatchFound as NoMatchFound
from lilya.routing import Path as Path
from lilya.routing import WebSocketPath as WebSocketPath
from lilya.websockets import WebSocketDisconnect as WebSocketDisconnect

# A name, so that type checkers can be told which it is.
ESMERALD = "esmerald" in sys.modules or ("ravyn" not in sys.modules and bool(find_spec("esmerald")))

if ESMERALD:
    from .esmerald import *  # noqa: F403 - all that it names is meant
else:
    from .ravyn import *  # noqa: F403 - all that it names is meant

LilyaHTTPException = exceptions.HTTPException
