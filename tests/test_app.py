"""The visualization server: where it listens, whom it answers, how it ends, what it says if not."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from importlib.util import find_spec

import psutil
import pytest
from page_support import Served, answers, serving, wait_for, write_short

from multicopy.analysis import app
from multicopy.model.scenario import InputError


def installed_but(monkeypatch: pytest.MonkeyPatch, missing: str = "") -> None:
    """Pretend that the extra is installed, but for one module."""
    monkeypatch.setattr(app, "find_spec", lambda name: None if name == missing else name)


def test_a_taken_port_is_told_with_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a port in use gives a traceback, or advice that is of no use."""
    installed_but(monkeypatch)
    with socket.socket() as taken:
        taken.bind((app.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"^port {port} is in use.*--port \d+$") as told:
            app.serve("ai2027", port)
        assert app._is_free(int(str(told.value).rpartition(" ")[2]))
    assert app._is_free(port)


@pytest.mark.parametrize("port", [0, 65535 + 1, 10**12])
def test_a_port_that_cannot_be_is_told_with_one_that_can(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if there is an OverflowError, or `--port None` as advice."""
    installed_but(monkeypatch)
    with pytest.raises(InputError, match=r"not allowed; try --port \d+$"):
        app.serve("ai2027", port)


@pytest.mark.parametrize("module", app.NEEDED)
def test_a_missing_module_is_told(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if there is a traceback, or a page that loads its scripts from the internet."""
    installed_but(monkeypatch, module)
    with pytest.raises(InputError, match=f"needs {module}.*make serve"):
        app.serve("ai2027", 0)


# --- the process itself -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server, which leaves with 0 when it is told to end."""
    if not all(map(find_spec, app.NEEDED)):
        pytest.skip("the page needs the extra `serve`")
    folder = tmp_path_factory.mktemp("served")
    with serving(write_short(folder), folder, signal.SIGTERM) as served:
        yield served


def status(served: Served, path: str, headers: Mapping[str, str], method: str = "GET") -> int:
    """How a request is answered; that of a websocket where `headers` ask for one."""
    connection = HTTPConnection(app.HOST, served.port, timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    connection.close()
    return answer.status


WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "bXVsdGljb3B5LXRlc3QtMQ==",
}
SCRIPT = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
FRAME = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}


def foreign(port: int) -> list[dict[str, str]]:
    """How a browser asks on behalf of pages that are not this server's."""
    origins = ["http://evil.example", "null", f"https://127.0.0.1:{port}", "http://127.0.0.1"]
    origins += [f"http://127.0.0.1:{port + 1}", f"http://localhost:{port}", f"file://{app.HOST}"]
    hosts = ["evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", ""]
    hosts += [f"{socket.gethostname()}.local:{port}", f"0.0.0.0:{port}", "169.254.169.254"]
    rebound = [{"Host": host, "Origin": f"http://{host}"} for host in hosts]
    sites = [
        {"Sec-Fetch-Site": site, **what}
        for site in ("cross-site", "same-site")
        for what in (SCRIPT, FRAME)
    ]
    return [{"Origin": o} for o in origins] + [{"Host": host} for host in hosts] + rebound + sites


def test_pages_from_elsewhere_are_refused_at_every_door(served: Served) -> None:
    """Fails if a page of another origin, or by another name, reaches anything that is served."""
    routes = served.seen()["routes"]
    paths = {
        path.format(**dict.fromkeys(("id", "kernel_id", "name", "fullpath"), "x"))
        for path in (route.replace(":path", "") for route in routes)
    }
    assert {"/", "/jupyter/api/kernels/x/x", "/_solara/api/close/x", "/static", "/readyz"} <= paths
    paths |= {"/static/public/x", "/static/main-vuetify.js", "/nothing/here?session_id=x"}
    for path in sorted(paths):
        for headers in foreign(served.port):
            asked = path if "?" in path else f"{path}?session_id=x"
            for method, more in (("GET", {}), ("POST", {}), ("GET", WEBSOCKET)):
                found = status(served, asked, {**headers, **more}, method)
                assert found in (400, 403), (method, path, headers, more)


def test_the_page_itself_is_answered_by_both_names_of_this_machine(served: Served) -> None:
    """Fails if the page, its files or its websocket are refused to a browser that opened it."""
    for name in (app.HOST, "localhost"):
        here = f"{name}:{served.port}"
        own = {"Host": here, "Origin": f"http://{here}", "Sec-Fetch-Site": "same-origin"}
        assert status(served, "/static/main-vuetify.js", own) == 200
        assert status(served, "/_solara/api/close/x?session_id=x", own, "POST") == 200
        socket_ = {**own, **WEBSOCKET, "Sec-Fetch-Mode": "websocket"}
        assert status(served, "/jupyter/api/kernels/x/channels?session_id=x", socket_) == 101
        link = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        for site in ("none", "same-origin", "cross-site"):  # typed, reloaded, followed
            assert status(served, "/", {"Host": here, "Sec-Fetch-Site": site, **link}) == 200


def test_the_server_stays_on_this_machine_and_is_one_process(served: Served) -> None:
    """Fails if other machines reach it, if it asks any, or if a child could outlive it."""
    assert answers(served.url)
    process = psutil.Process(served.process.pid)
    assert not process.children(recursive=True)
    found = process.net_connections("inet")
    assert {c.laddr.ip for c in found} == {app.HOST}
    assert {c.raddr.ip for c in found if c.raddr} <= {app.HOST}
    assert [c.laddr.port for c in found if c.status == psutil.CONN_LISTEN] == [served.port]


def test_a_killed_server_frees_its_port(served: Served) -> None:
    """Fails if something goes on holding the port once the process is gone."""
    with pytest.raises(InputError, match="is in use"):
        app.serve("ai2027", served.port)
    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait(60)
    wait_for(lambda: app._is_free(served.port))
    assert not answers(served.url)
