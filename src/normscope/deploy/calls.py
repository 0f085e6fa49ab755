"""Which layer is at work while a network runs, and what each was given."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from normscope.deploy.watching import FOLDABLE, is_plain, version_of
from normscope.models.first_layer import floating_dtype

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.utils.hooks import RemovableHandle

    from normscope.deploy.watching import Watch


class Calls:
    """Tells the watch which foldable layer is at work, and keeps what each was given."""

    def __init__(self, model: nn.Module, watch: Watch) -> None:
        self.given: dict[nn.Module, list[Tensor]] = {}
        self.hooked: set[nn.Module] = set()
        self.computed: dict[nn.Module, nn.Module] = {}
        self.times: Counter[nn.Module] = Counter()
        self.watch = watch
        self.padders: list[nn.Module] = []
        self.hooks: list[RemovableHandle] = []
        self._plain_answers: list[tuple[Any, int]] = []
        for name, module in model.named_modules():
            if isinstance(module, FOLDABLE):
                if is_plain(module):  # before any other hook changes the answer
                    self.hooks.append(module.register_forward_hook(self._keep, prepend=True))
                self._hook(module, self._enter, self._leave)
            elif isinstance(module, nn.modules.padding._ConstantPadNd):
                self._hook(module, partial(self._name_padding, name), self._forget_padding)

    def _hook(self, module: nn.Module, before: Callable, after: Callable) -> None:
        self.hooks += [
            module.register_forward_pre_hook(before, with_kwargs=True),
            module.register_forward_hook(after),
        ]

    def _name_padding(self, name: str, module: nn.Module, *_: object) -> None:
        self.padders.append(module)
        self.watch.padding_module = name if self.padders.count(module) == 1 else None

    def _forget_padding(self, *_: object) -> None:
        self.watch.padding_module = None

    def _enter(self, module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.watch.at_work.append(module)
        self.times[module] += 1
        if is_plain(module):
            self.given.setdefault(module, []).append(given[0] if given else named["input"])

    def _keep(self, _: nn.Module, given: object, answer: Tensor) -> None:  # noqa: ARG002
        self._plain_answers.append((answer, version_of(answer)))

    def _leave(self, module: nn.Module, _: object, answer: Any) -> None:
        self.watch.at_work.pop()
        if is_plain(module):
            own, version = self._plain_answers.pop()
            kept = answer is own and version_of(own) == version
            if not kept and self.watch.holds_image(self.given[module][-1]):
                self.hooked.add(module)
            return
        convolved = self.watch.convolved.pop(module, [])
        self.given.setdefault(module, []).extend(each.args[0] for each in convolved)
        if convolved:
            # Where autocast rounds the weights, the layer still has the type of the module's own.
            self.computed[module] = convolved[0].layer.to(floating_dtype(module))
        if convolved and not (len(convolved) == 1 and convolved[0].is_answer(answer)):
            self.watch.readers.append((None, type(module).__name__))

    def remove(self) -> None:
        """Take the hooks away."""
        for hook in self.hooks:
            hook.remove()
