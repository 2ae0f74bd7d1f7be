"""Settings: precedence, and errors that name the key and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicewatch.settings import BadSettings, Settings, load_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "voicewatch.toml"
    path.write_text('port = 1000\nhost = "::1"\n[media]\nprocesses = 2\nopus_complexity = 1\n')
    return path


def test_flags_beat_the_environment_which_beats_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEWATCH_PORT", "2000")
    monkeypatch.setenv("VOICEWATCH_MEDIA__PROCESSES", "3")
    settings = load_settings(file, {"port": 3000, "host": None})
    assert (settings.port, settings.host) == (3000, "::1")
    assert (settings.media.processes, settings.media.opus_complexity) == (3, 1)


def test_settings_survive_the_way_to_another_process() -> None:
    settings = load_settings(flags={"media": {"processes": 2}, "data": Path("/srv/x")})
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("prot = 1", "unknown setting prot; did you mean port"),
        ("[media]\nproceses = 1", r"unknown setting media\.proceses; did you mean processes"),
        ("media = 3", "media is a table"),
        ("[media]\nprocesses = 0", r"setting media\.processes: .*greater than or equal to 1 \(got 0\)"),
        ("port = [", "not valid TOML"),
        ('public_url = "calls.example.com"', r"setting public_url: .*https://"),
        ('[access]\nallowed_origins = ["null"]', r"setting access\.allowed_origins\.0: .*https://"),
        ('public_url = "http://[::1"', r"setting public_url: "),
        ("port = true", "setting port is a number, not true"),
        ("[judgement]\nbriefing_timeout_s = false", r"judgement\.briefing_timeout_s is a number, not false"),
        ('data = ""', "setting data is empty; name a folder"),
        ('host = "a\\u0000b"', "setting host holds a NUL"),
        ("[speech]\nremote_token = 4417", r"setting speech\.remote_token: [^4]*valid string$"),
        ("[access]\ntoken_minutes = [1]", r"setting access\.token_minutes: .*\(got \[1\]\)"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(BadSettings, match=complaint):
        load_settings(path)


def test_a_missing_file_and_a_misspelt_variable_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadSettings, match=r"cannot read the settings file .*No such file"):
        load_settings(tmp_path / "none.toml")
    monkeypatch.setenv("VOICEWATCH_POTR", "1")
    with pytest.raises(
        BadSettings, match="unknown setting VOICEWATCH_POTR in the environment; did you mean port"
    ):
        load_settings()


def test_what_the_keeper_and_the_command_line_use_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VOICEWATCH_TOKEN", "VOICEWATCH_PROCESS"):
        monkeypatch.setenv(name, "x")
    assert load_settings().port == 8080
