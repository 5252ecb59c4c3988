"""An archive of headline tests whose truth is known: some words get clicked, some do not."""

import csv

import numpy as np

PLAIN = ["the", "a", "house", "river", "cloud", "table", "window", "paper", "garden", "stone"]
LIFTS = {"secret": 0.5, "amazing": 0.35, "report": -0.5, "meeting": -0.35}
"""Words and what they add to the log-odds of a click."""

HEADER = (
    "clickability_test_id",
    "test_week",
    "headline",
    "eyecatcher_id",
    "impressions",
    "clicks",
)


def headline(rng):
    """Eight plain words and perhaps one that counts; and what it adds."""
    words = list(rng.choice(PLAIN, 8))
    lift = 0.0
    if rng.random() < 0.7:
        word = str(rng.choice(list(LIFTS)))
        lift = LIFTS[word]
        words[int(rng.integers(8))] = word
    return " ".join(words).capitalize(), lift


def packages(n_tests, *, seed=0, week=201430, ads=4, impressions=6000):
    """Rows of an archive: tests of several headlines beside one picture each."""
    rng = np.random.default_rng(seed)
    rows = []
    for test in range(n_tests):
        base = -4 + rng.normal(0, 0.4)
        for _ in range(ads):
            text, lift = headline(rng)
            rate = 1 / (1 + np.exp(-(base + lift + rng.normal(0, 0.1))))
            clicks = int(rng.binomial(impressions, rate))
            rows.append((f"t{seed}-{test:04}", week, text, f"e{seed}-{test}", impressions, clicks))
    return rows


def write_archive(path, rows, header=HEADER):
    """Write rows as a file of the archive."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path
