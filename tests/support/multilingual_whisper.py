"""A Whisper of several languages with random weights, tiny: it hears German in everything and says nonsense.

The ids are laid out as in Whisper's models of several languages (99 languages behind the start token), and
the last text token is empty as theirs is, by which CTranslate2 tells them from the English ones.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from faster_whisper.tokenizer import _LANGUAGE_CODES
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from scripts.tiny_whisper.export import PREPROCESSOR, specification
from scripts.tiny_whisper.model import Size, TinyWhisper

LANGUAGES = [code for code in _LANGUAGE_CODES if code != "yue"]
"""As in all but the newest; their order is Whisper's only roughly, which nobody relies on."""
TEXT_TOKENS, TIMES = 50_257, 1_501
SIZE = Size(width=64, heads=2, encoder_layers=1, decoder_layers=1)


def multilingual_whisper(folder: Path) -> Path:
    """Writes the model as faster-whisper loads it, int8."""
    tokenizer = _tokenizer()
    listing = [name for name, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    listing[TEXT_TOKENS - 1] = ""
    ids = {name: at for at, name in enumerate(listing)}
    torch.manual_seed(0)
    model = TinyWhisper(SIZE, len(listing), 28, 40)
    with torch.no_grad():
        model.decoder.norm.bias[0] = 4.0  # whatever is heard, this is in every output of the decoder
        model.decoder.embedding.weight[ids["<|de|>"], 0] += 4.0
    spec = specification(model)
    spec.register_vocabulary(listing)
    end = ids["<|endoftext|>"]
    spec.config.suppress_ids = list(range(end + 1, len(listing)))
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [ids[f"<|{code}|>"] for code in LANGUAGES]
    spec.config.alignment_heads = [[0, 0]]
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return folder


def _tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [f"Ġw{number}" for number in range(TEXT_TOKENS - len(alphabet))]
    tokenizer = Tokenizer(models.BPE({name: at for at, name in enumerate([*alphabet, *words])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = ["endoftext", "startoftranscript", *LANGUAGES, "translate", "transcribe", "startoflm"]
    marks += ["startofprev", "nospeech", "notimestamps"]
    tokenizer.add_special_tokens([AddedToken(f"<|{one}|>", special=True, normalized=False) for one in marks])
    times = (f"<|{step:.2f}|>" for step in np.arange(TIMES) * 0.02)
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False) for name in times])
    return tokenizer
