"""A scripted bot and a scripted browser: real processes, shaped like the real ones, that do what they are told to."""
