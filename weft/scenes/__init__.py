"""Reading a mission's product into the one :class:`~weft.scenes.scene.Scene` model.

One module per mission or source. Not here: what is done with the pixels.
"""
