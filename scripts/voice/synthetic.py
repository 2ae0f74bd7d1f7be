"""Synthetic speech, plain and excited (higher, faster, livelier), in voices and languages of their own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audio_models.api import Samples
from scripts.voice.corpus import read

SENTENCES = {
    "en": (
        "I would like to ask about the invoice that came last week.",
        "The number on the letter is four seven one nine.",
        "My neighbour told me that you moved to another street.",
        "Could you look at the order from the second of May?",
        "It was delivered to the wrong address again.",
        "I have been waiting here since half past nine.",
    ),
    "es": (
        "Quisiera preguntar por la factura de la semana pasada.",
        "El número de la carta es cuatro siete uno nueve.",
        "Mi vecino me dijo que se mudaron a otra calle.",
        "¿Puede mirar el pedido del dos de mayo?",
        "Lo entregaron otra vez en la dirección equivocada.",
        "Estoy esperando aquí desde las nueve y media.",
    ),
    "hi": (
        "मैं पिछले हफ्ते आए बिल के बारे में पूछना चाहता हूँ।",
        "पत्र पर नंबर चार सात एक नौ है।",
        "मेरे पड़ोसी ने बताया कि आप दूसरी गली में चले गए।",
        "क्या आप दो मई का ऑर्डर देख सकते हैं?",
        "यह फिर से गलत पते पर पहुँचा दिया गया।",
        "मैं यहाँ साढ़े नौ बजे से इंतज़ार कर रहा हूँ।",
    ),
}
BASELINE = 3
"""Sentences spoken plainly first; the others are spoken both ways."""


@dataclass(frozen=True)
class Voice:
    engine: str
    name: str
    language: str = "en"

    def said(self, sentence: str, excited: bool, folder: Path) -> Samples:
        path = folder / "said.wav"
        if self.engine == "flite":
            setting = ["--setf", "duration_stretch=0.87"] if excited else []
            pitch = 1.25 * FLITE_HZ[self.name] if excited else FLITE_HZ[self.name]
            setting += ["--setf", f"int_f0_target_mean={pitch:.0f}"]
            setting += ["--setf", f"int_f0_target_stddev={22 if excited else 13}"]
            command = ["flite", "-voice", self.name, *setting, "-t", sentence, "-o", str(path)]
        else:
            manner = ["-p", "75", "-s", "185"] if excited else ["-p", "50", "-s", "160"]
            command = ["espeak-ng", "-v", self.name, *manner, "-w", str(path), sentence]
        subprocess.run(command, check=True, capture_output=True)
        return read(path)


FLITE_HZ = {"kal": 105.0, "awb": 120.0, "slt": 170.0}
VOICES = (
    *(Voice("flite", name) for name in FLITE_HZ),
    *(Voice("espeak-ng", name, name[:2]) for name in ("en-us", "en-us+f2", "es", "es+f3", "hi", "hi+f4")),
)


def available() -> bool:
    return all(shutil.which(name) for name in ("flite", "espeak-ng"))


def callers() -> Iterator[tuple[list[Samples], list[Samples], list[Samples]]]:
    """Of each voice: the baseline's sentences, then the others plain, then the others excited."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for voice in VOICES:
            sentences = SENTENCES[voice.language]
            first = [voice.said(one, False, folder) for one in sentences[:BASELINE]]
            plain = [voice.said(one, False, folder) for one in sentences[BASELINE:]]
            excited = [voice.said(one, True, folder) for one in sentences[BASELINE:]]
            yield first, plain, excited
