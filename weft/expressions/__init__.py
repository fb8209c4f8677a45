"""Band arithmetic written as s-expressions: ``(norm_diff nir red)``.

Belongs here: the language (``grammar``), its functions (``functions``) and running it over the layers of a product
(``bands``). Not here: which expressions a region or an order asks for.
"""

from weft.expressions.grammar import Expression, parse

__all__ = ["Expression", "parse"]
