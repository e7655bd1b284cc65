"""What the source says that Python drops: the strings below members and constants."""

import ast
import inspect
from itertools import pairwise
from types import ModuleType


def meanings(of: type | ModuleType) -> dict[str, str]:
    """What the strings below the members of a class, or the constants of a module, say of them."""
    tree = ast.parse(inspect.getsource(of))
    body = tree.body
    if isinstance(of, type):
        assert isinstance(body[0], ast.ClassDef)
        body = body[0].body
    found: dict[str, str] = {}
    for statement, below in pairwise(body):
        match statement, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(ast.Constant(str(text))),
            ):
                found[name] = " ".join(text.split())
    return found


def definition(of: type) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(of.__doc__ or "").split("\n\n")[0].split())
