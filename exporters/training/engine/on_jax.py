"""Training on JAX: compiled functions from the values of all variables to new ones, which are then assigned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import keras

from crossrt.exporters.training.engine import Change, Work


def make_deterministic() -> None:
    """See `Engine`; compiled functions of JAX add in one order, on a CPU."""


def compiled(work: Callable[..., Any], variables: Sequence[Any], signature: Sequence[Any]) -> Callable[..., Any]:
    """See `Engine`; it is compiled anew for each shape, which needs no signature."""
    del signature

    def pure(values: Sequence[Any], arguments: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
        with _scope((variables, values)) as scope:
            before = [scope.get_current_value(each) for each in variables]
            found = work(*arguments)
            after = [scope.get_current_value(each) for each in variables]
        pairs = enumerate(zip(before, after, strict=True))
        return found, {str(place): now for place, (then, now) in pairs if now is not then}

    jitted = jax.jit(pure)

    def run(*arguments: Any) -> Any:
        found, changed = jitted(_values(variables), arguments)
        _assign(variables, changed)
        return found

    return run


def training_step(
    work: Work, model: Any, optimizer: Any, change: Change, signature: Sequence[Any]
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """See `Engine`."""
    del signature
    trained, others = model.trainable_variables, model.non_trainable_variables

    def pure(
        weights: Sequence[Any], state: Sequence[Any], moments: Sequence[Any], inputs: Any, labels: Any
    ) -> tuple[Any, Any, Any, Any]:
        def lost(weights: Sequence[Any]) -> tuple[Any, Any]:
            with _scope((trained, weights), (others, state)) as scope:
                loss, measure = work(inputs, labels)
            return loss, (measure, [scope.get_current_value(each) for each in others])

        (loss, (measure, moved)), gradients = jax.value_and_grad(lost, has_aux=True)(weights)
        with _scope((trained, weights)):
            gradients = change(gradients, trained)
        weights, moments = optimizer.stateless_apply(moments, gradients, weights)
        return (loss, measure), weights, moved, moments

    jitted = jax.jit(pure)

    def step(inputs: Any, labels: Any) -> tuple[Any, Any]:
        groups = trained, others, optimizer.variables
        (loss, measure), *found = jitted(*map(_values, groups), inputs, labels)
        for variables, values in zip(groups, found, strict=True):
            _assign(variables, {str(place): value for place, value in enumerate(values)})
        return loss, measure

    return step


def _scope(*groups: tuple[Sequence[Any], Sequence[Any]]) -> Any:
    pairs: Iterable[Any] = (pair for group in groups for pair in zip(*group, strict=True))
    return keras.StatelessScope(state_mapping=pairs)


def _values(variables: Sequence[Any]) -> list[Any]:
    return [each.value for each in variables]


def _assign(variables: Sequence[Any], values: Mapping[str, Any]) -> None:
    for place, value in values.items():
        variables[int(place)].assign(value)
