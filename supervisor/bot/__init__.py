"""One run of the bot, from its spawn until its process tree is proven gone, and what can be seen of it meanwhile.

- run: one spawn of the bot; `Slot` holds the current one.
- mark: a unique value in the environment of every process of a run, by which they are recognised as ours.
- live: a browser that the run has open, with the state of its page.
- released: what is known of a profile after its browser has exited.
- stop: closing the browsers, ending the tree, proving that nothing is left.
- prestart: the next run's leader, started early and held before its program's first line.

May import `browser` and what is below it.
"""
