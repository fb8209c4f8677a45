"""Band arithmetic written as s-expressions: ``(norm_diff nir red)``.

Belongs here: the language (``grammar``, ``presets``), its functions (``functions``, ``filters``, ``components``), its
evaluation over arrays (``expression``, ``tree``) and over whole rasters (``streaming``, ``bands``), and how results are
stored as whole numbers (``scaling``). Not here: which expressions a region or an order asks for.
"""

from weft.expressions.expression import Expression
from weft.expressions.grammar import parse

__all__ = ["Expression", "parse"]
