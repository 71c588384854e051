"""ALADIM: landslides from images before and after.

Not offered as a service yet: a job needs samples of its scene, and neither works without them nor
with the model of another event.
"""
