"""Dagster resources and the ports behind them: scene archive, object store, catalogue, publishing.

Not here: pixels (``weft``) or what is materialised (``assets``).
"""
