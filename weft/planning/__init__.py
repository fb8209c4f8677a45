"""Planning: which tile_tracks and sheets an area needs, before anything is acquired.

Belongs here: reading an area, planning it, splitting a plan, and writing region files. Not here: the geometry of tiles,
tracks and sheets (``weft.mosaicking``), or what a region file means (``weft.regions``).
"""

from weft.planning.area import read_area
from weft.planning.files import region_files, template
from weft.planning.plan import Plan, plan
from weft.planning.splitting import split

__all__ = ["Plan", "plan", "read_area", "region_files", "split", "template"]
