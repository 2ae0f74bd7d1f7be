"""Training and measuring of the scorers of `audio_models`; nothing here is needed at run time."""
