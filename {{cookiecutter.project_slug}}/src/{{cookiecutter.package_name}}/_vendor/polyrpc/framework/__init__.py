"""The web framework: the only room that knows which one it is."""
