"""The tokenizer: byte-level BPE laid out as Whisper's English models have it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

TEXT_TOKENS: Final = 640  # 256 bytes and the most frequent words and pieces
TIMESTAMP_STEP_S: Final = 0.02
_TIMESTAMPS = 1501

# The order matters: CTranslate2 counts the languages as nospeech - startoftranscript - 5, and
# faster-whisper takes ids below endoftext for text and ids above notimestamps for times.
_SPECIAL = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)


def build_tokenizer(texts: list[str]) -> Tokenizer:
    """Train the BPE pieces on some texts and add Whisper's special and time tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TEXT_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator([" " + text for text in texts], trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in _SPECIAL])
    times = (f"<|{i * TIMESTAMP_STEP_S:.2f}|>" for i in range(_TIMESTAMPS))
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in times])
    return tokenizer


@dataclass(frozen=True)
class Piece:
    """A token of a text and the share of the text's characters before and after it."""

    token: int
    start: float
    end: float


class Vocabulary:
    """Ids that training needs, by name."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.size: int = tokenizer.get_vocab_size()
        self.end = self._id("<|endoftext|>")
        self.start = self._id("<|startoftranscript|>")
        self.no_speech = self._id("<|nospeech|>")
        self.no_timestamps = self._id("<|notimestamps|>")
        self.time_zero = self._id("<|0.00|>")
        self.blank: int = tokenizer.encode(" ").ids[0]

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        return cls(Tokenizer.from_file(str(path)))

    def _id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        assert found is not None, token
        return int(found)

    def pieces(self, text: str) -> list[Piece]:
        """A text's tokens (with the leading space that Whisper writes)."""
        encoding = self.tokenizer.encode(" " + text)
        length = len(text) + 1
        return [
            Piece(token, start / length, end / length)
            for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
        ]

    def time(self, at_s: float) -> int:
        """The token of a time from the start of the window."""
        return self.time_zero + min(_TIMESTAMPS - 1, max(0, round(at_s / TIMESTAMP_STEP_S)))

    def listing(self) -> list[str]:
        """All tokens in the order of their ids."""
        by_id = {i: token for token, i in self.tokenizer.get_vocab().items()}
        return [by_id[i] for i in range(self.size)]
