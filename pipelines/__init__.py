"""Everything that starts work: definitions, jobs, schedules, sensors, automation and the command line.

Not here: what an asset does (``assets``).
"""

import warnings

from dagster import BetaWarning

# All are used on purpose and Dagster is pinned below its next minor version, so a user can do nothing about them.
for _subject in (
    "Parameter `backfill_policy` of function `asset`",
    "Class `MultiPartitionMapping`",
    "Class `MultiToSingleDimensionPartitionMapping`",
):
    warnings.filterwarnings("ignore", message=f"{_subject} is currently in beta", category=BetaWarning)
