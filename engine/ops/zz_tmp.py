from engine.op import OPS, op
from engine.rules import rules
import numpy as np
if "transpose" not in OPS:
    @op("transpose.int(Tensor input, int dim0, int dim1) -> Tensor", kind="view", vjp={"input": lambda g, dim0, dim1: rules.transpose(g, dim0, dim1)})
    def transpose(input, dim0, dim1):
        return np.swapaxes(input, dim0, dim1)
if "matmul" not in OPS:
    @op("matmul(Tensor input, Tensor other) -> Tensor", kind="opaque", vjp={"input": lambda g, other: g @ rules.transpose(other,-1,-2).conj(), "other": lambda g, input: rules.transpose(input,-1,-2).conj() @ g})
    def matmul(input, other):
        return np.matmul(input, other)
