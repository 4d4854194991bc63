"""The visualization server and its page, without a browser."""

from __future__ import annotations

import inspect
import socket
import warnings
from pathlib import Path
from typing import Any

import pytest

from analysis import app
from model.scenario import InputError, resolve

try:
    import ipyvuetify
    import ipywidgets
    import solara
except ImportError as missing:
    solara = None
    reason = f"the page needs the extra `serve`: {missing}"
else:
    reason = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Solara dislikes Mesa 3.3's own code
        from analysis.app import page

needs_solara = pytest.mark.skipif(solara is None, reason=reason)


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A scenario of 12 rounds for the page, with a policy of its own."""
    file = tmp_path / "short.toml"
    rounds = "".join(f"[phases.{name}]\nrounds = 2\n" for name in resolve().phases)
    policy = "[oversight]\npenalty = 50.0\naudit = 0.75\n"
    file.write_text(f'base = "ai2027"\nname = "short"\ncopies = 64\nteams = 4\n{policy}{rounds}')
    monkeypatch.setenv(app.SCENARIO, str(file))
    return str(file)


# --- the server ---------------------------------------------------------------------------------


def without_server(monkeypatch: pytest.MonkeyPatch, missing: str = "") -> None:
    """Pretend that the extra is installed, but for one module; let no server start."""
    monkeypatch.setattr(app, "find_spec", lambda name: None if name == missing else name)
    monkeypatch.setattr(app.subprocess, "Popen", lambda *_, **__: pytest.fail("it was started"))


def test_a_taken_port_is_told_with_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that fails with a traceback on a port in use would break it."""
    without_server(monkeypatch)
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
    """An OverflowError, or `--port None` as advice, would break it."""
    without_server(monkeypatch)
    with pytest.raises(InputError, match=r"not allowed; try --port \d+$"):
        app.serve("ai2027", port)


@pytest.mark.parametrize("module", app.NEEDED)
def test_a_missing_module_is_told(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback, or a page that loads its scripts from the internet, would break it."""
    without_server(monkeypatch, module)
    with pytest.raises(InputError, match=f"needs {module}.*make serve"):
        app.serve("ai2027", 0)


def test_the_server_stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that other machines reach, or that reports to its makers, would break it."""
    calls: list[Any] = []

    class Server:
        def __init__(self, command: list[str], env: dict[str, str]) -> None:
            calls.append((command, env))

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def wait(self) -> int:
            return 3

    without_server(monkeypatch)
    monkeypatch.setattr(app.subprocess, "Popen", Server)
    with socket.socket() as probe:
        probe.bind((app.HOST, 0))
        port = probe.getsockname()[1]
    assert app.serve("slowdown", port) == 3
    ((command, env),) = calls
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == str(port)
    assert "--no-check-version" in command
    assert env[app.SCENARIO] == "slowdown"
    assert env["SOLARA_TELEMETRY_MIXPANEL_ENABLE"] == "false"
    assert env["PYTHONPATH"].startswith(str(app.ROOT))


# --- the page -----------------------------------------------------------------------------------


@needs_solara
def test_the_page_model_takes_policy_by_slider_names() -> None:
    """A slider that changes no parameter, or another one than its own, would break it."""
    values = {"audit": 0.25, "penalty": 3, "debate": 0.5, "rotation": 1, "contest_rate": 0.125}
    model = page.PageModel(copies=64, rng=3, **values)
    assert (model.seed, model.parameters.copies) == (3, 64)
    for name, (path, _, _) in page.SLIDERS.items():
        section, _, field = path.partition(".")
        assert getattr(getattr(model.parameters, section), field) == values[name]
    model.step()
    assert len(model.rounds()) == model.round == model.steps == 1


@needs_solara
def test_mesa_accepts_every_control_by_name() -> None:
    """A catch-all argument, which Mesa refuses or fills with more, would break it."""
    known = inspect.signature(page.PageModel.__init__).parameters
    assert set(page.controls(resolve())) == set(known) - {"self"}
    assert all(p.kind is p.KEYWORD_ONLY for name, p in known.items() if name != "self")


@needs_solara
def test_controls_show_the_scenario(short: str) -> None:
    """Controls at the default's values, or that cannot reach the scenario's, would break it."""
    shown = page.controls(page.scenario())
    assert shown["audit"]["value"] == 0.75
    assert shown["penalty"]["value"] == shown["penalty"]["max"] == 50.0
    assert shown["copies"]["values"] == [64, 256, 1024, 4096]
    values = {name: control["value"] for name, control in shown.items()}
    model = page.PageModel(**{**values, "copies": 64})
    assert model.parameters == page.PageModel().parameters == resolve(short)


@needs_solara
def test_only_sizes_that_fit_the_scenario_are_offered() -> None:
    """A choice that fails at Reset would break it."""
    shown = page.controls(resolve(overrides={"copies": 480, "teams": 48}))["copies"]
    assert shown["values"] == [480]
    assert shown["value"] == 480


@needs_solara
def test_steps_after_the_last_round_do_nothing(short: str) -> None:
    """A frame that goes on after the end, as SolaraViz's do, would break it."""
    model = page.PageModel()
    for _ in range(15):
        model.step()
    assert not model.running
    assert model.steps == model.round == len(model.rounds()) == 12
    page.PageModel().step()


@needs_solara
def test_tiles_place_teams_in_their_divisions() -> None:
    """A team drawn in another division, or two in one place, would break it."""
    model = page.PageModel(copies=224)
    population = model.population
    shown = page.tiles(list(range(7)), population)
    assert (population.teams, shown.shape[0]) == (7, population.divisions)
    for division, row in enumerate(shown):
        teams = [t for t in range(7) if population.division_of_team[t] == division]
        assert row[: len(teams)].tolist() == teams
        assert all(row[len(teams) :] != row[len(teams) :])


@needs_solara
def test_every_view_renders_before_and_after_steps() -> None:
    """A view that fails on a fresh model or on a running one would break it."""
    model = page.PageModel(copies=64)
    for steps in (0, 1, 2):
        for _ in range(steps):
            model.step()
        for view in (page.State, *page.VIEWS):
            _, context = solara.render(view(model), handle_error=False)
            shown = context.find(ipywidgets.Image if view in page.VIEWS else ipyvuetify.Html)
            assert len(shown) == (model.round > 0 or view in (page.State, page.Collective))
            context.close()
    assert model.round == 3


@needs_solara
def test_the_page_steps_and_resets(short: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buttons that do nothing, or a Reset that forgets a slider, would break it."""
    models: list[Any] = []
    state = page.State
    monkeypatch.setattr(page, "State", lambda model: (models.append(model), state(model)))

    @solara.component
    def Whole() -> None:
        with solara.AppLayout():
            page.Page()

    _, context = solara.render(Whole(), handle_error=False)

    def click(label: str) -> None:
        context.find(ipyvuetify.Btn, children=[label]).widget.click()

    try:
        click("Step")
        assert models[-1].round == 12
        assert "Round 12 of 12" in str(context.find(ipyvuetify.Html, tag="span").widgets)
        context.find(ipyvuetify.Slider, label="chance that a task is audited").widget.v_model = 0.25
        context.find(ipyvuetify.Slider, label="seed").widget.v_model = 7
        click("Reset")
        assert models[-1].round == 0
        assert models[-1].seed == 7
        assert models[-1].parameters.oversight.audit == 0.25
        assert models[-1].parameters.oversight.penalty == 50.0
    finally:
        context.close()
