"""The table of word-piece vectors within an encoder's ONNX file: read, and written with other rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from models.encoders.manifest import TextManifest
from models.encoders.session import read_checked
from models.errors import TrainingError
from models.training.word_rows import GRAPH_NAME, SCALE, TABLE, Floats, quantised_rows


@dataclass(frozen=True, slots=True)
class WordTable:
    """A graph of `text_graph`, and its table as float32 [words, d]."""

    graph: Any
    rows: Floats

    def with_rows(self, rows: Floats) -> bytes:
        """The ONNX file with another table [words, d], of more words or other directions.

        A row that is as it was keeps its bytes.
        """
        quantised, scale = quantised_rows(rows)
        before = len(self.rows)
        same = (rows[:before] == self.rows).all(axis=1)
        old = {one.name: numpy_helper.to_array(one) for one in self.graph.graph.initializer}
        quantised[:before][same], scale[:before][same] = old[TABLE][same], old[SCALE][same]
        model = onnx.ModelProto()
        model.CopyFrom(self.graph)
        for one in model.graph.initializer:
            if one.name in (TABLE, SCALE):
                one.CopyFrom(numpy_helper.from_array(quantised if one.name == TABLE else scale, one.name))
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


def read_word_table(folder: Path, manifest: TextManifest) -> WordTable:
    """The table of the encoder in a folder.

    Raises:
        ManifestError: The file is not what the manifest says.
        TrainingError: It is another kind of network than a sum of word-piece vectors.
    """
    graph = onnx.load_from_string(read_checked(folder, manifest.graph))
    found = {one.name: one for one in graph.graph.initializer}
    if graph.graph.name != GRAPH_NAME or not {TABLE, SCALE} <= found.keys():
        raise TrainingError(
            f"{folder} is no encoder that sums word-piece vectors, as text-distilled-128 is: words cannot be "
            "added to it."
        )
    table, scale = (numpy_helper.to_array(found[name]) for name in (TABLE, SCALE))
    return WordTable(graph, np.asarray(table * scale[:, None], np.float32))
