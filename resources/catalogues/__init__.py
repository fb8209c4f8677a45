"""The catalogue's port and its back ends. Not here: the Dagster resource (``resources.catalogue``)."""
