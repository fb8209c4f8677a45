"""The object store's port and its implementation. Not here: the Dagster resource (``resources.object_store``)."""
