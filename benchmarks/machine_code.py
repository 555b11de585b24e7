"""What the compiler made of a kernel: vectorised loops, the widest registers in them, and calls left in them."""

import re
import tempfile
from collections import Counter
from contextlib import contextmanager

import numba
import numpy as np

from boostloss import ClassificationLoss, CrossEntropy, Focal, Huber, LogCosh, Quantile
from boostloss.kernels import softmax, templates
from boostloss.kernels.cpu import compiled

LIBRARY_CALL = r"call [^\n]*@(exp|log|log1p|expm1|tanh|pow|hypot)f?\("  # in LLVM's text
LABEL = re.compile(r"^(\S+):")
JUMP = re.compile(r"^\s+(?:j[a-z]+|b|b\.[a-z]+|cbn?z|tbn?z)\s+(?:\S+,\s*)*(\.?L\S+)$")
CALL = re.compile(r"^\s+(?:callq?|blr?)\s+(.+)$")
INDIRECT_CALL = re.compile(r"^\s+callq?\s+\*%(\w+)$")
LOAD = re.compile(r"^\s+movabsq\s+\$([A-Za-z_]\w*), %(\w+)$")
# Registers in an instruction that works on several numbers at once, the widest first
REGISTERS = {
    "zmm": r"\sv\w+p[sd]\b.*%zmm",
    "ymm": r"\sv\w+p[sd]\b.*%ymm",
    "xmm": r"\sv?\w+p[sd]\b.*%xmm",
    "z": r"\sf\w+\s+z\d+\.[sd]",
    "v": r"\sf\w+(?:\.4s|\.2d)?\s+v\d+",
}


@contextmanager
def nothing_cached():
    """Kernels are compiled anew inside: one read from disk has no text."""
    before = numba.config.CACHE_DIR
    with tempfile.TemporaryDirectory() as folder:
        numba.config.CACHE_DIR = folder
        compiled.cache_clear()
        try:
            yield
        finally:
            numba.config.CACHE_DIR = before
            compiled.cache_clear()


def derivatives_kernel(loss, y_true, raw_prediction):
    """The compiled float32 loop of gradient and curvature behind a loss of rows or of K classes."""
    loss.gradient_hessian(y_true, raw_prediction)
    if raw_prediction.ndim > 1:
        layout = softmax.layout_of(raw_prediction)
        return compiled(softmax.softmax_derivatives, loss.point, loss.variable, "simd", layout=layout)
    of_two_classes = isinstance(loss, ClassificationLoss)
    template = templates.binary_derivatives if of_two_classes else templates.elementwise_derivatives
    return compiled(template, loss.point, loss.variable, "simd")


def llvm_of(kernel):
    """LLVM's text of a kernel's only signature."""
    (signature,) = kernel.signatures
    return kernel.inspect_llvm(signature)


def vectorised_loops(llvm):
    """The number of blocks of LLVM's text that work on several float32 at once."""
    blocks = re.split(r"\n(?=\S+:)", llvm)
    return sum(re.search(r"= f(?:mul|add) [^\n]*<\d+ x float>", block) is not None for block in blocks)


def loops(assembly):
    """The lines of every innermost loop of a kernel: between a label and a jump back to it, no such jump in between."""
    starts, names, lines = {}, {}, kernel_function(assembly)
    for number, line in enumerate(lines):
        if label := LABEL.match(line):
            starts[label[1]] = number
        elif load := LOAD.match(line):
            names[load[2]] = load[1]
        elif call := INDIRECT_CALL.match(line):  # x86 calls what it has loaded into a register
            lines[number] = f"\tcall\t{names.get(call[1], 'unknown')}"
        elif (jump := JUMP.match(line)) and jump[1] in starts:
            first = starts[jump[1]]
            yield lines[first:number]
            starts = {name: start for name, start in starts.items() if start > first}


def kernel_function(assembly):
    """The lines of the kernel itself, which comes first: what follows takes Python's arguments apart."""
    lines = assembly.splitlines()
    begins = [number for number, line in enumerate(lines) if re.match(r"_?_ZN\w+:", line)]
    return lines[slice(*[*begins, len(lines)][:2])]


def widest_registers(assembly):
    """The name of the widest vector registers that a loop computes in, or "none"."""
    text = "\n".join(line for loop in loops(assembly) for line in loop)
    return next((name for name, pattern in REGISTERS.items() if re.search(pattern, text)), "none")


def calls_in_loops(assembly):
    """The names of what innermost loops call, one for every place."""
    return [call[1] for loop in loops(assembly) for line in loop if (call := CALL.match(line))]


def rows():
    """Loss, vectorised loops, registers and number of calls of the kernels most used."""
    z, y = np.linspace(-3, 3, 99, dtype=np.float32), np.arange(99) % 3
    columns = np.stack([z, -z, 2 * z], 1)
    problems = {
        "CrossEntropy": (CrossEntropy(), y == 2, z),
        "Focal": (Focal(), y == 2, z),
        "Huber": (Huber(delta=1.0), y, z),
        "LogCosh": (LogCosh(scale=1.0), y, z),
        "Quantile": (Quantile(bandwidth=0.1), y, z),
        "CrossEntropy, K classes": (CrossEntropy(), y, columns),
        "Focal, K classes": (Focal(), y, columns),
    }
    with nothing_cached():
        for title, problem in problems.items():
            kernel = derivatives_kernel(*problem)
            (assembly,) = kernel.inspect_asm().values()
            n_loops = vectorised_loops(llvm_of(kernel))
            calls = Counter(calls_in_loops(assembly)).items()
            calls = ", ".join(f"{count} of {name}" for name, count in calls) or "none"
            yield title, n_loops, widest_registers(assembly), calls
