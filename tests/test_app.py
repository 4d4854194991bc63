"""The page of the visualization server, without a browser."""

from __future__ import annotations

import socket

import pytest

from analysis import app
from model.scenario import InputError

try:
    import solara
except ImportError:
    solara = None

needs_solara = pytest.mark.skipif(solara is None, reason="Solara is not installed (extra `serve`)")


@needs_solara
def test_a_taken_port_is_told_with_a_free_one() -> None:
    """A server that fails with a traceback on a port in use would break it."""
    with socket.socket() as taken:
        taken.bind((app.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port} is in use.*--port \d+"):
            app.serve("ai2027", port)


@pytest.mark.skipif(solara is not None, reason="Solara is installed")
def test_missing_solara_is_told() -> None:
    """An ImportError in place of one clear line would break it."""
    with pytest.raises(InputError, match="make serve"):
        app.serve("ai2027", 0)


@needs_solara
def test_the_page_model_takes_policy_by_slider_names() -> None:
    """A slider that changes no parameter would break it."""
    from analysis.app.page import SLIDERS, PageModel, controls

    model = PageModel(copies=64, rng="3", audit=0.25, rotation=1)
    assert model.seed == 3
    assert model.parameters.oversight.audit == 0.25
    assert model.parameters.oversight.rotation == 1.0
    assert set(SLIDERS) <= set(controls())
    model.step()


@needs_solara
def test_every_view_renders_before_and_after_steps() -> None:
    """A view that fails on a fresh model or on a running one would break it."""
    from analysis.app import page

    model = page.PageModel(copies=64)
    for _ in range(2):
        for view in (page.State, page.Collective, page._plot("conduct")):
            _, context = solara.render_fixed(view(model), handle_error=False)
            context.close()
        for _ in range(3):
            model.step()
