"""Every setting, typed, with its unit: a TOML file, environment `VOICEWATCH_…`, flags, in rising precedence.

Nested fields in the environment use two underscores: `VOICEWATCH_SPEECH__MODEL=/models/small.en`.
An unknown key is an error that names the nearest valid one.
"""

from __future__ import annotations

import difflib
import errno
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    SerializationInfo,
    ValidationError,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict


class BadSettings(Exception):
    """A setting is wrong; the text names the key and the remedy."""


def cannot_write(where: Path, error: OSError) -> BadSettings:
    """What to raise when the data folder, or a part of it, is needed at the start and cannot be used."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "free some space there"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "make it writable for this user"
    else:
        remedy = "see that it can be written"
    return BadSettings(
        f"cannot write the data folder {where}: {error.strerror}; {remedy}, or choose another with --data"
    )


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _web_address(url: str) -> str:
    """A URL of a site, or nothing; anything else would be compared with browsers' origins in vain."""
    if url and not (url.startswith(("http://", "https://")) and urlsplit(url).hostname):
        raise ValueError("give it with its scheme, such as https://desk.example.com")
    return url


WebAddress = Annotated[str, AfterValidator(_web_address)]


def _written(secret: SecretStr, info: SerializationInfo) -> str:
    return secret.get_secret_value() if info.context == REVEAL else str(secret)


REVEAL = {"secrets": "as they are"}
"""Context of a dump for a process of our own; in every other dump, log or error a secret is stars."""
Secret = Annotated[SecretStr, PlainSerializer(_written, when_used="json")]


class MediaSettings(Section):
    processes: int = Field(
        1, ge=1, le=64, description="media processes; one per core that is not the models'"
    )
    opus_bitrate_bps: int = Field(
        32_000, ge=6_000, le=128_000, description="at this rate complexity 0 sounds like 4 at 24 kbit/s"
    )
    opus_complexity: int = Field(4, ge=0, le=10)
    loudness_match: bool = Field(
        True, description="agents and supervisors are heard as loud as the AI was; nothing kept is changed"
    )
    comfort_noise_dbfs: int = Field(
        -65, ge=-96, le=-50, description="noise sent where nobody sounds; -96: digital silence"
    )
    takeover_limit_ms: int = Field(
        1_500, ge=0, description="a takeover waits for a clause end at most so long"
    )
    clause_silence_ms: int = Field(200, ge=40, description="silence of the AI that ends its clause")
    handoff_notice: Literal["none", "tone", "spoken"] = Field(
        "none", description="heard before a human takes the place of the AI; a call may ask for more"
    )
    handoff_notice_clip: str = Field(
        "", description="WAV, 16 kHz mono 16 bit, for the spoken notice; empty: an English sentence"
    )
    hold_audio_clip: str = Field("", description="WAV likewise, played on hold; empty: calm chords")
    microphone_proof: bool = Field(
        True, description="the AI does not yield to a human whose microphone has not made any sound"
    )
    leg_stalled_ms: int = Field(1_000, ge=200, description="no packets for so long: leg_stalled")
    leg_lost_ms: int = Field(4_000, ge=1_000, description="no packets for so long: leg_lost")
    audio_ring_s: int = Field(
        15, ge=5, le=120, description="audio kept per leg for a restarted model process"
    )
    max_calls: int = Field(
        60, ge=1, description="calls one media process admits; more get 503 and Retry-After"
    )
    max_candidates: int = Field(16, ge=1, le=64, description="ICE candidates taken from one offer")
    allow_private_addresses: bool = Field(True, description="ICE candidates in private ranges are used")


class SpeechSettings(Section):
    engine: Literal["auto", "faster-whisper", "pocketsphinx", "remote"] = "auto"
    model: str = Field(
        "", description="folder of a CTranslate2 Whisper, or a name such as small.en; empty: none"
    )
    phrases: str = Field(
        "", description="text file, a phrase a line, of what is said here: PocketSphinx knows them then"
    )
    urgent_phrases: list[str] | None = Field(
        None,
        max_length=100,
        description="phrases that PocketSphinx listens for by themselves, as the cue `urgent`; empty: none; "
        "not given: requests for a person, threats to leave, law, emergencies",
    )
    remote_url: str = Field(
        "", description="engine remote: a server with OpenAI's /v1/audio/transcriptions, https unless near"
    )
    remote_token: Secret = Field(SecretStr(""), description="sent to it as a bearer token")
    language: str = "en"
    detector: Literal["silero", "webrtcvad"] = Field(
        "silero", description="who decides where webrtcvad's gate is open; webrtcvad: the gate alone"
    )
    vad_aggressiveness: int = Field(2, ge=0, le=3, description="webrtcvad's mode")
    hangover_ms: int = Field(500, ge=200, le=2_000, description="silence that ends an utterance")
    partial_step_ms: int = Field(500, ge=200, description="new audio between two interim decodes")
    max_utterance_ms: int = Field(12_000, ge=3_000, le=30_000)
    voice: bool = Field(
        True, description="judge how aroused a customer's voice is against his own beginning; see PRIVACY"
    )
    sentiment_model: str = Field(
        "", description="another model of sentiment, hf:FOLDER or hf:OWNER/NAME; empty: VoiceWatch's own"
    )
    voice_model: str = Field(
        "", description="another model of how aroused a voice is, hf:FOLDER or hf:OWNER/NAME; empty: our own"
    )
    workers: int = Field(1, ge=1, le=16, description="recogniser threads")
    beam_size: int = Field(1, ge=1, le=10, description="of finals; 5 costs a third more")
    overload_model: str = Field(
        "", description="a smaller Whisper that takes over when there is too much to do; empty: none"
    )


class JudgementSettings(Section):
    rules: str = Field("", description="TOML file of rules; empty: the default set")
    routing: str = Field(
        "", description="TOML file of queues, agents' skills and hours; empty: anybody, longest idle first"
    )
    offer_timeout_s: int = Field(20, ge=3, description="an offer rings so long")
    briefing_url: WebAddress = Field(
        "",
        description="base URL of an OpenAI-compatible server that writes the briefing's summary, from masked "
        "text only; empty: the card goes without",
    )
    briefing_model: str = Field("default", description="model asked there")
    briefing_key: Secret = Field(
        SecretStr(""), description="its key; best in VOICEWATCH_JUDGEMENT__BRIEFING_KEY"
    )
    briefing_timeout_s: float = Field(4.0, gt=0, le=30, description="then the card stays as it is")
    webhook_secret: Secret = Field(
        SecretStr(""),
        description="signs the webhooks of rules; best in VOICEWATCH_JUDGEMENT__WEBHOOK_SECRET",
    )
    webhook_private_addresses: bool = Field(
        False, description="webhooks may go to private addresses; loopback always may"
    )
    wrap_up_s: int = Field(
        60, ge=0, description="after-call work before an agent is available again by himself"
    )
    customer_grace_s: int = Field(
        15, ge=1, description="a lost customer may re-attach so long before the call ends"
    )


class RecordSettings(Section):
    retention_days: int = Field(
        0, ge=0, le=36_500, description="ended calls are erased after so many days; 0: kept until erased"
    )


class AccessSettings(Section):
    token_minutes: int = Field(60, ge=1, le=1_440)
    session_hours: int = Field(12, ge=1, le=168)
    allowed_origins: list[WebAddress] = Field(
        default_factory=list, description="further browser origins; the server's own is always allowed"
    )


class Settings(BaseSettings):
    """The whole of it. Made by `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix="VOICEWATCH_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65_535, description="0 takes a free port")
    data: Path = Field(Path("voicewatch-data"), description="folder that holds everything the server keeps")
    public_url: WebAddress = Field("", description="how browsers reach the server; empty: http://host:port")
    drain_limit_s: int = Field(
        30, ge=0, le=86_400, description="after SIGTERM calls may go on for so long; no new ones are taken"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    media: MediaSettings = MediaSettings()
    speech: SpeechSettings = SpeechSettings()
    judgement: JudgementSettings = JudgementSettings()
    record: RecordSettings = RecordSettings()
    access: AccessSettings = AccessSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)  # load_settings merges file, environment and flags itself, in that order


def load_settings(file: Path | None = None, flags: dict[str, Any] | None = None) -> Settings:
    """File, then environment, then flags (nested dicts; None values are left out).

    Raises BadSettings for an unreadable file, an unknown key or a wrong value.
    """
    values = _merge(_from_file(file), _merge(_from_environment(), _without_none(flags or {})))
    _refuse_unknown(Settings, values, "")
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        got = "" if _is_secret(first["loc"]) else f" (got {first['input']!r})"
        raise BadSettings(f"setting {key}: {first['msg']}{got}") from None


def _is_secret(place: Sequence[int | str]) -> bool:
    model: Any = Settings
    for part in place:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return False
        model = field.annotation
    return model is SecretStr


def _from_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"cannot read the settings file {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{file} is not valid TOML: {error}") from None


def _from_environment() -> dict[str, Any]:
    source = EnvSettingsSource(Settings)
    found: dict[str, Any] = source()
    known = set(Settings.model_fields)
    for name in os.environ:
        if name.startswith("VOICEWATCH_"):
            key = name.removeprefix("VOICEWATCH_").lower().split("__")[0]
            if key not in known and key not in _RESERVED:
                raise BadSettings(f"unknown setting {name} in the environment{_nearest(key, known)}")
    return found


_RESERVED = {"token", "sockets", "process"}
"""VOICEWATCH_… variables that are not settings: a CLI token, and what the keeper tells its children."""


def _refuse_unknown(model: type[BaseModel], values: dict[str, Any], prefix: str) -> None:
    for key, value in values.items():
        field = model.model_fields.get(key)
        if field is None:
            raise BadSettings(f"unknown setting {prefix}{key}{_nearest(key, set(model.model_fields))}")
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if not isinstance(value, dict):
                raise BadSettings(f"setting {prefix}{key} is a table of settings, not {value!r}")
            _refuse_unknown(kind, value, f"{prefix}{key}.")
        else:
            _refuse_misread(kind, value, f"{prefix}{key}")


def _refuse_misread(kind: object, value: Any, key: str) -> None:
    """What would be taken for something else than was meant."""
    if isinstance(value, bool) and kind in (int, float):
        raise BadSettings(f"setting {key} is a number, not {str(value).lower()}")
    if isinstance(value, str) and "\0" in value:
        raise BadSettings(f"setting {key} holds a NUL character")
    if kind is Path and value == "":
        raise BadSettings(f"setting {key} is empty; name a folder")


def _nearest(key: str, known: set[str]) -> str:
    close = difflib.get_close_matches(key, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}"


def _merge(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    both = dict(low)
    for key, value in high.items():
        old = both.get(key)
        both[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }
