"""Groups of pictures that nothing changed are copied packet for packet: `rendering` is the door."""
