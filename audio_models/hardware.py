"""What a Whisper should run on here: asked by the loader, and told by `voicewatch doctor`."""

from __future__ import annotations

from dataclasses import dataclass

import ctranslate2

PREFERRED = {
    "cuda": ("float16", "int8_float16", "int8_float32", "float32"),
    "cpu": ("int8", "int8_float32", "float32"),
}
"""Fastest first. On a CPU int8 decodes 2 to 3 times as fast as float32; on a GPU float16 loses no words."""
BATCH = {"cuda": 16, "cpu": 8}
"""Windows decoded at once. On a CPU eight decode 3.4 times as fast as one by one and more gain nothing."""


@dataclass(frozen=True)
class Hardware:
    """`device` cuda or cpu, CTranslate2's compute type, windows in a batch."""

    device: str
    compute_type: str
    batch: int


def choose(gpus: int, supported: dict[str, set[str]]) -> Hardware:
    """For so many GPUs and the compute types that each kind of device can do."""
    device = "cuda" if gpus and supported.get("cuda") else "cpu"
    can = supported.get(device, set())
    compute_type = next((one for one in PREFERRED[device] if one in can), "default")
    return Hardware(device, compute_type, BATCH[device])


def here() -> Hardware:
    """For this machine."""
    gpus = int(ctranslate2.get_cuda_device_count())
    kinds = ("cpu", "cuda") if gpus else ("cpu",)
    return choose(gpus, {kind: set(ctranslate2.get_supported_compute_types(kind)) for kind in kinds})
