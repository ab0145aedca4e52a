"""A plainly fictional organisation with a history, for trying the program out."""
