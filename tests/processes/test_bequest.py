"""What a child process is handed is what the keeper was started with."""

from __future__ import annotations

import pytest

from voicewatch.processes.bequest import VARIABLE, Bequest
from voicewatch.settings import load_settings

SECRETS = {
    "judgement": {"webhook_secret": "hook-secret", "briefing_key": "model-key"},
    "speech": {"remote_token": "ear-token"},
}


def test_a_child_gets_the_secrets_as_they_are_and_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(None, SECRETS)
    made = Bequest(settings=settings, run_dir="run", descriptors={"http": 3}, pulse=4, keeper_pid=5)
    monkeypatch.setenv(VARIABLE, made.environment()[VARIABLE])
    received = Bequest.received().settings
    assert received.judgement.webhook_secret.get_secret_value() == "hook-secret"
    assert received.judgement.briefing_key.get_secret_value() == "model-key"
    assert received.speech.remote_token.get_secret_value() == "ear-token"
    shown = settings.model_dump_json() + repr(settings) + str(settings.model_dump())
    assert not any(secret in shown for secret in ("hook-secret", "model-key", "ear-token"))
