"""Help with the operating system and the language that every layer needs. Imports nothing of ours."""
