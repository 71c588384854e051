"""ALADIM: landslides from images before and after.

Not offered as a service yet.  A job needs samples of its scene; the inputs model, probability,
change_threshold, suggestions and segments, and the value segment of unit, are declared and have no
effect.
"""
