"""Co-registered stacks: every wanted band of several datasets on the grid of one of them, and the proof that it fits.

Belongs here: carrying out the plan of a stack order (``stack``), and showing how well it went (``pictures``,
``report``). Not here: what may be ordered (``weft.orders``), or how two images are registered (``weft.registration``).
"""
