"""Draws: views, the units in which compute is added, and keyed randomness."""
