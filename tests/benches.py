"""Testbenches of the RTL modules: the definition of each, for the tested parameters.

A bench is a module's testbench (rtl/<module>_tb.sv, which turns its ports into streams), one set of
parameters, a stimulus, and the output that the module's header defines. test_rtl.py runs them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import gcd
from pathlib import Path

import numpy as np
from qonnx.core.datatype import DataType

from finn_imec.algorithms import base
from finn_imec.algorithms.reference import random_values
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.datapath import Datapath, smallest_datatype
from finn_imec.layer.gearbox import weight_rows
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.line_buffer import LineBuffer
from finn_imec.layer.memories import address_bits, rom_images, split_images, trit_bits
from finn_imec.layer.packing import DSP48E1, DSP48E2, DSP58, DSP_BLOCKS, MAX_CHAIN, DspBlock, Packing
from finn_imec.layer.through import Through
from finn_imec.layer.units import storage
from finn_imec.layer.window import Queues, WindowUnit
from finn_imec.rtl.generate import ImecRtl, mac_parameters
from finn_imec.rtl.library import LIBRARY, library_path
from finn_imec.simulation.stimulus import Stall, Stimulus
from finn_imec.streams.design import Design, Stream
from finn_imec.synthesis.comparison import random_layer

TESTBENCHES = Path(__file__).parent / "rtl"
#: Models of the vendor's primitives, which synthesis takes from its own library.
PRIMITIVES = tuple(TESTBENCHES / f"{name}.sv" for name in ("LUT6", "LUT6_2", "MUXF7", "MUXF8", *DSP_BLOCKS))
N = 300  # words of a random stimulus
FRAMES = 3


def word(*fields: tuple[int, int]) -> int:
    """(value, bits) fields as one word, first in the least significant bits, two's complement."""
    result = shift = 0
    for value, bits in fields:
        result |= (int(value) & (1 << bits) - 1) << shift
        shift += bits
    return result


def vector(values: Sequence[int], bits: int) -> tuple[int, int]:
    """Elements of `bits` each as one field."""
    return word(*((value, bits) for value in values)), len(values) * bits


@dataclass(frozen=True)
class Bench:
    """One parameter set of a module: its stream widths, words in, words expected out.

    undefined: outputs before this one depend on uninitialized memory. ahead: words that come after
    the outputs, of what would be next. memories: words of the files in such parameters.
    """

    module: str
    parameters: dict[str, int | str]
    in_bits: int
    out_bits: int
    inputs: list[int]
    outputs: list[int]
    undefined: int = 0
    ahead: int = 0
    memories: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def design(self, folder: Path) -> Design:
        parameters, files = dict(self.parameters), ()
        for name, words in self.memories.items():
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"{name}.dat"
            file.write_text("".join(f"{w:x}\n" for w in words))
            files += (file,)
            parameters[name] = str(file)
        return Design(
            f"{self.module}_tb",
            made_of(self.module),
            (Stream("in0_V", self.in_bits),),
            (Stream("out0_V", self.out_bits),),
            parameters,
            data_files=files,
        )


def made_of(module: str) -> tuple[Path, ...]:
    """The files that a module's testbench needs, in compilation order: a change of another recompiles
    nothing.
    """
    testbench = TESTBENCHES / f"{module}_tb.sv"
    files = {path.stem: path for path in (*(library_path() / name for name in LIBRARY), *PRIMITIVES)}
    found, waiting = {testbench}, [testbench]
    while waiting:
        code = re.sub("//.*", "", waiting.pop().read_text())
        named = {files[word] for word in re.findall(r"\w+", code) if word in files} - found
        found |= named
        waiting += named
    return (*(path for path in files.values() if path in found), testbench)


def generator(*seed: int) -> np.random.Generator:
    return np.random.default_rng([2022, *seed])


def random_words(bits: int, n: int, rng: np.random.Generator) -> list[int]:
    """Random words, sparse, even and dense ones, and all zeros, all ones and one-hot words."""
    words = [
        word(*((bit, 1) for bit in rng.random(bits) < density)) for density in rng.choice([0.1, 0.5, 0.9], n)
    ]
    return [0, 2**bits - 1, *(1 << i for i in range(bits)), *words]


# ---------------------------------------------------------------------------------------------
# The definition of each module


def counter(count: int) -> Bench:
    rng = generator(count)
    bits, left = address_bits(count), count - 1
    inputs, outputs = [], []
    for _ in range(max(N, 3 * count)):
        en, clear = rng.random() < 0.8, rng.random() < 0.5 / count
        inputs.append(word((en, 1), (clear, 1)))
        outputs.append(word((left, bits), (left == 0, 1)))
        left = count - 1 if clear else (left - en) % count
    return Bench("imec_counter", {"N": count}, 2, bits + 1, inputs, outputs)


def ring(depth: int, steps: Sequence[int]) -> Bench:
    rng = generator(depth, *steps)
    bits, sel_bits, address = address_bits(depth), address_bits(len(steps)), 0
    inputs, outputs = [], []
    for _ in range(N):
        en, clear = rng.random() < 0.8, rng.random() < 0.02
        sel = int(rng.integers(len(steps)))
        inputs.append(word((en, 1), (clear, 1), (sel, sel_bits)))
        outputs.append(address)
        address = 0 if clear else (address + en * steps[sel]) % depth
    parameters = {"DEPTH": depth, "STEPS": len(steps), "STEP": vector(steps, 32)[0]}
    return Bench("imec_ring", parameters, sel_bits + 2, bits, inputs, outputs)


def axis(n: int, span: int, stride: int) -> Bench:
    rng = generator(n, span, stride)
    ends, position = set(range(span - 1, n, stride)), 0
    inputs, outputs = [], []
    for _ in range(N):
        en, clear = rng.random() < 0.8, rng.random() < 0.02
        inputs.append(word((en, 1), (clear, 1)))
        fields = (n - 1 - position, address_bits(n)), (position == n - 1, 1), (position in ends, 1)
        outputs.append(word(*fields))
        position = 0 if clear else (position + en) % n
    parameters = {"N": n, "SPAN": span, "STRIDE": stride}
    return Bench("imec_axis", parameters, 2, address_bits(n) + 2, inputs, outputs)


def queue(depth: int, width: int) -> Bench:
    words = random_words(width, N, generator(depth, width))
    return Bench("imec_queue", {"DEPTH": depth, "WIDTH": width}, width, width, words, words)


def convert(n_in: int, n_out: int, bits: int) -> Bench:
    elements = generator(n_in, n_out, bits).integers(0, 2**bits, 60 * n_in * n_out)

    def words(per_word: int) -> list[int]:
        return [vector(row, bits)[0] for row in elements.reshape(-1, per_word)]

    parameters = {"IN": n_in, "OUT": n_out, "BITS": bits}
    return Bench("imec_convert", parameters, n_in * bits, n_out * bits, words(n_in), words(n_out))


def pad(width: int, ifm_dim: tuple[int, int], padding: tuple[int, int, int, int], cf: int = 1) -> Bench:
    """Three frames, in words of cf for each pixel; upper padding comes before a frame does."""
    g = ConvGeometry((1, 1), ifm_dim, cf, 1, padding=padding)
    words = generator(width, *ifm_dim, *padding).integers(0, 2**width, (FRAMES, *g.input_dim, cf))
    outputs = base.pad(words, g).ravel().tolist()
    order = Arrivals(g).runs
    parameters = {"WIDTH": width, **{f.name.upper(): getattr(order, f.name) for f in fields(order)}}
    return Bench("imec_pad", parameters, width, width, words.ravel().tolist(), outputs, ahead=order.first)


def banks(depth: int, width: int) -> Bench:
    """The lowest bit of an address is the bank, and a write goes to the other one."""
    rng = generator(depth, width)
    memory = [0] * depth
    inputs, outputs = [], []
    bits = address_bits(depth)
    for i in range(depth + N):
        target = i if i < depth else int(rng.integers(depth))  # first written once everywhere
        address = 2 * int(rng.integers(depth // 2)) + 1 - target % 2
        write, data = i < depth or rng.random() < 0.6, int(rng.integers(2**width))
        either = target ^ int(rng.integers(2))
        inputs.append(word((write, 1), (address, bits), (either, bits), (data, width)))
        outputs.append(memory[address])
        if write:
            memory[target] = data
    parameters = {"DEPTH": depth, "WIDTH": width, "RAM_STYLE": "distributed"}
    return Bench("imec_banks", parameters, width + 2 * bits + 1, width, inputs, outputs, undefined=depth)


def line_parts(depth: int, width: int) -> Bench:
    rng = generator(depth, width)
    memory, inputs, outputs, bits = [0] * depth, [], [], address_bits(depth)
    for i in range(depth + N):
        address = i if i < depth else int(rng.integers(depth))  # first written once everywhere
        write, data = i < depth or rng.random() < 0.6, int(rng.integers(2**width))
        inputs.append(word((write, 1), (address, bits), (data, width)))
        outputs.append(memory[address])
        if write:
            memory[address] = data
    parameters = {"DEPTH": depth, "WIDTH": width, "RAM_STYLE": "distributed"}
    return Bench("imec_parts", parameters, width + bits + 1, width, inputs, outputs, undefined=depth)


def trits(n: int) -> Bench:
    """Three weights in a number of three digits, from the lowest; the code of -1 is 3."""
    rng = generator(n)
    inputs, outputs = [], []
    for _ in range(N):
        codes = [int(rng.integers(3)) for _ in range(n)]
        threes = n // 3 * 3
        fields = [(a + 3 * b + 9 * c, 5) for a, b, c in zip(*(codes[i:threes:3] for i in range(3)))]
        weights = [3 if code == 2 else code for code in codes]
        inputs.append(word(*fields, *((weight, 2) for weight in weights[threes:])))
        outputs.append(vector(weights, 2)[0])
    return Bench("imec_trits", {"N": n}, trit_bits(n), 2 * n, inputs, outputs)


def strip(
    depth: int, width: int, style: str = "auto", dual_port: bool = False, parted: bool = False
) -> Bench:
    rng = generator(depth, width)
    memory = [0] * depth
    inputs, outputs = [], []
    for i in range(depth + N):
        target = i if i < depth else int(rng.integers(depth))  # first written once everywhere
        address = int(rng.integers(depth)) if dual_port else target
        write, data = i < depth or rng.random() < 0.6, int(rng.integers(2**width))
        bits = address_bits(depth)
        inputs.append(word((write, 1), (address, bits), (target, bits), (data, width)))
        outputs.append(memory[address])
        if write:
            memory[target] = data
    parameters = {
        "DEPTH": depth,
        "WIDTH": width,
        "DUAL_PORT": dual_port,
        "RAM_STYLE": style,
        "PARTED": parted,
    }
    in_bits = width + 2 * bits + 1
    return Bench("imec_strip", parameters, in_bits, width, inputs, outputs, undefined=depth)


def rom(depth: int, width: int, style: str, layout: str = "plain", bank: int = 2048) -> Bench:
    rng = generator(depth, width)
    words = random_words(width, depth, rng)[-depth:]
    inputs = [*range(depth), *(int(a) for a in rng.integers(0, depth, N))]
    parameters = {"DEPTH": depth, "WIDTH": width, "RAM_STYLE": style, "LAYOUT": layout, "BANK": bank}
    if layout == "table":
        rows = [1 << width + 3 | word << 3 | 5 for word in words]  # of them, those between
        parameters |= {"ROWS": depth, "TABLE_WIDTH": width + 4, "TABLE_LSB": 3}
        parameters |= {"TABLE": vector(rows, width + 4)[0]}
        memories = {}
    elif layout == "split":
        images = split_images(words, width)
        files, ((rest, _),) = images["_split"], images["_rest"]
        parameters["SPLIT_COUNT"] = len(files)
        memories = {f"SPLIT{i}_FILE": files[min(i, len(files) - 1)][0] for i in range(4)}
        memories["REST_FILE"] = rest
    else:
        images = rom_images(words, width, layout, bank)
        names = {"": "INIT_FILE", "_left": "LEFT_FILE", "_rest": "REST_FILE"}
        memories = {names[name]: rows for name, (rows, _) in images.items()}
    outputs = [words[a] for a in inputs]
    bits = address_bits(depth)
    return Bench("imec_rom", parameters, bits, width, inputs, outputs, memories=memories)


def two_steps(bench: Bench) -> Bench:
    """The same memory with another register."""
    return replace(bench, parameters={**bench.parameters, "STEPS": 2})


def lut6(init: int) -> Bench:
    return Bench("imec_lut6", {"INIT": init}, 6, 1, list(range(64)), [init >> i & 1 for i in range(64)])


def lut6x2(init: int) -> Bench:
    outputs = [word((init >> i & 1, 1), (init >> (i & 31) & 1, 1)) for i in range(64)]
    return Bench("imec_lut6x2", {"INIT": init}, 6, 2, list(range(64)), outputs)


def exhaustive(bits: int, *seed: int) -> list[int]:
    """All words of so many bits, or random ones if these are too many."""
    return list(range(2**bits)) if bits <= 12 else random_words(bits, N, generator(bits, *seed))


def parts(words: Sequence[int], bits: int, n: int) -> list[list[int]]:
    """The n lowest fields of `bits` each of every word."""
    return [[w >> i * bits & 2**bits - 1 for i in range(n)] for w in words]


def gates(n: int, bits: int) -> Bench:
    inputs = exhaustive(n * (bits + 2), n)
    outputs = []
    for number in inputs:
        (d,) = parts([number], bits, n)
        keep, invert = number >> n * bits, number >> n * (bits + 1)
        taken = [2**bits - 1 - x if invert >> i & 1 else x for i, x in enumerate(d)]
        outputs.append(sum(x for i, x in enumerate(taken) if keep >> i & 1))
    y_bits = (n * (2**bits - 1)).bit_length()
    return Bench("imec_gates", {"N": n, "BITS": bits}, n * (bits + 2), y_bits, inputs, outputs)


def add3(bits: int) -> Bench:
    inputs = exhaustive(3 * bits)
    outputs = [sum(words) for words in parts(inputs, bits, 3)]
    return Bench("imec_add3", {"BITS": bits}, 3 * bits, bits + 2, inputs, outputs)


def tree(n: int, most: int, shift: int = 0, cuts: int = 0) -> Bench:
    bits = most.bit_length()
    fields = [[min(x, most) for x in words] for words in parts(exhaustive(n * bits, n, most), bits, n)]
    outputs = [sum(x << i * shift for i, x in enumerate(words)) for words in fields]
    y_bits = sum(most << i * shift for i in range(n)).bit_length()
    parameters = {"N": n, "MAX": most, "SHIFT": shift, "CUTS": cuts}
    inputs = [vector(words, bits)[0] for words in fields]
    bench = Bench("imec_tree", parameters, n * bits, y_bits, inputs, outputs)
    return pipelined(bench, bin(cuts).count("1"))


def mux(n: int, width: int) -> Bench:
    rng, bits = generator(n, width), address_bits(n)
    inputs, outputs = [], []
    for i in range(max(N, n)):
        sel, words = i % n, [int(w) for w in rng.integers(2**width, size=n)]
        inputs.append(word((sel, bits), vector(words, width)))
        outputs.append(words[sel])
    return Bench("imec_mux", {"N": n, "WIDTH": width}, n * width + bits, width, inputs, outputs)


def counter7(n: int, chain: int = 1) -> Bench:
    inputs = list(range(2**n))
    return Bench(
        "imec_counter7", {"N": n, "CHAIN": chain}, n, 3, inputs, [bin(word).count("1") for word in inputs]
    )


def compress(*heights: int) -> Bench:
    """The sum of columns with these numbers of bits of weight 1, 2, 4, ..."""
    bits = sum(heights)
    cols = sum(height << col for col, height in enumerate(heights)).bit_length()
    inputs = list(range(2**bits)) if bits <= 8 else random_words(bits, N, generator(*heights))
    outputs = []
    for word in inputs:
        total = 0
        for col, height in enumerate(heights):
            total += bin(word & (1 << height) - 1).count("1") << col
            word >>= height
        outputs.append(total)
    packed = sum(height << 16 * col for col, height in enumerate(heights))
    return Bench("imec_compress", {"COLS": cols, "HEIGHT": packed}, bits, cols, inputs, outputs)


def table(rows: int, width: int) -> Bench:
    rng = generator(rows, width)
    words = [int(word) for word in rng.integers(2 ** (width + 4), size=rows)]
    inputs = [*range(rows), *(int(a) for a in rng.integers(0, rows, N))]
    parameters = {"ROWS": rows, "TABLE_WIDTH": width + 4, "TABLE": vector(words, width + 4)[0]}
    outputs = [words[a] >> 3 & 2**width - 1 for a in inputs]
    parameters |= {"LSB": 3, "WIDTH": width}
    return Bench("imec_table", parameters, address_bits(rows), width, inputs, outputs)


def muxf(n: int) -> Bench:
    cases = [(sel, d) for d in range(2**n) for sel in range(n)]
    inputs = [word((sel, 2), (d, n)) for sel, d in cases]
    return Bench("imec_muxf", {"N": n}, n + 2, 1, inputs, [d >> sel & 1 for sel, d in cases])


def register(width: int) -> Bench:
    words = random_words(width, N, generator(width))
    return Bench("imec_register", {"WIDTH": width}, width, width, words, words)


def output(width: int, n: int) -> Bench:
    words = random_words(width, N, generator(width, n))
    return Bench("imec_output", {"WIDTH": width, "WORDS": n}, width, width, words, words)


@dataclass(frozen=True)
class Kind:
    """A number format of the dot products."""

    bits: int
    signed: bool = False
    bipolar: bool = False

    def parameters(self, prefix: str) -> dict[str, int]:
        return {
            f"{prefix}_BITS": self.bits,
            f"{prefix}_SIGNED": int(self.signed),
            f"{prefix}_BIPOLAR": int(self.bipolar),
        }

    def value(self, code: int) -> int:
        return code - 2**self.bits if self.signed and code >> (self.bits - 1) else code


BIPOLAR = Kind(1, bipolar=True)


def operands(pe: int, simd: int, a: Kind, w: Kind) -> tuple[list[int], np.ndarray, np.ndarray]:
    """(input words, activation codes (n, 1, SIMD), weight codes (n, PE, SIMD)), extremes included."""
    rng = generator(simd, a.bits, w.bits)
    codes = []
    for kind, rows in ((a, 1), (w, pe)):
        least = 2 ** (kind.bits - 1)  # the most negative value, if signed
        corners = rng.choice([0, least, least - 1, 2**kind.bits - 1], (40, rows, simd))
        codes.append(np.concatenate([corners, rng.integers(0, 2**kind.bits, (N, rows, simd))]))
    words = [word(vector(x.ravel(), a.bits), vector(y.ravel(), w.bits)) for x, y in zip(*codes, strict=True)]
    return words, *codes


def pipelined(bench: Bench, steps: int, **parameters: int) -> Bench:
    """The same with these parameters, which delay outputs by `steps` words."""
    outputs = [*[0] * steps, *bench.outputs][: len(bench.outputs)]
    parameters = bench.parameters | parameters
    return replace(bench, parameters=parameters, outputs=outputs, undefined=steps)


def dot_planes(simd: int, a: Kind, w: Kind, pe: int = 1, pipeline: int = 0, **options) -> Bench:
    """options: MIDDLE, SERIES."""
    inputs, a_codes, w_codes = operands(pe, simd, a, w)
    total = np.zeros((len(inputs), pe), np.int64)
    for i in range(a.bits):
        for j in range(w.bits):
            x, y = a_codes >> i & 1, w_codes >> j & 1
            plane = x == y if w.bipolar else x & y == 1
            negative = (a.signed and i == a.bits - 1) != (w.signed and j == w.bits - 1)
            total += (plane != negative).sum(axis=2) << (i + j)
    bits = (simd * (2**a.bits - 1) * (2**w.bits - 1)).bit_length()
    parameters = {"PE": pe, "SIMD": simd, **a.parameters("A"), **w.parameters("W")} | options
    in_bits = simd * (a.bits + pe * w.bits)
    outputs = [vector(row, bits)[0] for row in total.tolist()]
    bench = Bench("imec_dot_planes", parameters, in_bits, pe * bits, inputs, outputs)
    return pipelined(bench, (0, 1, 2, 1, 2, 3)[pipeline], PIPELINE=pipeline)


def dot_gates(
    simd: int, a: Kind, w: Kind, pe: int = 1, digits: int = 0, pipeline: int = 0, **options
) -> Bench:
    """digits: 1 for weights of several bits that are -1, 0 or 1. options: CUTS, HEAP, MIDDLE."""
    inputs, a_codes, w_codes = operands(pe, simd, a, w)
    digits = digits or w.bits
    if digits < w.bits:
        minus = 2**w.bits - 1 if w.signed else 1
        w_codes = np.choose(w_codes % 3, (0, 1, minus))
        inputs = [
            word(vector(x.ravel(), a.bits), vector(y.ravel(), w.bits))
            for x, y in zip(a_codes, w_codes, strict=True)
        ]
    most = 2**a.bits - 1
    codes = a_codes ^ a.signed << a.bits - 1
    total = np.zeros((len(inputs), pe), np.int64)
    for j in range(digits):
        keep = (w_codes >> j & 1) | w.bipolar
        negative = w.signed and j == digits - 1
        invert = 1 - w_codes if w.bipolar else w_codes >> w.bits - 1 & negative
        total += (keep * np.where(invert, most - codes, codes)).sum(axis=2) << j
    bits = (simd * most * (2**digits - 1)).bit_length()
    parameters = {
        "PE": pe,
        "SIMD": simd,
        **a.parameters("A"),
        **w.parameters("W"),
        "DIGITS": digits,
    } | options
    parameters.pop("A_BIPOLAR")
    in_bits = simd * (a.bits + pe * w.bits)
    outputs = [vector(row, bits)[0] for row in total.tolist()]
    bench = Bench("imec_dot_gates", parameters, in_bits, pe * bits, inputs, outputs)
    return pipelined(bench, (0, 1, 2, 1, 2, 3)[pipeline], PIPELINE=pipeline)


def dot_shared(simd: int, a: Kind, pe: int = 1, pipeline: int = 0, centered: bool = False) -> Bench:
    inputs, a_codes, w_codes = operands(pe, simd, a, BIPOLAR)
    values = np.vectorize(a.value)(a_codes) - (centered << a.bits - 1)
    signs = np.where(w_codes, 1, -1)
    signs[..., 1:] *= signs[..., :1]  # of later lanes, whether they have the first one's
    first = signs[..., 0]
    sums = first * (values * signs).sum(axis=2)
    bits = a.bits + (not a.signed and not centered) + (simd - 1).bit_length()
    parameters = {"PE": pe, "SIMD": simd, **a.parameters("A"), "CENTRED": int(centered)}
    parameters.pop("A_BIPOLAR")
    codes = (sums & 2**bits - 1) + ((first < 0) << bits)
    outputs = [vector(row, bits + 1)[0] for row in codes.tolist()]
    bench = Bench("imec_dot_shared", parameters, simd * (a.bits + pe), pe * (bits + 1), inputs, outputs)
    return pipelined(bench, (0, 1, 2, 1, 2, 3)[pipeline], PIPELINE=pipeline)


def add_subtract(d_bits: int, bits: int) -> Bench:
    rng = generator(d_bits, bits)
    inputs, outputs, acc = [], [], 0
    for n in range(2 * N):
        first, negate = n % 7 == 0, int(rng.integers(2))
        start = int(rng.integers(2**bits))
        d = int(
            rng.choice([-(2 ** (d_bits - 1)), 0, *rng.integers(-(2 ** (d_bits - 1)), 2 ** (d_bits - 1), 3)])
        )
        inputs.append(word((first, 1), (start, bits), (negate, 1), (d, d_bits)))
        acc = ((start if first else acc) + (-d if negate else d)) % 2**bits
        outputs.append(acc)
    bench = Bench(
        "imec_add_subtract", {"D_BITS": d_bits, "BITS": bits}, bits + d_bits + 2, bits, inputs, outputs
    )
    return pipelined(bench, 1)


def dot_product(simd: int, a: Kind, w: Kind, pe: int = 1, pipeline: int = 0) -> Bench:
    inputs, a_codes, w_codes = operands(pe, simd, a, w)
    bits = a.bits + w.bits + 1 + (simd - 1).bit_length()
    values = np.vectorize(a.value)(a_codes) * np.vectorize(w.value)(w_codes)
    parameters = {"PE": pe, "SIMD": simd, **a.parameters("A"), **w.parameters("W")}
    parameters = {k: v for k, v in parameters.items() if not k.endswith("BIPOLAR")}
    in_bits = simd * (a.bits + pe * w.bits)
    outputs = [vector(row, bits)[0] for row in values.sum(axis=2).tolist()]
    bench = Bench("imec_dot_product", parameters, in_bits, pe * bits, inputs, outputs)
    return pipelined(bench, (0, 1, 2, 1, 2, 3)[pipeline], PIPELINE=pipeline)


def delay(width: int, steps: int) -> Bench:
    words = random_words(width, N, generator(width, steps))
    outputs = [*[0] * steps, *words][: len(words)]
    parameters = {"WIDTH": width, "STEPS": steps}
    return Bench("imec_delay", parameters, width, width, words, outputs, undefined=steps)


def total(n: int, bits: int, module: str = "imec_sum") -> Bench:
    words = random_words(n * bits, N, generator(n, bits))
    sums = [sum(x >> i * bits & 2**bits - 1 for i in range(n)) for x in words]
    out_bits = bits + (n - 1).bit_length()
    return Bench(module, {"N": n, "BITS": bits}, n * bits, out_bits, words, sums)


def dsp48(head: int, late: int, block: DspBlock) -> Bench:
    rng = generator(head, late)
    weight, activation, total = block.weight_bits, {1: 18, 2: 18, 3: 24}[block.version], block.sum_bits
    largest = 2 ** (weight - 2), 2 ** (activation - 1)
    constant, inputs, outputs = 0x8000_4000_2001, [], []
    for _ in range(N):
        d, a = (int(v) for v in rng.choice([*rng.integers(-largest[0], largest[0], 8), -largest[0], 0], 2))
        b = int(rng.choice([*rng.integers(-largest[1], largest[1], 8), -largest[1], 0]))
        pcin = int(rng.integers(2**total))
        inputs.append(word((d, weight), (a, weight), (b, activation), (pcin, total)))
        outputs.append(word(((d - a) * b + (constant if head else pcin), total)))
    parameters = {"VERSION": block.version, "HEAD": head, "LATE": late, "C": constant}
    return Bench("imec_dsp48", parameters, 2 * weight + activation + total, total, inputs, outputs)


def dsp58(head: int, late: int) -> Bench:
    rng = generator(head, late)
    constant, inputs, outputs = 0x2_8000_4000_2001, [], []
    for _ in range(N):
        a, w = rng.choice([-256, 255, *rng.integers(-256, 256, 4)], 3), rng.choice([-128, 127, -1, 0, 77], 3)
        pcin = int(rng.integers(2**58))
        inputs.append(word(vector(a, 9), vector(w, 8), (pcin, 58)))
        outputs.append(word((int(a @ w) + (constant if head else pcin), 58)))
    parameters = {"HEAD": head, "LATE": late, "C": constant}
    return Bench("imec_dsp58", parameters, 109, 58, inputs, outputs)


def dot_dsp(
    pe: int,
    simd: int,
    a: Kind,
    w: Kind,
    largest: int = 2**16,
    chain: int = MAX_CHAIN,
    block: DspBlock = DSP48E1,
) -> Bench:
    """Packed for the weights of the stimulus, of magnitude <= largest, all extremes among them."""
    rng = generator(pe, simd, a.bits, w.bits)

    def values(kind: Kind, largest: int, shape: tuple[int, ...]) -> tuple[np.ndarray, int, int]:
        codes = [kind.value(code) for code in (0, 2 ** (kind.bits - 1) - 1, 2 ** (kind.bits - 1))]
        low = max(-largest, min(codes))
        high = min(largest, max(*codes, kind.value(2**kind.bits - 1)))
        corners = rng.choice([low, low, high, high, 0], (60, *shape))
        return np.concatenate([corners, rng.integers(low, high + 1, (N, *shape))]), low, high

    weights, *_ = values(w, largest, (pe, simd))
    activations, *_ = values(a, 2**16, (simd,))
    packing = Packing.of(weights, w.bits + (not w.signed), a.bits, a.signed, chain, True, None, block)
    center = 2 ** (a.bits - 1) if packing.centered else 0
    y_bits = packing.field_bits + (packing.chains - 1).bit_length()
    products = weights * (activations - center)[:, None]
    sums = products.sum(axis=2) + packing.chains * packing.bias
    parameters = {"PE": pe, "SIMD": simd, **a.parameters("A"), **w.parameters("W")}
    parameters = {k: v for k, v in parameters.items() if not k.endswith("BIPOLAR")}
    packed = vars(packing) | {"VERSION": block.version}
    parameters |= {name.upper(): int(value) for name, value in packed.items() if name != "block"}
    parameters["CENTRED"] = parameters.pop("CENTERED")
    return Bench(
        "imec_dot_dsp", parameters, simd * (a.bits + pe * w.bits), pe * y_bits,
        [word(vector(x, a.bits), vector(y.ravel(), w.bits))
         for x, y in zip(activations, weights, strict=True)],
        [vector(row, y_bits)[0] for row in sums],
    )  # fmt: skip


def mac(
    a: str, w: str, simd: int, pe: int, words: int, nf: int = 2, depthwise: bool = False, **options
) -> Bench:
    """MVAU_rtl's accumulators over folds of `words` words, from starts of any value.

    The starts hold the core's constants too. options: of the Datapath that the parameters are of.
    """
    rng = generator(simd, pe, words)
    if depthwise:
        g = ConvGeometry((1, words), (1, words), pe * nf, pe * nf, pe=pe, depthwise=True)
    else:
        g = ConvGeometry((1, 1), (1, 1), simd * words, pe * nf, simd=simd, pe=pe)
    idt, wdt = DataType[a], DataType[w]
    weights = random_values(wdt, (g.mw, g.mh), rng)
    path = Datapath(g, idt, wdt, DataType["INT64"], weights, **options)
    low, high = path.accumulator_range
    path = replace(path, output_datatype=smallest_datatype(int(low.min()), int(high.max())))

    parameters = mac_parameters(path.structure)
    fixed = int(rng.integers(2**path.acc_bits))  # the start of all, with PAIRS
    if path.structure.pairs:
        parameters["START"] = fixed
    inputs, outputs, weight_words = [], [], path.weight_words()
    a_bits, w_bits, acc_bits = path.core.activation.bits, pe * simd * path.core.weight.bits, path.acc_bits
    for n in range(N // words):
        fold = n % nf
        channels = slice(fold * pe, (fold + 1) * pe)
        values = random_values(idt, (words, g.word_channels), rng)
        if n % 4 == 0:
            values[:] = idt.min()
        factors = values if depthwise else values.reshape(-1, 1)
        sums = (factors * weights[:, channels]).sum(axis=0)
        if path.core.counts_equal_bits:
            sums = (sums + g.mw) // 2
        base = rng.integers(-(2**acc_bits), 2**acc_bits, pe)
        if path.structure.pairs:
            base = fixed - path.offsets[channels]
        start = vector(base + path.offsets[channels], acc_bits)
        codes = values > 0 if path.core.activation.bipolar else values
        for i in range(words):
            flags = (i == 0, 1), (i == words - 1, 1)
            operands = vector(codes[i], a_bits), (weight_words[fold * words + i], w_bits)
            inputs.append(word(*flags, *operands, start))
        outputs.append(vector(base + sums, acc_bits)[0])
    in_bits = 2 + g.word_channels * a_bits + w_bits + pe * acc_bits
    return Bench("imec_mac", parameters, in_bits, pe * acc_bits, inputs, outputs)


def pairs(a: Kind, w: Kind, acc_bits: int, words: int, steps: int = 0) -> Bench:
    """Sums of `words` products, up to the constant of the partial products of one sign bit."""
    rng = generator(a.bits, acc_bits, words)
    start = int(rng.integers(2**acc_bits))
    negative = sum(
        2 ** (i + j)
        for i in range(a.bits)
        for j in range(w.bits)
        if (a.signed and i == a.bits - 1) != (w.signed and j == w.bits - 1)
    )
    inputs, outputs = [], []
    for _ in range(N // words):
        operands = [[kind.value(int(rng.integers(2**kind.bits))) for _ in range(words)] for kind in (a, w)]
        for i, (x, y) in enumerate(zip(*operands, strict=True)):
            inputs.append(word((i == 0, 1), (i == words - 1, 1), (x, a.bits), (y, w.bits)))
        outputs.append((start + words * negative + int(np.dot(*operands))) % 2**acc_bits)
    parameters = {
        "A_BITS": a.bits, "A_SIGNED": a.signed, "W_SIGNED": w.signed, "ACC_BITS": acc_bits,
        "START": start, "STEPS": steps,
    }  # fmt: skip
    return Bench("imec_pairs", parameters, 2 + a.bits + w.bits, acc_bits, inputs, outputs)


def threshold(pe: int, nf: int, steps: int, acc_bits: int, o_bits: int, bias: int) -> Bench:
    inputs, outputs, table = activations(pe, nf, steps, acc_bits, o_bits, bias)
    parameters = {"PE": pe, "NF": nf, "STEPS": steps, "ACC_BITS": acc_bits, "O_BITS": o_bits, "BIAS": bias}
    memories = {"INIT_FILE": [vector(row, acc_bits)[0] for row in table.reshape(nf, -1).tolist()]}
    in_bits = pe * acc_bits + address_bits(nf)
    return Bench("imec_threshold", parameters, in_bits, pe * o_bits, inputs, outputs, memories=memories)


def search(
    pe: int,
    nf: int,
    steps: int,
    acc_bits: int,
    o_bits: int,
    bias: int,
    engines: int,
    style: str = "",
    read: int = 1,
    fast: int = 0,
    top: int = 0,
) -> Bench:
    """imec_threshold_search with these engines, in block RAM of a RAM_STYLE or, without one, in a table.

    top: bits of a threshold that are in a table beside the block RAM.
    """
    inputs, outputs, table = activations(pe, nf, steps, acc_bits, o_bits, bias)
    each, per_channel, high = pe // engines, 2 ** steps.bit_length(), 2 ** (acc_bits - 1) - 1
    channels = 1 << (each - 1).bit_length()
    words = np.full((engines, nf, channels, per_channel), high)
    words[:, :, :each, 1 : steps + 1] = table.reshape(nf, engines, each, steps).swapaxes(0, 1)
    rows = words.reshape(engines, -1)
    parameters = {"PE": pe, "NF": nf, "STEPS": steps, "ACC_BITS": acc_bits, "O_BITS": o_bits, "BIAS": bias}
    parameters |= {
        "ENGINES": engines,
        "READ": read if style else 0,
        "FAST": fast,
        "RAM_STYLE": style or "auto",
        "TOP": top,
    }
    memories = {}
    low = acc_bits - top
    if style:
        files = {f"INIT{i or ''}_FILE": rows[min(i, engines - 1)].tolist() for i in range(4)}
        memories = {name: [word((v, low)) for v in values] for name, values in files.items()}
    if top or not style:
        tabled = rows >> low if top else rows
        parameters |= {"ROWS": rows.shape[1], "TABLE": vector(tabled.T.ravel().tolist(), top or acc_bits)[0]}
    in_bits = pe * acc_bits + address_bits(nf)
    return Bench(
        "imec_threshold_search", parameters, in_bits, pe * o_bits, inputs, outputs, memories=memories
    )


def stages(pe: int, nf: int, steps: int, acc_bits: int, o_bits: int, bias: int) -> Bench:
    """imec_threshold_stages, which has the table of a search with an engine for each PE."""
    bench = search(pe, nf, steps, acc_bits, o_bits, bias, pe)
    others = ("ENGINES", "READ", "FAST", "RAM_STYLE", "TOP")
    parameters = {name: value for name, value in bench.parameters.items() if name not in others}
    return replace(bench, module="imec_threshold_stages", parameters=parameters)


def activations(
    pe: int, nf: int, steps: int, acc_bits: int, o_bits: int, bias: int
) -> tuple[list[int], list[int], np.ndarray]:
    """(input words, output words, sorted thresholds (nf, PE, steps)), values at thresholds included."""
    rng = generator(pe, nf, steps)
    low, high = -(2 ** (acc_bits - 1)), 2 ** (acc_bits - 1) - 1
    table = np.sort(rng.integers(low, high + 1, (nf, pe, steps)), axis=2)
    inputs, outputs = [], []
    for _ in range(N):
        fold, acc = int(rng.integers(nf)), rng.integers(low, high, pe)  # high is never reached
        at = rng.random(pe) < 0.3  # at a threshold
        acc = np.where(at, table[fold, :, int(rng.integers(steps))], acc).clip(low, high - 1)
        inputs.append(word((fold, address_bits(nf)), vector(acc, acc_bits)))
        reached = (acc[:, None] >= table[fold]).sum(axis=1) + bias
        outputs.append(vector(reached, o_bits)[0])
    return inputs, outputs, table


def schedule(g: ConvGeometry, unit: LineBuffer | None = None) -> dict[str, int]:
    """imec_sequencer's parameters for a geometry, as imec_wrapper.v.j2 has them; unit: if another."""
    unit = unit or LineBuffer(g)
    nest, (column, row, frame) = g.loop_nest, g.advance_words
    return {
        "DEPTH": unit.words, "LIVE": g.live_words, "DUAL_PORT": unit.dual_port,
        **({"BANKED": True, "SKEW": unit.skew} if unit.banked else {}),
        "RUN": nest.run, "INNER": nest.inner, "INNER_STEP": nest.inner_step,
        "OUTER": nest.outer, "OUTER_STEP": nest.outer_step, "NF": g.nf,
        "FOLD_STEP": unit.fold_step, "DEPTHWISE": g.depthwise,
        "OW": g.ofm_dim[1], "OH": g.ofm_dim[0],
        "ADVANCE_COLUMN": column, "ADVANCE_ROW": row, "ADVANCE_FRAME": frame,
    }  # fmt: skip


def sequencer(g: ConvGeometry) -> Bench:
    """The buffer words of each window, NF times in a row, cut out of the numbered frames."""
    (h, w), (kh, kw), (sh, sw), (dh, dw) = g.ifm_dim, g.kernel, g.stride, g.dilation
    frames = np.arange(FRAMES * h * w * g.cf).reshape(FRAMES, h, w, g.cf)
    assert frames.max() < 2**16
    weight_bits = address_bits(g.sf * g.nf)
    outputs = []
    for n, y, x in np.ndindex(FRAMES, *g.ofm_dim):
        top, left = y * sh, x * sw
        rows, columns = slice(top, top + kh * dh, dh), slice(left, left + kw * dw, dw)
        window = frames[n, rows, columns].reshape(-1, g.cf)
        reads = window.T.ravel() if g.depthwise else np.tile(window.ravel(), g.nf)
        assert len(reads) == g.sf * g.nf
        for address, value in enumerate(reads):
            sf = address % g.sf
            outputs.append(word((value, 16), (sf == 0, 1), (sf == g.sf - 1, 1), (address, weight_bits)))
    return Bench("imec_sequencer", schedule(g), 16, 18 + weight_bits, frames.ravel().tolist(), outputs)


def windows_of(g: ConvGeometry, queues: tuple[int, int]) -> WindowUnit:
    """The window unit of a layer, with these queues."""
    unit = WindowUnit(g)
    vars(unit)["queues"] = Queues(*queues)
    return unit


def window(g: ConvGeometry, queues: tuple[int, int], style: str = "auto") -> Bench:
    """The words of each window, NF times in a row, cut out of frames of numbered channels."""
    (h, w), (kh, kw), (sh, sw), (dh, dw) = g.ifm_dim, g.kernel, g.stride, g.dilation
    frames = generator(h, w).integers(0, 16, (FRAMES, h, w, g.ifm_channels))
    weight_bits, outputs = address_bits(g.weight_words), []
    for n, y, x in np.ndindex(FRAMES, *g.ofm_dim):
        top, left = y * sh, x * sw
        rows, columns = slice(top, top + kh * dh, dh), slice(left, left + kw * dw, dw)
        words = frames[n, rows, columns].reshape(g.sf, g.simd)
        for address in range(g.weight_words):
            sf = address % g.sf
            flags = (sf == 0, 1), (sf == g.sf - 1, 1), (address, weight_bits)
            outputs.append(word(vector(words[sf], 4), *flags))
    parameters = {
        "WIDTH": 4 * g.ifm_channels, "H": h, "W": w, "K_H": kh, "K_W": kw, "S_H": sh, "S_W": sw,
        "D_H": dh, "D_W": dw, "SF": g.sf, "NF": g.nf, "COLUMNS": queues[0], "WINDOWS": queues[1],
        "RAM_STYLE": style,
    }  # fmt: skip
    inputs = [vector(pixel, 4)[0] for pixel in frames.reshape(-1, g.ifm_channels)]
    in_bits, out_bits = 4 * g.ifm_channels, 4 * g.simd + 2 + weight_bits
    return Bench("imec_window", parameters, in_bits, out_bits, inputs, outputs)


def through(g: ConvGeometry, steps: int = 1) -> Bench:
    """Random words, each read once."""
    assert isinstance(storage(g), Through)
    words = random_words(8, 50 * g.weight_words, generator(g.sf, g.nf))
    weight_bits, outputs = address_bits(g.weight_words), []
    for number, value in enumerate(words):
        sf, address = number % g.sf, number % g.weight_words
        outputs.append(word((value, 8), (sf == 0, 1), (sf == g.sf - 1, 1), (address, weight_bits)))
    parameters = {"WIDTH": 8, "FOLD": g.sf, "NF": g.nf, "STEPS": steps}
    return Bench("imec_through", parameters, 8, 10 + weight_bits, words, outputs)


def gearbox(word_channels: int, simd: int, periods: int = 1, nf: int = 1, memory: int = 1) -> Bench:
    """Six windows of a column of numbered channels, each row of the weights once in each fold."""
    channels = word_channels * simd // gcd(word_channels, simd) * periods
    g = ConvGeometry((channels // word_channels, 1), (9 * channels, 1), word_channels, nf, simd=simd)
    assert (g.geared, g.mw, g.nf) == (True, channels, nf)
    folds = generator(word_channels, simd).integers(0, 16, (6 * nf, channels))
    weight_bits, outputs = address_bits(g.weight_words), []
    for number, values in enumerate(folds):
        for sf, row in enumerate(values[weight_rows(g)].reshape(g.sf, simd)):
            flags = (sf == 0, 1), (sf == g.sf - 1, 1), (number % nf * g.sf + sf, weight_bits)
            outputs.append(word(vector(row, 4), *flags))
    parameters = {"WORD": word_channels, "SIMD": simd, "BITS": 4, "WEIGHTS": g.weight_words, "MEMORY": memory}
    inputs = [vector(values, 4)[0] for values in folds.reshape(-1, word_channels)]
    in_bits, out_bits = 4 * word_channels, 4 * simd + 2 + weight_bits
    return Bench("imec_gearbox", parameters | {"READS": g.fold_reads}, in_bits, out_bits, inputs, outputs)


def layer(kernel, ifm_dim, stride=(1, 1), dilation=(1, 1), cf=1, nf=1) -> ConvGeometry:
    return ConvGeometry(kernel, ifm_dim, cf, nf, stride, dilation)


def depthwise(kernel, ifm_dim, stride=(1, 1), dilation=(1, 1), nf=1) -> ConvGeometry:
    return ConvGeometry(kernel, ifm_dim, nf, nf, stride, dilation, depthwise=True)


ONE_PORT_LAYERS = [
    layer((3, 3), (6, 7)),
    layer((3, 3), (6, 7), nf=3),
    layer((3, 3), (6, 7), cf=2, nf=2),
    layer((1, 1), (1, 1)),
    layer((1, 1), (3, 4), cf=3, nf=2),
    layer((1, 1), (5, 5), stride=(2, 3), nf=2),  # stride > kernel
    layer((3, 3), (3, 3), cf=2, nf=2),  # one window a frame
    layer((1, 3), (1, 9), nf=2),
    layer((3, 1), (9, 1), nf=2),
    layer((2, 2), (7, 8), stride=(2, 2), nf=2),
    layer((2, 3), (8, 9), stride=(3, 2), dilation=(2, 2), cf=2),
    layer((2, 2), (6, 6), stride=(3, 4), nf=3),  # rows and columns that no window reads
    layer((3, 2), (7, 5), dilation=(1, 3), nf=4),
    layer((3, 3), (9, 11), stride=(2, 2), cf=2, nf=4),
    depthwise((3, 3), (6, 7), nf=4),
    depthwise((3, 2), (7, 9), stride=(2, 1), dilation=(1, 2), nf=3),
    depthwise((1, 1), (4, 4), stride=(2, 2), nf=2),
    depthwise((2, 3), (5, 6), nf=1),
]
LAYERS = [
    *(replace(g, buffer_ports=ports) for g in ONE_PORT_LAYERS for ports in (1, 2)),
    *(
        replace(g, buffer_ports=2, buffer_banks=2, buffer_style="distributed")
        for g in (*ONE_PORT_LAYERS, depthwise((3, 3), (7, 8), stride=(2, 2), nf=8))
    ),
]

#: (layer, queues of columns and windows, RAM_STYLE)
WINDOWS = [
    (ConvGeometry(kernel, ifm_dim, channels, nf, stride, dilation, simd), queues, style)
    for kernel, ifm_dim, stride, dilation, channels, simd, nf in (
        ((3, 3), (6, 7), (1, 1), (1, 1), 2, 18, 1),
        ((3, 3), (6, 7), (1, 1), (1, 1), 1, 9, 2),
        ((3, 3), (9, 9), (2, 2), (1, 1), 1, 3, 1),
        ((2, 3), (7, 10), (3, 2), (1, 2), 2, 4, 2),  # a row and columns that no window reads
        ((3, 2), (9, 8), (1, 3), (2, 1), 1, 2, 3),
        ((1, 4), (3, 9), (1, 1), (1, 2), 2, 8, 2),
        ((4, 1), (9, 1), (2, 1), (2, 1), 1, 2, 2),
        ((3, 3), (3, 3), (1, 1), (1, 1), 2, 6, 2),  # one window a frame
        ((2, 2), (6, 6), (4, 4), (1, 1), 1, 4, 2),  # stride > kernel
    )
    for queues, style in (
        ((0, 0), "auto"), ((4, 0), "block"), ((0, 4), "distributed"), ((2, 2), "ultra"),
    )
]  # fmt: skip

BENCHES = [
    *(
        dot_shared(*args)
        for args in (
            (2, Kind(2, True), 3), (3, Kind(8, True), 4), (3, Kind(8), 2), (4, Kind(3), 2),
            (4, Kind(5, True), 2), (3, Kind(8), 2, 2, True), (4, Kind(2), 3, 4, True),
        )
    ),
    *(dot_shared(3, Kind(4, True), 3, pipeline) for pipeline in range(1, 6)),
    *(counter(n) for n in (1, 2, 3, 7, 8, 100)),
    ring(1, [0]),
    ring(2, [0, 1]),
    ring(3, [1, 2]),
    ring(8, [1, 7, 3]),
    ring(13, [1, 12, 5, 0, 7, 2]),
    ring(64, [1]),
    ring(100, [1, 99, 50, 49, 36, 64]),
    *(
        convert(n_in, n_out, bits)
        for n_in, n_out, bits in (
            (1, 1, 3), (4, 4, 1), (1, 2, 3), (1, 5, 2), (3, 6, 4), (2, 12, 1),
            (2, 1, 3), (5, 1, 2), (6, 3, 4), (12, 2, 1),
        )
    ),
    *(
        pad(*args)
        for args in (
            (3, (4, 5), (0, 0, 0, 0)), (2, (5, 6), (1, 1, 1, 1)), (4, (5, 7), (1, 2, 0, 1), 3),
            (1, (4, 3), (2, 0, 1, 0), 2), (5, (3, 6), (0, 3, 0, 0)), (3, (3, 4), (0, 0, 0, 3), 2),
            (2, (4, 1), (3, 0, 0, 0)), (2, (4, 4), (0, 0, 2, 0)), (3, (2, 2), (1, 0, 0, 1)),
        )
    ),
    strip(1, 5),
    strip(2, 3, "distributed"),
    strip(19, 8, "distributed"),
    strip(257, 3, "distributed"),
    strip(288, 5, "distributed"),
    strip(1100, 4, "distributed"),
    strip(288, 5, "distributed", parted=True),
    *(line_parts(*size) for size in ((257, 3), (288, 5), (400, 2), (449, 4), (512, 1), (960, 2))),
    strip(64, 33, "block"),
    strip(1, 4, dual_port=True),
    strip(37, 5, "distributed", dual_port=True),
    strip(64, 9, "block", dual_port=True),
    *(banks(*size) for size in ((4, 3), (54, 8), (256, 2), (640, 5), (712, 4), (896, 3), (1664, 2))),
    rom(1, 7, "distributed"),
    rom(2, 3, "auto"),
    rom(37, 65, "distributed"),
    rom(100, 12, "block"),
    rom(9, 3, "block", "paired"),
    rom(1152, 5, "block", "paired"),
    rom(1279, 2, "block", "paired"),
    rom(9, 3, "block", "through"),
    rom(1152, 5, "block", "through"),
    rom(1100, 3, "block", "through"),
    rom(1151, 3, "block", "through"),
    rom(1279, 2, "block", "through"),
    *(
        two_steps(bench)
        for bench in (
            rom(2, 3, "auto"), rom(37, 65, "distributed"), rom(1152, 5, "block", "paired"),
            rom(1152, 5, "block", "through"), rom(4097, 3, "block", "banked"),
            strip(1, 5), strip(19, 8, "distributed"), strip(37, 5, "distributed", dual_port=True),
            strip(64, 9, "block", dual_port=True), strip(300, 4, "distributed", parted=True),
            line_parts(257, 3), line_parts(700, 2),
        )
    ),
    *(register(width) for width in (1, 7)),
    *(output(width, n) for width, n in ((1, 1), (5, 1), (1, 2), (9, 2))),
    dot_product(3, Kind(8), Kind(8, True), pipeline=3),
    *(
        dot_product(*args)
        for args in (
            (1, Kind(5), Kind(4)), (2, Kind(5, True), Kind(4)), (3, Kind(8), Kind(8, True)),
            (4, Kind(8, True), Kind(8, True), 3), (5, Kind(3), Kind(6, True)),
            (2, Kind(16), Kind(16)), (7, Kind(16, True), Kind(16, True), 2),
        )
    ),
    *(delay(width, steps) for width, steps in ((1, 0), (5, 1), (3, 2), (2, 9))),
    *(total(n, bits) for n, bits in ((1, 3), (2, 5), (3, 1), (4, 7), (5, 4), (6, 5), (7, 3))),
    *(total(n, bits) for n, bits in ((16, 7), (17, 2), (65, 3))),
    *map(sequencer, LAYERS),
    *(
        axis(*args)
        for args in (
            (1, 1, 1), (1, 1, 3), (5, 5, 1), (8, 3, 1), (16, 1, 1), (9, 3, 2), (10, 2, 4), (7, 3, 4),
            (7, 3, 5), (6, 1, 2),
        )
    ),
    *(queue(depth, width) for depth, width in ((0, 3), (2, 1), (4, 9), (32, 5))),
    *(window(*case) for case in WINDOWS),
    *(
        through(ConvGeometry((1, 1), (2, 3), channels, outputs, simd=simd, pe=pe, depthwise=depthwise), steps)
        for channels, outputs, simd, pe, depthwise, steps in (
            (6, 4, 2, 4, 0, 1),
            (6, 4, 6, 4, 0, 1),
            (5, 2, 1, 2, 0, 2),
            (6, 6, 1, 2, 1, 2),
            (4, 4, 1, 4, 1, 1),
        )
    ),
    gearbox(16, 12, 3, 2),
    gearbox(16, 9, memory=2),
    gearbox(4, 3, 6),
    gearbox(32, 18, 1, 3),
    gearbox(11, 3, 2, 2, 2),
]  # fmt: skip

#: Of the modules that have PRIMITIVES
TWO_FOLD = [
    *(dsp48(head, late, block) for block in DSP_BLOCKS.values() for head in (0, 1) for late in (0, 1)),
    *(dsp58(head, late) for head in (0, 1) for late in (0, 1)),
    *(
        dot_dsp(*case)
        for case in (
            (1, 1, Kind(8, True), Kind(8, True)), (2, 16, Kind(8, True), Kind(8, True), 127),
            (2, 8, Kind(8, True), Kind(8, True)), (3, 7, Kind(8), Kind(8, True), 127),
            (5, 16, Kind(8), Kind(8, True), 20), (4, 16, Kind(4, True), Kind(4, True), 7),
            (6, 5, Kind(4, True), Kind(4, True)), (9, 4, Kind(4), Kind(4, True), 7),
            (3, 3, Kind(8), Kind(2, True)), (8, 3, Kind(8, True), Kind(4, True), 7),
            (7, 6, Kind(3), Kind(2, True)), (11, 2, Kind(2, True), Kind(3, True), 3),
            (4, 6, Kind(4), Kind(4, True), 7), (5, 9, Kind(3), Kind(3, True), 3),
            (3, 10, Kind(5, True), Kind(4)), (2, 5, Kind(16), Kind(16, True)),
            (1, 16, Kind(16, True), Kind(16, True)), (2, 3, Kind(16, True), Kind(16)),
            (2, 9, Kind(6, True), Kind(6, True), 31, 2), (1, 20, Kind(8, True), Kind(8, True)),
        )
    ),
    *(
        dot_dsp(*case, block=block)
        for block in (DSP48E2, DSP58)
        for case in (
            (4, 7, Kind(4, True), Kind(4, True)), (6, 5, Kind(4), Kind(4, True)),
            (3, 3, Kind(8), Kind(4, True), 7), (9, 4, Kind(2, True), Kind(2, True), 1),
            (2, 5, Kind(16), Kind(16, True)), (2, 3, Kind(16), Kind(2, True)),
            (4, 10, Kind(8, True), Kind(8, True)), (1, 16, Kind(8), Kind(8, True)),
        )
    ),
    *(
        dot_dsp(*case, block=DSP58)
        for case in (
            (1, 1, Kind(9, True), Kind(8, True)), (2, 27, Kind(4, True), Kind(3, True)),
            (1, 32, Kind(9), Kind(7)), (1, 26, Kind(8), Kind(8, True), 127, 2),
            (2, 4, Kind(8, True), Kind(9, True)),
        )
    ),
    *(total(n, bits, "imec_heap_sum") for n, bits in ((5, 3), (8, 17), (16, 7), (17, 1), (32, 7), (65, 4))),
    dot_dsp(4, 32, Kind(4, True), Kind(4, True), 7),  # 32 chains
    dot_dsp(4, 19, Kind(4), Kind(4, True), 7),
    mac("UINT3", "INT4", 24, 4, 2, res_type="dsp"),
    *(counter7(n) for n in range(1, 8)),
    *(counter7(n, chain=0) for n in range(4, 7)),
    *(compress(n) for n in (*range(1, 14), 17, 18, 19, 36, 37, 100)),
    *(pipelined(compress(n), 0, COUNTER=6) for n in (5, 6, 10, 15, 17, 63)),
    *(
        compress(*heights)
        for heights in (
            (1, 2), (3, 3), (2, 3, 1), (4, 0, 5), (6, 11, 6), (6, 17, 17, 6), (3,) * 6,
        )
    ),
    *(pipelined(compress(*heights), 1, ROWS=1) for heights in ((2,), (7, 3), (17, 17, 6))),
    pipelined(compress(17, 17, 6), 1, CUT=6),
    pipelined(compress(17, 40, 6), 2, CUT=6, ROWS=1),
    pipelined(compress(2, 2), 2, CUT=6, ROWS=1),
    *(table(rows, width) for rows, width in ((1, 2), (16, 5), (17, 3), (64, 4), (65, 2), (130, 3), (256, 2))),
    *(table(rows, width) for rows, width in ((257, 2), (511, 3), (600, 2), (1024, 3))),
    *(muxf(n) for n in (1, 2, 3, 4)),
    *(lut6(init) for init in (1, 1 << 63, 0x0123_4567_89AB_CDEF)),
    *(lut6x2(init) for init in (1 << 31, 1 << 63, 0x0123_4567_89AB_CDEF)),
    *(gates(n, bits) for n in (1, 2, 3) for bits in (1, 2, 8)),
    *(add3(bits) for bits in (1, 3, 4, 5, 8, 11)),
    *(tree(n, most) for n, most in ((1, 3), (2, 1), (3, 6), (4, 3), (5, 45), (8, 6), (28, 3))),
    *(tree(n, most, 1) for n, most in ((2, 3), (3, 48), (4, 3), (8, 45))),
    *(tree(17, 7, cuts=cuts) for cuts in (2, 5)),
    tree(8, 21, 1, cuts=3),
    *(
        dot_gates(*args)
        for args in (
            (1, Kind(2, True), Kind(2, True), 2, 1), (16, Kind(2, True), Kind(2, True), 2, 1),
            (2, Kind(3), Kind(5, True), 1, 1), (3, Kind(8, True), BIPOLAR, 2), (5, Kind(2), Kind(1)),
            (9, Kind(2), Kind(3)), (7, Kind(4), Kind(4, True), 2),
        )
    ),
    *(
        dot_gates(8, Kind(4), Kind(4, True), pipeline=pipeline, CUTS=cuts)
        for pipeline, cuts in ((0, 0), (1, 4), (2, 3), (3, 0), (4, 16), (5, 13))
    ),
    *(
        dot_gates(9, Kind(4, True), Kind(4, True), pipeline=pipeline, HEAP=1)
        for pipeline in range(6)
    ),
    *(dot_gates(*args, HEAP=1) for args in ((3, Kind(8), BIPOLAR), (20, Kind(2), Kind(2, True), 1, 1))),
    *(add_subtract(*args) for args in ((1, 1), (3, 3), (4, 9), (10, 14))),
    *(mux(n, width) for n in (*range(1, 10), 13, 16, 17, 18, 21, 33) for width in (1, 3)),
    *(rom(depth, 7, "distributed", "table") for depth in (1, 2, 36, 64, 65, 72, 80)),
    two_steps(rom(72, 5, "distributed", "table")),
    *(
        rom(rows * banks + rest, width, "block", "banked", rows)
        for rows, banks, rest, width in (
            (2048, 2, 1, 3), (2048, 4, 1024, 2), (2048, 9, 0, 1),
            (4096, 1, 9, 2), (4096, 8, 64, 1), (4096, 18, 0, 2),
        )
    ),
    *(two_steps(rom(depth, 5, "block", "banked")) for depth in (4096, 4097)),
    *(rom(depth, width, "block", "split") for depth, width in ((9, 4), (1152, 7), (65537, 5), (36864, 12))),
    two_steps(rom(36864, 7, "block", "split")),
    *(trits(n) for n in (1, 2, 3, 4, 8, 32)),
    *(
        dot_planes(*args)
        for args in (
            (1, BIPOLAR, BIPOLAR), (16, BIPOLAR, BIPOLAR, 3), (5, Kind(1), BIPOLAR),
            (3, Kind(4), BIPOLAR), (4, Kind(3, True), BIPOLAR, 2), (7, Kind(8, True), BIPOLAR),
            (6, BIPOLAR, Kind(1)), (3, BIPOLAR, Kind(3, True)), (4, BIPOLAR, Kind(2), 5),
            (1, Kind(1), Kind(1)), (8, Kind(2), Kind(2, True), 2), (5, Kind(2, True), Kind(2)),
            (9, Kind(2, True), Kind(2, True)), (2, Kind(3), Kind(4), 3), (16, Kind(8, True), BIPOLAR),
            (3, Kind(4, True), Kind(4, True)), (8, Kind(4, True), Kind(4, True), 2),
            (1, Kind(1), Kind(8, True)), (11, Kind(1, True), Kind(2, True)), (40, BIPOLAR, BIPOLAR, 2),
        )
    ),
    *(
        dot_planes(*args, pipeline=pipeline)
        for pipeline in (1, 2, 3, 4, 5)
        for args in ((1, BIPOLAR, BIPOLAR, 1), (40, BIPOLAR, BIPOLAR, 2), (8, Kind(2), Kind(2, True), 2))
    ),
    *(
        dot_planes(32, Kind(2), Kind(2, True), pipeline=pipeline, MIDDLE=middle)
        for pipeline in (2, 4) for middle in (2, 22, 99)
    ),
    *(  # full adders in series
        dot_planes(*args, SERIES=series)
        for series in (2, 3, 40)
        for args in (
            (1, BIPOLAR, BIPOLAR), (2, BIPOLAR, BIPOLAR), (3, Kind(1), BIPOLAR, 2), (16, BIPOLAR, BIPOLAR, 3),
            (6, BIPOLAR, Kind(3, True)), (11, Kind(1, True), Kind(2, True)), (4, Kind(3), BIPOLAR),
            (9, Kind(2, True), Kind(2, True)), (3, Kind(4, True), Kind(4, True), 2),
        )
    ),
    *(
        dot_planes(33, BIPOLAR, BIPOLAR, 2, pipeline, SERIES=2, MIDDLE=middle)
        for pipeline in range(6) for middle in (6, 99)
    ),
    *(
        mac(*args, pipeline=pipeline)
        for args in (
            ("BIPOLAR", "BIPOLAR", 5, 2, 3), ("BIPOLAR", "INT3", 4, 3, 2),
            ("UINT2", "TERNARY", 8, 2, 1), ("BIPOLAR", "BIPOLAR", 32, 2, 3),
        )
        for pipeline in range(6)
    ),
    *(mac("INT8", "BIPOLAR", 3, 12, 3, pipeline=pipeline) for pipeline in range(6)),  # shared sums
    mac("UINT7", "BIPOLAR", 3, 13, 2),
    mac("INT3", "BIPOLAR", 1, 2, 3),
    mac("INT3", "BIPOLAR", 4, 2, 3),  # gated additions, as the next ones
    mac("UINT2", "TERNARY", 8, 2, 1, nf=1, pipeline=3),
    mac("INT4", "INT4", 8, 2, 3, nf=1, res_type="lut", pipeline=4),
    mac("BIPOLAR", "INT2", 5, 2, 3, runtime_weights=True),  # widened
    mac("UINT3", "BIPOLAR", 3, 2, 3, runtime_weights=True, pipeline=2),
    mac("INT2", "INT4", 1, 3, 4, depthwise=True),  # in pairs of bits, as the next one
    mac("UINT4", "INT4", 1, 2, 3, depthwise=True, res_type="lut", pipeline=4),
    mac("INT3", "INT2", 1, 3, 4, depthwise=True),
    *(
        pairs(*args)
        for args in (
            (Kind(4), Kind(4, True), 11, 9), (Kind(2, True), Kind(4), 12, 3),
            (Kind(5, True), Kind(4, True), 9, 4, 2),
            (Kind(3), Kind(4), 7, 1), (Kind(4), Kind(4, True), 5, 3, 1), (Kind(8, True), Kind(4), 20, 25),
        )
    ),
    mac("INT8", "INT8", 3, 2, 3, res_type="lut"),
    mac("UINT8", "INT5", 1, 3, 1, res_type="lut", pipeline=3),
    mac("INT8", "UINT4", 1, 2, 4, depthwise=True, res_type="lut", pipeline=2),
    mac("UINT8", "INT8", 16, 3, 3),
    mac("INT4", "INT4", 6, 5, 1, nf=1),
    mac("UINT4", "INT6", 5, 3, 2),  # centered
    mac("UINT4", "INT4", 5, 4, 3, runtime_weights=True),
    mac("BIPOLAR", "INT8", 9, 2, 3, runtime_weights=True, res_type="dsp"),  # widened
    mac("INT8", "INT8", 1, 3, 4, depthwise=True),
    *(
        mac(*args, dsp_block=block, **options)
        for block in ("DSP48E2", "DSP58")
        for args, options in (
            (("UINT8", "INT8", 16, 3, 3), {}), (("INT8", "INT4", 6, 7, 2), {}),
            (("UINT4", "INT4", 5, 4, 3), {"runtime_weights": True}),
        )
    ),
    threshold(1, 1, 1, 3, 1, 0),
    threshold(2, 3, 1, 5, 1, 0),
    threshold(3, 2, 3, 7, 2, -2),
    threshold(2, 4, 7, 9, 4, 3),
    threshold(1, 5, 15, 12, 8, -100),
    stages(1, 1, 1, 4, 1, 0),
    stages(3, 2, 3, 7, 2, -2),
    stages(2, 5, 6, 9, 4, 3),
    stages(1, 3, 31, 10, 5, -16),
    stages(2, 16, 15, 12, 4, 0),
    search(1, 1, 1, 4, 1, 0, 1),
    search(3, 2, 3, 7, 2, -2, 1),
    search(4, 3, 6, 9, 4, 3, 2),
    search(2, 4, 31, 10, 5, -16, 2),
    search(1, 5, 16, 12, 8, -100, 1, "auto"),
    search(3, 2, 3, 7, 2, -2, 3, "block"),
    search(4, 3, 7, 7, 3, 0, 2, "block", read=2),
    search(6, 3, 31, 10, 5, -16, 2, "block"),
    search(4, 3, 6, 9, 4, 3, 1, "distributed"),
    search(1, 5, 16, 12, 8, -100, 1, "auto", fast=1),
    search(2, 4, 255, 16, 8, 0, 2, "block", fast=1),
    search(1, 5, 16, 12, 8, -100, 1, "auto", fast=2),
    search(2, 4, 255, 16, 8, 0, 2, "block", fast=2),
    search(2, 1, 1, 9, 1, 0, 2, "block", fast=2),
    search(2, 4, 255, 16, 8, 0, 2, "block", fast=2, top=3),
    search(1, 5, 16, 12, 8, -100, 1, "auto", fast=2, top=11),
    search(3, 3, 7, 7, 3, 0, 3, "block", fast=2, top=1),
    search(4, 20, 3, 9, 2, 0, 1),
]  # fmt: skip
#: Of these, the ones with logic for any FPGA that differs from both of the others, as adders in series have
GENERIC = (
    *("imec_lut6", "imec_lut6x2", "imec_gates", "imec_add3", "imec_dot_gates", "imec_add_subtract"),
    *("imec_mux", "imec_table", "imec_muxf", "imec_dsp48", "imec_dsp58"),
)
BENCHES += [
    replace(bench, parameters={**bench.parameters, "PRIMITIVES": primitives})
    for primitives in (0, 1, 2)
    for bench in TWO_FOLD
    if primitives != 1 or bench.module in GENERIC or "SERIES" in bench.parameters
]


def bench_id(bench: Bench) -> str:
    values = (f"{v:x}" if name in ("STEP", "TABLE") else str(v) for name, v in bench.parameters.items())
    return f"{bench.module}-{'.'.join(values)}"


def stimulus(kind: str, bench: Bench) -> Stimulus:
    """A run of one kind, the same for all benches."""
    n_in, n_out = len(bench.inputs), len(bench.outputs)
    sides = {
        "unstalled": {},
        "slow input": {"input_stall": Stall.random(0.7, 1)},
        "slow output": {"output_stall": Stall.random(0.7, 2)},
        "both": {"input_stall": Stall.random(0.4, 3), "output_stall": Stall.random(0.4, 4)},
        "long stalls": {
            "input_stall": Stall.pause(n_in // 3, 200),
            "output_stall": Stall.pause(n_out // 2, 200),
        },
        "ready after valid": {"output_stall": Stall.after_valid()},
        "resets": {"reset_at": (n_out // 2, 1, 7), "output_stall": Stall.duty()},
    }
    ahead = {"timeout": 1000, "allow_extra": bench.ahead > 0}
    return Stimulus({"in0_V": bench.inputs}, {"out0_V": n_out}, **ahead, **sides[kind])


KINDS = (
    "unstalled",
    "slow input",
    "slow output",
    "both",
    "long stalls",
    "ready after valid",
    "resets",
)


# ---------------------------------------------------------------------------------------------
# Weights in each of imec_rom's layouts

#: A layer for each layout of weights: (channels, output channels, SIMD, PE). In "spilt", later memories'
#: highest bits stand in the first. A wide table has more bits than the 2**16 that Verilog promises.
BY_LAYOUT = {
    "table": (8, 16, 8, 2),
    "wide table": (64, 64, 32, 16),
    "paired": (64, 64, 4, 4),
    "through": (64, 8, 4, 1),
    "banked": (64, 64, 4, 1),
    "spilt": (16, 32, 8, 4),
    "spilt thrice": (32, 32, 32, 2),
}


def beside_table(core: str) -> ImecRtl:
    """A layer whose thresholds take a block RAM more than FINN's, so that a table holds some weight bits."""
    g = ConvGeometry((3, 3), (4, 4), 16, 16, simd=4, pe=4)
    node = random_layer("layer", g, "INT4", "INT4").with_random_thresholds(127)
    rtl = ImecRtl("top", replace(node.datapath(), res_type=core, pipeline=3))
    assert (rtl.structure.rom_layout, rtl.structure.rom_lut_bits) == ("plain", 36)
    return rtl


def ternary(core: str = "auto", pipeline: int = 0) -> ImecRtl:
    """A layer whose ROM is split and holds three weights in five bits, and with a line buffer in parts."""
    g = ConvGeometry(
        (3, 3), (3, 4), 128, 64, simd=4, pe=1, buffer_style="distributed", buffer_ports=1, buffer_banks=1
    )
    node = random_layer("layer", g, "INT3", "TERNARY").with_random_thresholds(3)
    rtl = ImecRtl("top", replace(node.datapath(), res_type=core, pipeline=pipeline))
    assert rtl.structure.rom_layout == "split" and rtl.structure.rom_trits
    assert rtl.structure.storage.parted
    return rtl


def layer_by_layout(layout: str, core: str = "lut") -> ImecRtl:
    """A layer whose weights are in one memory, or with core "dsp" in several."""
    channels, outputs, simd, pe = BY_LAYOUT[layout]
    g = ConvGeometry((3, 3), (4, 4), channels, outputs, simd=simd, pe=pe)
    path = replace(random_layer("layer", g, "INT3", "INT3").datapath(), res_type=core)
    rtl = ImecRtl("top", path)
    several = core == "dsp"
    assert (len(path.structure.weight_parts) > 1) == several
    if layout.startswith("spilt"):
        assert rtl.structure.rom_layout == "plain"
        assert rtl.structure.rom_spill == (12 if several else 0)  # of 48 bits a memory, 36 in a block
    else:
        assert rtl.structure.rom_layout == layout.removeprefix("wide ")
        assert rtl.structure.rom_spill == 0
    return rtl
