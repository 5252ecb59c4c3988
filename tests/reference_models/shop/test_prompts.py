"""Saying and reading looks: every look survives the round trip; free text is read too."""

import itertools

import pytest

from reference_models.shop.prompts import PHRASES, read, say
from reference_models.shop.vocabulary import DECORATIONS, DEPTHS, LIGHTS, PALETTES, SCENES, Look

FAMILIES = (SCENES, LIGHTS, PALETTES, DEPTHS, DECORATIONS)


def test_every_look_is_read_as_it_was_said():
    for values in itertools.product(*FAMILIES):
        look = Look(*values)
        reading = read(say(look))
        assert reading.look == look
        assert reading.unread == ()


def test_scenes_differ_in_their_first_word():
    assert len({scene.split()[0] for scene in SCENES}) == len(SCENES)


def test_every_value_has_phrases_and_no_phrase_says_two_things():
    assert set(PHRASES) == {value for family in FAMILIES for value in family}
    phrases = [phrase for of_value in PHRASES.values() for phrase in of_value]
    assert len(phrases) == len(set(phrases))


@pytest.mark.parametrize("value", list(PHRASES))
def test_every_phrase_is_read_as_its_value(value):
    for phrase in PHRASES[value]:
        text = phrase if value in SCENES else f"playroom, {phrase}"
        assert value in read(text).look, phrase


@pytest.mark.parametrize(
    ("text", "look", "unread"),
    [
        (
            "A cosy CAFE table at dusk, with bokeh & vibrant cushions!",
            Look("cafe table", "golden hour", "vivid colours", "blurred background"),
            ("cosy", "cushions"),
        ),
        ("Sunset over the ocean, roses", Look("beach", "golden hour", decoration="flowers"), ()),
        ("studio with flowers in the morning", Look("flower studio", "daylight"), ()),
        ("snow on the mountains", Look("snowy mountains"), ()),
        ("in the kitchen; <script>alert(1)</script>", Look("kitchen counter"), "ignored"),
    ],
)
def test_free_text(text, look, unread):
    reading = read(text)
    assert reading.look == look
    if unread != "ignored":
        assert reading.unread == unread


def test_what_names_no_scene_has_no_look():
    reading = read("something nice in pastel colours")
    assert reading.look is None
    assert reading.said == ("palette",)
    assert reading.unread == ("something", "nice")


def test_words_inside_other_words_are_not_read():
    assert read("carpark spacecraft beachwear").look is None


def test_the_first_scene_wins():
    assert read("a library by the beach").look.scene == "library shelves"


def test_nothing_is_nothing():
    assert read("").look is None
    assert read("?!").unread == ()
