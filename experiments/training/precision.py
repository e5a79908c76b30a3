"""Products in bfloat16: a transformation of functions, as `jax.grad` is one.

Whatever the net, most of its time goes into matrix products, and only they gain from shorter
operands. `in_bfloat16(f)` is f with the operands of its products rounded to bfloat16; sums stay
float32, and so does all that is not a product: parameters, carries, activations, derivatives,
losses. Applied to a function that returns a loss and its gradient, it covers the backward pass as
well, that of `nets.bptt` included, without any net knowing about it.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

PRODUCTS = ("dot_general", "conv_general_dilated")


def in_precision(dtype: str, function: Callable) -> Callable:
    """The function itself for float32, `in_bfloat16(function)` for bfloat16."""
    return {"float32": lambda f: f, "bfloat16": in_bfloat16}[dtype](function)


def in_bfloat16(function: Callable) -> Callable:
    """`function` with the operands of every float32 product in bfloat16, summed in float32.

    A product with a `precision` of its own keeps it. The arguments are trees of arrays.
    The result can be compiled but not differentiated: differentiate `function` first.
    """

    @functools.wraps(function)
    def rounded(*arguments):
        traced, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
        results = _evaluated(traced, *jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return rounded


def _evaluated(program: ClosedJaxpr, *arguments) -> list:
    """The outputs of a program, evaluated equation by equation."""
    jaxpr = program.jaxpr
    known = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*program.consts, *arguments), strict=True))
    for equation in jaxpr.eqns:
        inputs = [x.val if isinstance(x, Literal) else known[x] for x in equation.invars]
        results = _result(equation, inputs)
        known |= zip(equation.outvars, results, strict=True)
    return [x.val if isinstance(x, Literal) else known[x] for x in jaxpr.outvars]


def _result(equation, inputs: list) -> list:
    """The outputs of one equation, with rounded operands if it is a product."""
    params = {name: _rounded_inside(value) for name, value in equation.params.items()}
    if _is_product(equation):
        inputs = [x.astype(jnp.bfloat16) for x in inputs]
        params["preferred_element_type"] = jnp.dtype(jnp.float32)
    elif "call_jaxpr" in params:  # has a custom derivative, no longer needed
        return _evaluated(equation.params["call_jaxpr"], *inputs)
    results = equation.primitive.bind(*inputs, **params)
    return results if equation.primitive.multiple_results else [results]


def _is_product(equation) -> bool:
    if equation.primitive.name not in PRODUCTS or equation.params["precision"] is not None:
        return False
    return all(x.aval.dtype == jnp.float32 for x in (*equation.invars, *equation.outvars))


def _rounded_inside(value):
    """A program inside a loop, a condition or a call, rounded; any other value unchanged."""
    if isinstance(value, ClosedJaxpr):
        return jax.make_jaxpr(functools.partial(_evaluated, value))(*value.in_avals)
    if isinstance(value, Jaxpr):
        return _rounded_inside(ClosedJaxpr(value, ())).jaxpr
    if type(value) is tuple:
        return tuple(map(_rounded_inside, value))
    return value
