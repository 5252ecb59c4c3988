"""Sources of ads, small and sound, for tests to damage."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from caig.data.config import IngestConfig
from caig.data.ingest import read_source, write_ingested
from caig.runs.store import Run


def picture(path, seed):
    """A small picture of noise; every seed another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


ADS = [  # product, image, impressions, clicks, category, title
    ("p1", "a.png", 2000, 60, "Shoes", "Red shoes"),
    ("p1", "b.jpg", 3000, 100, "Shoes", "Red shoes"),
    ("p1", "c.png", 4000, 100, "Shoes", "Red shoes"),
    ("p2", "d.png", 1500, 30, "Toys", "Robot"),
    ("p2", "e.png", 2500, 75, "Toys", "Robot"),
]


@pytest.fixture
def shop(tmp_path):
    """A folder of images with counts.csv; returns the folder."""
    folder = tmp_path / "shop"
    for seed, (_, image, *_) in enumerate(ADS):
        picture(folder / image, seed)
    write_counts(folder, ADS)
    return folder


def write_counts(folder, rows):
    with (folder / "counts.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["product_id", "image", "impressions", "clicks", "category", "title"])
        writer.writerows(rows)


@pytest.fixture
def lists(tmp_path):
    """CreativeRanking as its archives unpack: data/*.txt and images/; returns the folder."""
    folder = tmp_path / "ranking"
    (folder / "data").mkdir(parents=True)
    lines = {"train_data_list.txt": [], "test_data_list.txt": []}
    for product in range(12):
        for ad in range(3):
            name = f"{product}_{ad}.jpg"
            picture(folder / "images" / name, 100 * product + ad)
            for day in ("20200901", "20200902"):
                to = "test_data_list.txt" if product >= 9 else "train_data_list.txt"
                lines[to].append(f"{product}\t{name}\t{day}\t{1000 + ad}\t{20 + ad + product}")
    for name, rows in lines.items():
        (folder / "data" / name).write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def derivative(tmp_path):
    """The JSON derivative with its images; returns the file."""
    folder = tmp_path / "derivative"
    content = {}
    for product in ("71", "72_b"):
        content[product] = [
            {
                "creative_id": f"{product}{ad}",
                "creative_image_hash": f"pics/{product}{ad}.png",
                "exp_impression_cnt": 1200 + ad,
                "exp_click_cnt": 30 + ad,
                "base_impression_cnt": 9,
                "base_click_cnt": 9,
            }
            for ad in range(2)
        ]
    for number, ads in enumerate(content.values()):
        for ad in ads:
            picture(
                folder / ad["creative_image_hash"], 1000 + number + int(ad["creative_id"][-1]) * 7
            )
    file = folder / "test.json"
    file.write_text(json.dumps(content))
    return file


@pytest.fixture
def ingest(tmp_path):
    """Reads a source into a run and opens it."""

    def read(*names, images=None, **settings):
        config = IngestConfig.model_validate(settings)
        with read_source(names, images, config) as ingested:
            path = write_ingested(ingested, config, tmp_path / "runs")
        return Run.open(path)

    return read
