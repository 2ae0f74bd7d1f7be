"""Demonstration calls: who says what, in which voice and mood, and its pre-rendered speech.

A scenario is one TOML file in ``scenarios/``: attributes of the call, a voice per role and
the lines in the order in which they are said. Nobody's turn has a time: whoever plays a
scenario speaks when the line before has been heard to its end. Every line has an Opus clip
under ``clips/``, rendered by ``scripts/make_speech``; nothing is synthesised at run time.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

CLIP_RATE_HZ: Final = 16_000
PAUSE_BETWEEN_LINES_S: Final = 0.8

DEMO_FOLDER: Final = Path(__file__).resolve().parent
SCENARIO_FOLDER: Final = DEMO_FOLDER / "scenarios"

Role = Literal["customer", "ai", "agent", "supervisor"]
Phase = Literal["ai", "agent", "coach", "barge", "handback", "closing"]
Mood = Literal["neutral", "negative", "positive"]
Samples = npt.NDArray[np.int16]


class ScenarioError(ValueError):
    """A scenario that is missing, unreadable or wrong; the text names the field and the remedy."""


class Line(BaseModel):
    """One thing that one role says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9-]+$", description="unique within its scenario")
    role: Role
    phase: Phase = Field(description="which part of the call this line belongs to")
    text: str = Field(min_length=1, max_length=200)
    mood: Mood
    clip: str = Field(description="path of the Opus file, relative to voicewatch/demo")

    @field_validator("clip")
    @classmethod
    def _stays_under_clips(cls, clip: str) -> str:
        path = PurePosixPath(clip)
        if path.parts[:1] != ("clips",) or ".." in path.parts or path.suffix != ".opus":
            raise ValueError("must look like clips/<scenario>/<line>.opus")
        return clip

    @property
    def clip_path(self) -> Path:
        """Where the clip lies on disk."""
        return DEMO_FOLDER / self.clip


class Scenario(BaseModel):
    """One call, in the order in which its lines are said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    language: str = Field(pattern=r"^[a-z]{2}$")
    attributes: dict[str, str] = Field(description="of the call: customer_name, tier, topic")
    voices: dict[Role, str] = Field(description="flite voice of each role")
    lines: tuple[Line, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        repeated = [line_id for line_id, n in Counter(line.id for line in self.lines).items() if n > 1]
        if repeated:
            raise ValueError(f"line ids must be unique; used more than once: {', '.join(repeated)}")
        voiceless = {line.role for line in self.lines} - set(self.voices)
        if voiceless:
            raise ValueError(f"add a voice under [voices] for: {', '.join(sorted(voiceless))}")
        return self

    def lines_of(self, role: Role, phase: Phase | None = None) -> tuple[Line, ...]:
        """The lines of one role, of one phase only if it is given."""
        return tuple(line for line in self.lines if line.role == role and phase in (None, line.phase))


def list_scenarios() -> list[str]:
    """Names of all scenarios, sorted."""
    return sorted(path.stem for path in SCENARIO_FOLDER.glob("*.toml"))


def load_scenario(name: str) -> Scenario:
    """Read a scenario by its name; raises ScenarioError when it is missing or wrong."""
    if name not in list_scenarios():
        raise ScenarioError(f"there is no scenario {name!r}; choose one of: {', '.join(list_scenarios())}")
    return read_scenario(SCENARIO_FOLDER / f"{name}.toml")


def read_scenario(path: Path) -> Scenario:
    """Read one scenario file; its name must be that of the file."""
    try:
        scenario = Scenario.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"scenario {path} cannot be read: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'scenario'}: {item['msg']}"
            for item in error.errors()
        )
        raise ScenarioError(f"scenario {path} is wrong: {problems}") from error
    if scenario.name != path.stem:
        raise ScenarioError(f"scenario {path}: name must be {path.stem!r}, like its file")
    return scenario


def clip_samples(line: Line) -> Samples:
    """The speech of a line: int16, mono, 16 kHz."""
    import av  # only players decode clips; reading scenarios must stay light
    from av.audio.resampler import AudioResampler

    resampler = AudioResampler(format="s16", layout="mono", rate=CLIP_RATE_HZ)
    try:
        with av.open(str(line.clip_path)) as container:
            resampled = [
                out.to_ndarray()
                for decoded in container.decode(audio=0)
                for out in resampler.resample(decoded)
            ]
        resampled += [out.to_ndarray() for out in resampler.resample(None)]
    except (av.error.FFmpegError, OSError) as error:
        raise ScenarioError(
            f"clip {line.clip} of line {line.id!r} cannot be read ({error}); run scripts/make_speech"
        ) from error
    return np.concatenate([part.reshape(-1) for part in resampled]).astype(np.int16)


def render_two_channel(scenario: Scenario) -> tuple[Samples, int]:
    """Lay a call out as a two-channel recording: customer left, all who answer right.

    Lines follow one another with a pause, as heard by the customer: coach lines are left out.
    Returns the samples, shaped (n, 2), and their rate in Hz.
    """
    pause = np.zeros(int(PAUSE_BETWEEN_LINES_S * CLIP_RATE_HZ), np.int16)
    left, right = [pause], [pause]
    for line in scenario.lines:
        if line.phase == "coach":
            continue
        speech = clip_samples(line)
        silence = np.zeros_like(speech)
        by_customer = line.role == "customer"
        left += [speech if by_customer else silence, pause]
        right += [silence if by_customer else speech, pause]
    return np.stack([np.concatenate(left), np.concatenate(right)], axis=1), CLIP_RATE_HZ
