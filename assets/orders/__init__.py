"""The order lane: what somebody asked for, made on demand, one dynamic partition for each order.

Belongs here: its assets, one product family a file. Not here: what is made systematically of a region (``assets``), or
what starts work (``pipelines``).
"""
