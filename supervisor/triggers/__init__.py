"""What asks for a restart; nothing here knows how one is done.

Files: `rules` decides which files count, `files` watches them, `content` tells a change from a save that changed
nothing, `storm` finds a bot that restarts itself by writing what is watched. Import the module that is needed.
"""
