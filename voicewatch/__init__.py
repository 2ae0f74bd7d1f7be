"""VoiceWatch: hears every AI phone call while it happens and puts a human into the same call."""

__version__ = "0.1.0"
