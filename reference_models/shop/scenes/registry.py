"""Every scene by its name."""

from collections.abc import Callable
from typing import NamedTuple

from reference_models.shop.scenes import (
    city,
    fields,
    highlands,
    home,
    play,
    public_rooms,
    shore,
    space,
    studio,
    study,
    woods,
)
from reference_models.shop.scenes.stage import Stage


class Scene(NamedTuple):
    """A scene.

    Attributes:
        draw: Draws it on a stage, from back to front.
        ground: Height of the line a product stands on (0 top, 1 bottom).
    """

    draw: Callable[[Stage], None]
    ground: float = 0.86


SCENES: dict[str, Scene] = {
    "beach": Scene(shore.beach),
    "forest": Scene(woods.forest),
    "snowy mountains": Scene(highlands.snowy_mountains),
    "desert": Scene(highlands.desert),
    "city skyline": Scene(city.city_skyline),
    "meadow": Scene(fields.meadow),
    "autumn park": Scene(woods.autumn_park),
    "lavender field": Scene(fields.lavender_field),
    "underwater reef": Scene(shore.underwater_reef),
    "space nebula": Scene(space.space_nebula),
    "football pitch": Scene(fields.football_pitch),
    "winding road": Scene(highlands.winding_road),
    "studio podium": Scene(studio.podium, ground=0.84),
    "flower studio": Scene(studio.flowers, ground=0.9),
    "marble table": Scene(studio.marble, ground=0.86),
    "office desk": Scene(study.office, ground=0.87),
    "kitchen counter": Scene(home.kitchen, ground=0.87),
    "living room": Scene(home.living_room, ground=0.93),
    "bathroom shelf": Scene(home.bathroom, ground=0.88),
    "cafe table": Scene(public_rooms.cafe, ground=0.9),
    "gym floor": Scene(public_rooms.gym, ground=0.9),
    "christmas room": Scene(play.christmas, ground=0.9),
    "library shelves": Scene(study.library, ground=0.9),
    "playroom": Scene(play.playroom, ground=0.9),
}
