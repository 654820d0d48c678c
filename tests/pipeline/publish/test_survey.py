"""What a run is counted up to."""

import random

import pyarrow as pa

from pipeline.publish import survey


def test_of_equally_common_values_the_first_by_name_comes_first() -> None:
    chance = random.Random(1)
    for _ in range(50):
        names = [f"{number}.example" for number in range(200)]
        chance.shuffle(names)
        pieces = [pa.table({"value": names[start::4], "count": [3] * 50}) for start in range(4)]
        counted = survey._merged(pieces)
        assert list(counted) == sorted(names)
        assert counted.most_common(1) == [("0.example", 3)]
