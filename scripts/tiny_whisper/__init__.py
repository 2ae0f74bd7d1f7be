"""How the small Whisper of VoiceWatch is made; scripts/train_tiny_whisper runs the steps."""
