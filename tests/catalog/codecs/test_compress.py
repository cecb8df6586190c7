"""Compressed bytes against zlib and gzip, and that they do not depend on where in memory they are made."""

import gzip
import platform
import subprocess
import sys
import threading
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from catalog.codecs.compress import Container, compress, compress_between_zeros, compress_pieces


@given(st.lists(st.binary(max_size=400), max_size=4))
def test_zlib_reads_every_container(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert zlib.decompress(compress_pieces(pieces)) == whole
    assert zlib.decompress(compress_pieces(pieces, Container.RAW), -15) == whole
    assert gzip.decompress(compress_pieces(pieces, Container.GZIP)) == whole


def test_large_and_shaped_buffers() -> None:
    noise = np.random.default_rng(0).integers(0, 40, (300, 400, 3), np.uint16)
    assert zlib.decompress(compress(noise)) == noise.tobytes()
    assert compress(noise) == compress(noise.tobytes())
    assert len(compress(bytes(10**6))) < 5000


def test_gzip_has_no_time_in_it() -> None:
    assert compress(b"labels", Container.GZIP)[4:8] == bytes(4)


def repeating(seed: int) -> bytes:
    """Bytes whose first, second and third four come again: what is found there depends on the table of hashes."""
    rng = np.random.default_rng(seed)
    data = bytearray(rng.integers(0, 256, 80, np.uint8).tobytes())
    data[30:36], data[40:46], data[50:56] = data[2:8], data[0:6], data[1:7]
    return bytes(data)


def test_bytes_do_not_depend_on_the_address_of_the_state() -> None:
    """In threads, states are at other addresses. ISA-L's own call differs here, which shows that the test can fail."""
    inputs = [repeating(seed) for seed in range(400)]
    outputs: dict[str, list[list[bytes]]] = {"ours": [], "isal": []}
    end = threading.Event()

    def encode() -> None:
        outputs["ours"].append([compress(data) for data in inputs])
        outputs["isal"].append([isal_zlib.compress(data, 1) for data in inputs])
        end.wait()  # its stack stays taken, so that the next thread gets another

    threads = [threading.Thread(target=encode) for _ in range(40)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        while len(outputs["isal"]) < number:
            end.wait(0.001)
    end.set()
    for thread in threads:
        thread.join()
    differing = {name: sum(len(set(found)) > 1 for found in zip(*runs, strict=True)) for name, runs in outputs.items()}
    assert differing["ours"] == 0
    if platform.machine() in ("x86_64", "AMD64"):
        assert differing["isal"] > 0, "ISA-L is mended: compress in one call"


IN_A_PROCESS = """
import hashlib, random, sys
import numpy as np
from catalog.codecs.compress import compress
from catalog.codecs.npz import encode_npz
from catalog.codecs.png import encode_bits, encode_image, encode_labels

def inputs(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 40, 2)
    grey = rng.integers(0, rng.integers(2, 256), (height, width), np.uint8)
    tile = np.tile(grey, (3, 2))
    yield encode_image, (tile,)
    yield encode_image, (np.stack([tile, tile, grey.repeat(3, 0).repeat(2, 1)], -1),)
    yield encode_bits, (np.packbits(tile > tile.mean(), axis=-1), tile.shape[1])
    yield encode_labels, (tile.astype(np.uint16) * 200,)
    yield encode_npz, ({"image": tile, "masks": grey},)
    yield compress, (tile.tobytes(),)

calls = [call for seed in range(150) for call in inputs(seed)]
order = list(range(len(calls)))
random.Random(sys.argv[1]).shuffle(order)
found = {}
for n in order:
    function, arguments = calls[n]
    found[n] = function(*arguments)
print(hashlib.sha256(b"".join(found[n] for n in sorted(found))).hexdigest())
"""


def test_the_same_bytes_in_fresh_processes_in_any_order() -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", IN_A_PROCESS, str(seed)], stdout=subprocess.PIPE, text=True)
        for seed in range(8)
    ]
    digests = {run.communicate()[0] for run in runs}
    assert all(run.returncode == 0 for run in runs)
    assert len(digests) == 1


@pytest.mark.parametrize("size", range(20))
def test_the_shortest_inputs(size: int) -> None:
    data = bytes(range(size))
    assert zlib.decompress(compress(data)) == data


@given(st.binary(max_size=300), st.integers(0, 70_000), st.integers(0, 70_000))
def test_zeros_around_a_buffer(data: bytes, before: int, after: int) -> None:
    assert zlib.decompress(compress_between_zeros(data, before, after)) == bytes(before) + data + bytes(after)
