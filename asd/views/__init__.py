"""The pages of the Agency Services Database."""
