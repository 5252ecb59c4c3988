"""Free text that no training prompt holds: sentences a person might write for each scene.

They were written by hand, apart from the training's words and its ways of joining them: other
sentences, other order, and between the telling words many that the text encoder has never read.
A test makes sure that none can come out of :mod:`reference_models.diffusion.wording`.
"""

UNSEEN: dict[str, tuple[str, ...]] = {
    "beach": (
        "Imagine yourself barefoot on a sandy beach, palms swaying overhead",
        "my sunglasses should lie on the sand next to the ocean please",
        "seaside holiday mood with a striped parasol",
        "turquoise waves rolling towards the shore behind the item",
    ),
    "forest": (
        "somewhere deep inside a quiet forest, tent pitched nearby",
        "old woodland with mossy trunks everywhere",
        "we went camping between tall pine trees",
        "show it lost in the woods",
    ),
    "snowy mountains": (
        "high up in the alps where everything is white",
        "it is winter and the ski lift climbs towards snowy peaks",
        "wooden chalet, mountain panorama, plenty of snow",
        "for people who love mountains and skiing",
    ),
    "desert": (
        "endless dunes of the sahara all around",
        "a lonely cactus stands in the hot desert",
        "put the product somewhere dry, a mesa far away, sand below",
        "caravan resting in the dunes",
    ),
    "city skyline": (
        "skyscrapers of a great metropolis rise at the back",
        "looking down on downtown from the rooftops",
        "urban feeling, towers of the big city",
        "an elegant balcony overlooking the skyline",
    ),
    "meadow": (
        "an old windmill turning above the green hills",
        "lying in the grass of a wide meadow",
        "peaceful countryside, wildflowers, nobody around",
        "cows would like this pasture",
    ),
    "autumn park": (
        "fallen leaves cover the path of the park in autumn",
        "walking along an avenue in october",
        "take a seat on the park bench, maple leaves drifting down",
        "fall foliage, crisp air",
    ),
    "lavender field": (
        "the famous lavender of the provence",
        "endless purple rows leading to a farmhouse",
        "smell of lavender, violet fields up to the horizon",
        "a summer day among the lavender rows",
    ),
    "underwater reef": (
        "diving down to a coral reef",
        "little tropical fish swim past the product",
        "deep under the sea, corals left and right",
        "sunken on the seabed like in an aquarium",
    ),
    "space nebula": (
        "floating in outer space, a ringed planet close by",
        "a rocket takes off towards the galaxy",
        "astronauts would buy this on the moon",
        "planets and a glowing nebula behind it",
    ),
    "football pitch": (
        "on the turf of a stadium, right in front of the goal",
        "goal! soccer ball and goalposts",
        "the football field before the match",
        "where strikers score, on the pitch",
    ),
    "winding road": (
        "a camper van takes a bend of the road",
        "we are on a road trip, highway ahead",
        "country road that winds through the landscape",
        "asphalt and a yellow road sign",
    ),
    "studio podium": (
        "elegant podium under an arch, nothing distracting",
        "presented on a pedestal in a photo studio",
        "put it onto a round platform as in a showroom",
        "geometric product stage",
    ),
    "flower studio": (
        "studio full of bouquets on either side",
        "a wedding flower arch frames the scene",
        "standing between floral walls at the florist",
        "floral studio for a romantic present",
    ),
    "marble table": (
        "resting on cold polished marble",
        "a fine marble top by the window",
        "the surface is white stone, a marble slab",
        "luxurious marble table, please",
    ),
    "office desk": (
        "on my desk at the office, next to the monitor",
        "for hard workers: a tidy workspace",
        "computer screen with charts, home office",
        "business meeting at the workstation",
    ),
    "kitchen counter": (
        "pots, pans and ladles hang in the kitchen",
        "ready for cooking on the worktop",
        "a chef left it on the kitchen counter",
        "grandmother's kitchen with cupboards and a stove",
    ),
    "living room": (
        "cosy evening on the sofa of our living room",
        "beside the couch, pictures on the wall",
        "the lounge of a stylish flat",
        "where the family sits together, sofa and lamp",
    ),
    "bathroom shelf": (
        "in front of the round mirror of the bathroom",
        "fresh towels and a washbasin",
        "spa at home, bathtub and tiles",
        "next to the basin where you brush your teeth, bathroom",
    ),
    "cafe table": (
        "sipping a cappuccino in a small coffee shop",
        "parisian bistro with an awning",
        "meet friends at the cafe around the corner",
        "coffee bar, chairs outside",
    ),
    "gym floor": (
        "sweat and dumbbells in the gym",
        "a punching bag hangs in the training room",
        "workout time at the fitness studio",
        "for athletes lifting at the weight room",
    ),
    "christmas room": (
        "it is christmas eve, presents under the tree",
        "a fireplace, stockings and a decorated fir",
        "xmas gift waiting for santa",
        "festive december evening by the hearth",
    ),
    "library shelves": (
        "thousands of books in an old library",
        "a ladder leans against the bookshelves",
        "quiet reading room, bookcase up to the ceiling",
        "for book lovers: a wall of books",
    ),
    "playroom": (
        "children's room with toys everywhere",
        "a teddy bear sits under the rainbow in the nursery",
        "kids play with building blocks",
        "kindergarten, toys and bunting",
    ),
}
"""Prompts by the scene they ask for."""
