"""The errors Weft raises on purpose.

Belongs here: the hierarchy and what each kind means to whoever catches it. Not here: exit codes (``pipelines``), retry
policies (``assets``). Each message names the thing, its value and what to do about it.
"""


class WeftError(Exception):
    """Root of the errors Weft raises on purpose."""


class RequestError(WeftError):
    """The request is wrong (region file, period, band, order); retrying cannot help."""


class SceneRejected(WeftError):
    """One scene cannot be used; it is set aside and named, the rest of the work goes on.

    Attributes:
        scene_id: STAC item id of the scene.
        reason: why it was set aside, in one sentence.
    """

    def __init__(self, scene_id: str, reason: str) -> None:
        """Name the scene and the reason."""
        super().__init__(f"scene {scene_id} is set aside: {reason}")
        self.scene_id = scene_id
        self.reason = reason


class Unavailable(WeftError):
    """An archive, store or catalogue did not answer; the same call may succeed later."""


class IntegrityError(WeftError):
    """What was written or read back is not what was meant: a product that must not be published."""
