"""Who paints what, and when. Pure: no clock, socket, process or file; events in, effects out."""
