"""Products in bfloat16: a function transformed, as `jax.grad` transforms one.

Whatever the net, its time goes into products of matrices, and they alone gain by short operands.
`in_bfloat16(f)` is f with the operands of its products rounded to bfloat16; the sums are float32,
and so is all that is no product: parameters, carries, activations, slopes, losses. Taken of the
function that gives a loss and its gradient, it reaches the backward pass as well, that of
`nets.bptt` included, and no net knows of it.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

PRODUCTS = ("dot_general", "conv_general_dilated")


def in_precision(dtype: str, function: Callable) -> Callable:
    """The function itself for float32, `in_bfloat16` of it for bfloat16."""
    return {"float32": lambda f: f, "bfloat16": in_bfloat16}[dtype](function)


def in_bfloat16(function: Callable) -> Callable:
    """`function` with every float32 product taken of bfloat16 operands, summed up in float32.

    A product that asks for a `precision` of its own keeps it. The arguments are trees of arrays.
    What comes out can be compiled, and not be differentiated: differentiate `function`.
    """

    @functools.wraps(function)
    def rounded(*arguments):
        traced, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
        results = _evaluated(traced, *jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return rounded


def _evaluated(program: ClosedJaxpr, *arguments) -> list:
    """What a program gives, equation by equation."""
    jaxpr = program.jaxpr
    known = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*program.consts, *arguments), strict=True))
    for equation in jaxpr.eqns:
        inputs = [x.val if isinstance(x, Literal) else known[x] for x in equation.invars]
        results = _result(equation, inputs)
        known |= zip(equation.outvars, results, strict=True)
    return [x.val if isinstance(x, Literal) else known[x] for x in jaxpr.outvars]


def _result(equation, inputs: list) -> list:
    """What one equation gives: a product of rounded operands, or what it gives anyway."""
    params = {name: _rounded_inside(value) for name, value in equation.params.items()}
    if _is_product(equation):
        inputs = [x.astype(jnp.bfloat16) for x in inputs]
        params["preferred_element_type"] = jnp.dtype(jnp.float32)
    elif "call_jaxpr" in params:  # a rule for a derivative, of which nobody asks any more
        return _evaluated(equation.params["call_jaxpr"], *inputs)
    results = equation.primitive.bind(*inputs, **params)
    return results if equation.primitive.multiple_results else [results]


def _is_product(equation) -> bool:
    if equation.primitive.name not in PRODUCTS or equation.params["precision"] is not None:
        return False
    return all(x.aval.dtype == jnp.float32 for x in (*equation.invars, *equation.outvars))


def _rounded_inside(value):
    """The programs that a loop, a condition or a call holds, rounded; anything else as it is."""
    if isinstance(value, ClosedJaxpr):
        return jax.make_jaxpr(functools.partial(_evaluated, value))(*value.in_avals)
    if isinstance(value, Jaxpr):
        return _rounded_inside(ClosedJaxpr(value, ())).jaxpr
    if type(value) is tuple:
        return tuple(map(_rounded_inside, value))
    return value
