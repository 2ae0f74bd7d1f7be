"""What the keeper hands to a child: settings, sockets and its own pid, in one environment variable."""

from __future__ import annotations

import os
import signal

from pydantic import BaseModel, ConfigDict, ValidationError

from voicewatch.settings import REVEAL, Settings

VARIABLE = "VOICEWATCH_PROCESS"

END_NOW = signal.SIGUSR1
"""What the keeper sends to a child. SIGTERM, from people, lets a media process finish its calls first."""
EXIT_BAD_SETTINGS = 78
"""A child ends with this (EX_CONFIG of sysexits.h) when starting it again cannot help."""


class NoBequest(Exception):
    """The process was not started by the keeper."""


class Bequest(BaseModel):
    model_config = ConfigDict(frozen=True)
    settings: Settings
    run_dir: str
    descriptors: dict[str, int]
    """Listening sockets by name; the child has them open under these numbers."""
    pulse: int
    """The descriptor to beat on, see pulse.py."""
    keeper_pid: int

    def environment(self) -> dict[str, str]:
        """The variables of a child: ours, and this."""
        # Our matrices are small: more threads of numpy's BLAS would only spin, on cores that others need.
        return {"OPENBLAS_NUM_THREADS": "1"} | os.environ | {VARIABLE: self.model_dump_json(context=REVEAL)}

    @classmethod
    def received(cls) -> Bequest:
        """What this process was handed; taken out of the environment, since it is for nobody else."""
        told = os.environ.pop(VARIABLE, None)
        if told is None:
            raise NoBequest("a process is started by the keeper; run `voicewatch serve`")
        try:
            return cls.model_validate_json(told)
        except ValidationError:
            raise NoBequest(f"{VARIABLE} does not hold what a keeper of this version writes") from None
