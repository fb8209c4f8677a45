"""A synthetic Sentinel-2 L2A archive whose truth is kept: what every product can be compared with.

Belongs here: an invented ground, invented weather and a model of the sensor, written as a static STAC catalogue with
the defects that real archives have. Not here: reading scenes or making products; nothing outside this package may
depend on knowing that an archive is synthetic, except the report that compares with the truth.
"""

from weft.simulation.simulator import Simulation, simulate

__all__ = ["Simulation", "simulate"]
