"""What is read from titles."""

import numpy as np

from caig.reward.titles import TitleReader, learned_vocabulary, words


def test_words_are_letters_in_lower_case():
    assert words("Café T-shirt, 29 EU (x2)") == ["café", "t", "shirt", "eu", "x"]


def test_vocabulary_keeps_the_commonest_and_does_not_depend_on_order():
    titles = ["red mug", "red red tent", "blue tent"]
    assert learned_vocabulary(titles, size=2) == ["red", "tent"]
    assert learned_vocabulary(reversed(titles), size=3) == learned_vocabulary(titles, size=3)


def test_a_title_that_holds_a_kinds_name_scores_one_and_others_less():
    read = TitleReader(["Sofas", "Table lamps"], [])(["grey sofas", "grey sofa", "a lamp", "bowl"])
    assert read[0, 0] == 1
    assert 0.4 < read[1, 0] < 1
    assert read[1, 1] == 0
    assert read[2, 1] > 0
    assert np.all(read[3] == 0)


def test_bag_of_words_ignores_unknown_words():
    read = TitleReader(["Mugs"], ["blue", "red"])(["Red red mystery"])
    assert read[0, 1:].tolist() == [0, 1]


def test_pieces_that_several_kinds_share_count_less():
    read = TitleReader(["Table lamps", "Table tops", "Mugs"], [])(["table"])
    alone = TitleReader(["Table lamps", "Mugs"], [])(["table"])
    assert read[0, 0] < alone[0, 0]
    assert read[0, 2] == 0
