"""Digital numbers to physical values, and which pixels are observations at all.

One module per rule a mission supplies. Not here: decisions about whole scenes (``weft.compositing.observations``).
"""
