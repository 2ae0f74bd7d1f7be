"""`python -m voicewatch` is the command `voicewatch`."""

from voicewatch.cli import main

if __name__ == "__main__":
    main()
