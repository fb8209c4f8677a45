"""The craft of Weft: rasters and STAC in, rasters and STAC out.

Belongs here: everything that can be tested without an orchestrator. Never imports dagster, assets, resources or
pipelines.
"""

__version__ = "0.1.0"
