"""Everything that starts work: definitions, jobs, schedules, sensors, automation and the command line.

Not here: what an asset does (``assets``).
"""
