"""Tensor: values, and what autograd knows of them. Operators come from the table: ``engine.bind`` puts them on the class last.

A tensor without dims holds a NumPy scalar until something aliases or writes it; ``array_of`` makes it a 0-d array, which it stays.
``_node`` is the producer: None (not recorded), an AccumulateGrad (a leaf that requires grad), a Node, or a Port of one.
A view leaves ``_view`` set: its ``_node`` is right only through ``node_of``, which rebuilds it after the base was written.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import dtypes, printing, schema
from engine.duals import tangent_text
from engine.errors import ArgumentError, AutogradError, DtypeError, LeafError, TensorError, ViewError
from engine.grad_mode import InferenceCell, detours, fresh_cell, inference_enabled, refuse_in_transform
from engine.layout import Size
from engine.methods import TensorMethods
from engine.node import AccumulateGrad, Handle, Meta, Node, Port, Value, extra_of
from engine.scalars import Scalars
from engine.storage import Storage
from engine.transaction import current

if TYPE_CHECKING:
    from engine.node import Edge
    from engine.view import View

__all__ = [
    "Size",
    "Tensor",
    "array_of",
    "begun",
    "from_numpy",
    "leaf_node",
    "node_of",
    "set_attribute",
    "wrap",
]

new = object.__new__


class Tensor(TensorMethods, Scalars, Storage):
    """A multi-dimensional array that remembers how it came to be.

    ``Tensor(data)`` reads data in the default dtype, ``Tensor(2, 3)`` is uninitialised; ``engine.tensor`` is what to use.

    >>> import engine as torch
    >>> x = torch.ones(2, 2, requires_grad=True)
    >>> (x * x).sum()
    tensor(4., grad_fn=<SumBackward0>)
    """

    __slots__ = ("__weakref__", "_array", "_meta", "_node", "_version_cell", "_view")

    _array: Value
    _node: Edge | None
    _version_cell: list[Any]  # the version, and once it was written on record the name of the writer
    _view: View | None
    _meta: Meta | None

    def __init__(self, *args: Any) -> None:
        d = dtypes.get_default_dtype()
        if len(args) == 1 and not isinstance(args[0], int):
            self._array = np.array(args[0], dtype=d.numpy)
        else:
            self._array = np.empty(args, dtype=d.numpy)
        self._node = None
        self._version_cell = fresh_cell()
        self._view = None
        self._meta = None

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The sizes of the dims."""
        return Size(self._array.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type."""
        return dtypes.of_numpy(self._array.dtype)

    @property
    def ndim(self) -> int:
        """The number of dims."""
        return self._array.ndim

    def dim(self) -> int:
        """The number of dims."""
        return self._array.ndim

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dim."""
        if dim is None:
            return self.shape
        if not -max(self.ndim, 1) <= dim < max(self.ndim, 1) or self.ndim == 0:
            from engine.shapes import wrap_dim

            wrap_dim(dim, self.ndim)
        return self._array.shape[dim]

    # -- autograd --------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operators on it are recorded."""
        view = self._view
        return self._node is not None or (view is not None and view.base._node is not None)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if type(value) is not bool:
            raise TensorError("requires_grad must be a bool")
        if value and not self.dtype.differentiable:
            raise DtypeError("only Tensors of floating point and complex dtype can require gradients")
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set whether operators on this leaf are recorded; answers itself.

        Errors: RuntimeError for a non-leaf, and for a dtype that is not floating or complex.
        """
        if type(requires_grad) is not bool:
            raise ArgumentError(
                f"requires_grad_(): argument 'requires_grad' (position 1) must be bool, not {schema.kind_name(requires_grad)}",
                "requires_grad",
            )
        refuse_in_transform()
        node = node_of(self)
        if node is not None and type(node) is not AccumulateGrad:
            if not requires_grad:
                raise LeafError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph "
                    "that doesn't require differentiation use var_no_grad = var.detach()."
                )
            return self
        if requires_grad and not self.dtype.differentiable:
            raise DtypeError("only Tensors of floating point dtype can require gradients")
        if requires_grad and type(self._version_cell) is InferenceCell and not inference_enabled.get():
            raise AutogradError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        if requires_grad != (node is not None):
            set_attribute(self, "_node", leaf_node(self) if requires_grad else None)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operator made it."""
        node = node_of(self)
        return node is None or type(node) is AccumulateGrad

    @property
    def grad_fn(self) -> Node | None:
        """The recorded operator that made it; None for a leaf."""
        node = node_of(self)
        if type(node) is Port:
            return node.node
        return None if type(node) is AccumulateGrad else node  # type: ignore[return-value]

    @property
    def output_nr(self) -> int:
        """Which output of its node it is."""
        node = node_of(self)
        return node.number if type(node) is Port else 0

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, None before the first backward."""
        meta = self._meta
        return None if meta is None else meta.grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise ArgumentError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
                )
            if value is self:
                raise AutogradError("can't assign Variable as its own grad")
            if value._array.shape != self._array.shape:
                raise TensorError(
                    f"attempting to assign a gradient of size '{list(value._array.shape)}' to a tensor of size "
                    f"'{list(self._array.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
            if value._array.dtype != self._array.dtype:
                raise TensorError(
                    f"attempting to assign a gradient with dtype '{dtypes.cpp_name(value.dtype)}' to a tensor with grad_dtype "
                    f"'{dtypes.spoken(self.dtype)}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). "
                    "You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow any dtype. Set grad_dtype "
                    "with caution. Diverging the dtypes of a tensor and its gradient may break downstream systems that assume they "
                    "match."
                )
        set_attribute(_meta_of(self), "grad", value)

    @grad.deleter
    def grad(self) -> None:
        set_attribute(_meta_of(self), "grad", None)

    @property
    def retains_grad(self) -> bool:
        """Whether a non-leaf keeps its gradient."""
        return self._meta is not None and self._meta.retains_grad

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf in ``.grad`` at backward. Source: torch.Tensor.retain_grad."""
        node = node_of(self)
        if node is None:
            raise AutogradError("can't retain_grad on Tensor that has requires_grad=False")
        if type(node) is AccumulateGrad or self.retains_grad:
            return
        number, owner = (node.number, node.node) if type(node) is Port else (0, node)
        extra = extra_of(owner)  # type: ignore[arg-type]
        meta = _meta_of(self)
        set_attribute(meta, "retains_grad", True)
        set_attribute(extra, "retained", {**extra.retained, number: meta})

    @property
    def _version(self) -> int:
        if type(self._version_cell) is InferenceCell:
            raise AutogradError("Inference tensors do not track version counter.")
        return int(self._version_cell[0])

    @property
    def _base(self) -> Tensor | None:
        return None if self._view is None else self._view.base

    def _is_view(self) -> bool:
        return self._view is not None

    def new_tensor(
        self, data: Any, *, dtype: dtypes.dtype | None = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        """A copy of the data, in this tensor's dtype unless given. Source: torch.Tensor.new_tensor."""
        from engine.apply import dispatch
        from engine.op import OPS

        kwargs = {"dtype": dtype or self.dtype, "device": device, "requires_grad": requires_grad}
        return dispatch(OPS["tensor"], (data,), kwargs)  # type: ignore[no-any-return]

    def __reversed__(self) -> Iterator[Tensor]:
        return iter(self if self.ndim == 0 else self.flip(0))

    def detach(self) -> Tensor:
        """A tensor outside the graph that shares values and version. Source: torch.Tensor.detach."""
        array_of(self)
        t = wrap(self._array)
        t._version_cell = self._version_cell
        return t

    @property
    def data(self) -> Tensor:
        """The values outside the graph, shared, with a version of their own: changes stay unseen by autograd."""
        t = wrap(array_of(self))
        if type(self._version_cell) is InferenceCell:
            t._version_cell = self._version_cell
        return t

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise ArgumentError(f"Variable data has to be a tensor, but got {type(value).__name__}", "data")
        if self.requires_grad and not value.dtype.differentiable:
            raise DtypeError("data set to a tensor that requires gradients must be floating point or complex dtype")
        transaction = current.get()
        array = array_of(value)
        node = self._node
        if transaction is not None:
            transaction.attribute(self, "_array")
            if type(node) is AccumulateGrad:
                for name in ("array", "shape", "dtype"):
                    transaction.attribute(node, name)
        self._array = array
        if type(node) is AccumulateGrad:
            node.array, node.shape, node.dtype = array, array.shape, array.dtype

    # -- values ----------------------------------------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The values as a NumPy array that shares memory. Errors: RuntimeError where the tensor requires grad."""
        if self.requires_grad:
            if not force:
                raise TensorError(
                    "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
                )
            return array_of(self.detach())
        return array_of(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
        return wrap(np.asarray(array, np.uint8 if array.dtype == np.bool_ else None))

    __array_priority__ = 1000

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise ArgumentError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self._array.ndim == 0:
            raise ArgumentError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self, element: Any) -> bool:
        if isinstance(element, (Tensor, int, float, complex)):
            return bool((self == element).any().item())
        raise TensorError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")

    if TYPE_CHECKING:  # engine.bind puts engine.indexing's functions here

        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        try:
            node = node_of(self)
            name = None if self.grad_fn is None else self.grad_fn.name().rpartition("::")[2]
        except ViewError:  # its base was written, and that it may not follow
            node, name = None, "Invalid"
        leaf, default, tangent = type(node) is AccumulateGrad, dtypes.get_default_dtype().name, tangent_text(self)
        return printing.format_tensor(
            self._array, requires_grad=leaf, grad_fn_name=name, default_dtype=default, tangent=tangent
        )

    def __format__(self, spec: str) -> str:
        if self._array.ndim == 0:
            return format(self.item(), spec)
        if spec:
            return object.__format__(self, spec)
        return repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise AutogradError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you were "
                "attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
                "https://github.com/pytorch/pytorch/pull/103001"
            )
        t = wrap(np.array(self._array))
        if self.requires_grad:
            t.requires_grad_()
        if self.grad is not None:
            t.grad = self.grad.detach().__deepcopy__(memo)
        memo[id(self)] = t
        return t

    def __reduce__(self) -> Any:
        """How a tensor is made again from bytes: a leaf, without a gradient, as PyTorch's."""
        return (begun, (self.detach(),)) if self.requires_grad else (wrap, (array_of(self),))

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add to the ``.grad`` of the leaves the gradient of this tensor with respect to them.

        gradient: the upstream gradient, of this tensor's shape; may be left out for one element. Source: torch.Tensor.backward.

        >>> import engine as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        from engine.backward import backward

        backward(self, gradient, retain_graph, create_graph, inputs)

    def detach_(self) -> Tensor:
        """Take this tensor out of the graph; answers itself. Errors: RuntimeError for a view. Source: torch.Tensor.detach_."""
        if self._view is not None:
            raise AutogradError(
                "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, and "
                "gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() cannot be called on "
                "these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py "
                "as the solution."
            )
        set_attribute(self, "_node", None)
        return self

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call ``hook(grad)`` when the gradient of this tensor is known; what it answers replaces the gradient."""
        node = node_of(self)
        if node is None:
            raise AutogradError("cannot register a hook on a tensor that doesn't require gradient")
        if type(node) is not AccumulateGrad:  # the node's: a later write in place leaves them to these values
            number, owner = (node.number, node.node) if type(node) is Port else (0, node)
            return Handle(extra_of(owner).tensor_hooks.setdefault(number, {}), hook)  # type: ignore[arg-type]
        meta = _meta_of(self)
        if meta.hooks is None:
            meta.hooks = {}
        return Handle(meta.hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> Handle:
        """Call ``hook(tensor)`` each time a gradient was added to this leaf's ``.grad``."""
        if type(node_of(self)) is not AccumulateGrad:
            raise AutogradError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        meta = _meta_of(self)
        if meta.post_hooks is None:
            meta.post_hooks = {}
        return Handle(meta.post_hooks, hook)


schema.tensor_type.append(Tensor)


def wrap(array: Value) -> Tensor:
    """A plain tensor around raw values: no history, version 0."""
    t = new(Tensor)
    t._array = array
    t._node = None
    t._version_cell = fresh_cell() if detours else [0]
    t._view = None
    t._meta = None
    return t


def from_numpy(ndarray: np.ndarray[Any, Any], /) -> Tensor:
    """A tensor that shares memory with an array. Errors: TypeError for another type or dtype. Source: torch.from_numpy.

    >>> import numpy as np
    >>> from_numpy(np.arange(3))
    tensor([0, 1, 2])
    """
    if not isinstance(ndarray, np.ndarray):
        raise ArgumentError(f"expected np.ndarray (got {type(ndarray).__name__})")
    dtypes.of_numpy(ndarray.dtype)
    return wrap(ndarray)


def array_of(t: Tensor) -> np.ndarray[Any, Any]:
    """The values as an array; a NumPy scalar becomes a 0-d array for good, since something is about to alias or write it."""
    array = t._array
    if type(array) is np.ndarray:
        return array
    array = t._array = np.asarray(array)
    node = t._node
    if type(node) is AccumulateGrad:
        node.array = array
    return array


def node_of(t: Tensor) -> Edge | None:
    """The producer; a view whose base was written since gets its history anew."""
    view = t._view
    if view is not None and view.version != t._version_cell[0]:
        view.refresh(t)
    return t._node


def _meta_of(t: Tensor) -> Meta:
    meta = t._meta
    if meta is None:
        meta = t._meta = Meta()
        node = t._node
        if type(node) is AccumulateGrad:
            node.meta = meta
    return meta


def leaf_node(t: Tensor) -> AccumulateGrad:
    """The end of the graph for a leaf."""
    node = AccumulateGrad(t._array, t._version_cell, _meta_of(t))
    node.tensor = weakref.ref(t)
    return node


def begun(t: Tensor) -> Tensor:
    """A tensor without history as a leaf that requires grad."""
    t._node = leaf_node(t)
    return t


def set_attribute(owner: object, name: str, value: object) -> None:
    """Set an attribute; an open transaction remembers the old one."""
    transaction = current.get()
    if transaction is not None:
        transaction.attribute(owner, name)
    setattr(owner, name, value)
