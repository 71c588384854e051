"""From a mask to an inventory: objects, their outlines, ways and measures, and the law of areas."""
