"""Where pixels lie on the ground: sensor models, lines of sight, intersection, height datums."""
