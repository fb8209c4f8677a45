"""When mosaics follow by themselves.

Belongs here: automation conditions and the sensor that evaluates them. Not here: what brings in new scenes
(``sensors``) or closes a season (``schedules``): composites are many, and are started by those in ranges, not one by
one by a condition that looks at every key.
"""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

FOLLOWED = ("orbit_mosaic", "track_levels", "mosaic", "mosaic_expressions", "region_mosaic")
"""Last parts of the keys of assets that follow their inputs."""


def follow_inputs() -> dg.AutomationCondition[dg.AssetKey]:
    """Run a partition once all its inputs are there, none is being made, and any has changed since it last ran.

    All periods are looked at, not the latest only: late and reprocessed scenes reach old seasons too. "Changed" means a
    new data version; re-making the same composite starts nothing. A run that fails is not asked for again until an
    input changes.
    """
    condition = dg.AutomationCondition
    wanted = (
        (condition.missing() & condition.initial_evaluation())
        | condition.newly_missing()
        | condition.any_deps_match(condition.data_version_changed())
    )
    ready = (
        ~condition.any_deps_missing()
        & ~condition.any_deps_in_progress()
        & ~condition.in_progress()
        & condition.all_deps_blocking_checks_passed()
    )
    # Not `since_last_handled`: that forgets what was wanted when the sensor is first turned on.
    handled = condition.newly_requested() | condition.newly_updated()
    return (wanted.since(handled) & ready).with_label("follow_inputs")


def automated(assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The same assets, those in :data:`FOLLOWED` with :func:`follow_inputs`."""

    def attach(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.key.path[-1] not in FOLLOWED:
            return spec
        return spec.replace_attributes(automation_condition=follow_inputs())

    return [attach(asset) if isinstance(asset, dg.AssetSpec) else asset.map_asset_specs(attach) for asset in assets]


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the conditions; an operator turns it on."""
    return dg.AutomationConditionSensorDefinition(
        "mosaics_follow_composites",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Makes everything from orbit mosaics to region mosaics when its inputs are there and have changed.",
    )
