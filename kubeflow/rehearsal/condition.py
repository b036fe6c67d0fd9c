"""Conditions of tasks, in the few forms of CEL that TFX and Kubeflow write."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from models.errors import BadInputError

# Outside of quotes, what CEL writes otherwise than Python. `~` binds as tightly as CEL's `!`.
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
AS_PYTHON = (
    (re.compile(r"&&"), " and "),
    (re.compile(r"\|\|"), " or "),
    (re.compile(r"!(?!=)"), "~"),
    (re.compile(r"\btrue\b"), "True"),
    (re.compile(r"\bfalse\b"), "False"),
    (re.compile(r"\bnull\b"), "None"),
)
COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "double": float,
    "string": str,
    "bool": bool,
}


def holds(condition: str, inputs: Mapping[str, Any]) -> bool:
    """Whether the condition is true of the task's inputs.

    >>> inputs = {"artifacts": {"blessing": {"artifacts": [{"metadata": {"blessed": 1.0}}]}}}
    >>> holds("inputs.artifacts['blessing'].artifacts[0].metadata['blessed'] == 1.0", inputs)
    True
    """
    try:
        tree = ast.parse(_as_python(condition).strip(), mode="eval")
        return bool(_value(tree.body, inputs))
    except (SyntaxError, TypeError) as error:
        raise BadInputError(
            f"The condition {condition} is none that a rehearsal understands ({error})."
        ) from error
    except (KeyError, IndexError) as error:
        raise BadInputError(
            f"The condition {condition} asks for {error}, which the task is not given."
        ) from error


def _as_python(condition: str) -> str:
    parts, done = [], 0
    for quoted in QUOTED.finditer(condition):
        parts += [_translate(condition[done : quoted.start()]), quoted[0]]
        done = quoted.end()
    return "".join((*parts, _translate(condition[done:])))


def _translate(text: str) -> str:
    for pattern, python in AS_PYTHON:
        text = pattern.sub(python, text)
    return text


def _value(node: ast.expr, inputs: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name(id="inputs"):
            return inputs
        case ast.Attribute():
            return _value(node.value, inputs)[node.attr]
        case ast.Subscript():
            return _value(node.value, inputs)[_value(node.slice, inputs)]
        case ast.BoolOp():
            every = (bool(_value(value, inputs)) for value in node.values)
            return all(every) if isinstance(node.op, ast.And) else any(every)
        case ast.UnaryOp(op=ast.Invert()):
            return not _value(node.operand, inputs)
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, inputs)
        case ast.BinOp(op=ast.Add()):
            return _value(node.left, inputs) + _value(node.right, inputs)
        case ast.Compare(ops=[comparison]) if type(comparison) in COMPARISONS:
            compare = COMPARISONS[type(comparison)]
            return compare(_value(node.left, inputs), _value(node.comparators[0], inputs))
        case ast.Call(func=ast.Name(id=name), args=[argument]) if name in CONVERSIONS:
            return CONVERSIONS[name](_value(argument, inputs))
    raise SyntaxError(f"what is {ast.unparse(node)}?")
