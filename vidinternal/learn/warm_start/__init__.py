"""Warm starts: weights of finished windows kept in a bank, and which of them a new window starts from.

``describe`` says in a few numbers what a window shows, ``bank`` keeps weights under method, network signature, working
size and description, ``schemes`` is the arithmetic of *DIP with Transfer Learning* as we define it, ``pool`` what may
be started from, ``door`` the one place where a method takes its start and falls back to a cold one, ``meta`` the start
learned on the sample clips.
"""
