"""The floor: the least that Django can do on the same server for the same kind of page."""
