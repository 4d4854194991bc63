"""The server's own process: Solara's application behind a door, and how it starts and stops."""

from __future__ import annotations

import logging
import signal
import warnings
from pathlib import Path
from socket import socket
from typing import Final

import uvicorn
from solara.server import settings
from solara.server.starlette import app as application
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from multicopy.analysis.app.memory import share_heaps

NAMES: Final = ("127.0.0.1", "localhost")
"""Names of this machine by which browsers may ask for the page; none that others can redirect."""

PATIENCE: Final = 3
"""Seconds that browsers are waited for when the server stops."""

warnings.filterwarnings("ignore", "Cookies with samesite=none", UserWarning)
logging.getLogger("solara").setLevel(logging.ERROR)


class OwnPages:
    """Refuse what a page from elsewhere asks for in the same browser, and to be framed by one.

    Browsers say where a request comes from: the origin of each websocket and of each request that
    could change something, and the site of all others (`Sec-Fetch-Site`). A link to the page, from
    anywhere, is no request of another page.
    """

    def __init__(self, served: ASGIApp) -> None:
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] in ("http", "websocket") and not _is_own(Headers(scope=scope)):
            refusal = PlainTextResponse("Refused: the request comes from another site.", 403)
            await refusal(scope, receive, send)
        else:
            await self._served(scope, receive, send)


def _is_own(headers: Headers) -> bool:
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    if origin is not None and origin != f"http://{headers.get('host')}":
        return False
    opened = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return site in ("same-origin", "none") or opened == ("navigate", "document")


DOOR: Final = TrustedHostMiddleware(OwnPages(application), NAMES, www_redirect=False)
"""The application as it is served: to pages of its own, by a name of this machine."""


class Server(uvicorn.Server):
    """A server that says when it can be asked."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            where = f"http://{self.config.host}:{self.config.port}"
            print(f"Open {where} in a browser; Ctrl-C stops the server.", flush=True)


def run(host: str, port: int) -> int:
    """Serve until this process is told to stop; return its exit code."""
    share_heaps()
    settings.assets.extra_locations = [str(Path(__file__).with_name("assets"))]
    config = uvicorn.Config(
        DOOR, host, port, log_level="error", access_log=False, timeout_graceful_shutdown=PATIENCE
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        Server(config).run()
    except KeyboardInterrupt:
        return 0
    return 1
