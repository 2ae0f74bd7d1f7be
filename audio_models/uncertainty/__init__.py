"""How sure one can be of an utterance, in three parts: that it was heard right, that its speaker is sure of
it, and that the conversation is getting somewhere."""

from audio_models.uncertainty.dialogue import REPEAT_AT, repeats, score_dialogue
from audio_models.uncertainty.recognition import score_recognition, total_doubt
from audio_models.uncertainty.speaker import hesitation

__all__ = ["REPEAT_AT", "hesitation", "repeats", "score_dialogue", "score_recognition", "total_doubt"]
