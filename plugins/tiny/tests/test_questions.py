"""Questions: every answer is derived a second time, from the question's words and the scene alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

import pytest

from training import differences, occurrences, questions, small_talk, wordings
from training.clips import Clip, random_clip
from training.pairs import Pair, random_pair
from training.phrases import KINDS, NUMBERS, PLACES, Question, casual, worded
from training.scenes import COLOURS, SHAPES, Canvas, Cell, Item, Scene, random_scene

SQUARE = Canvas(112, 112)
CELLS = {place: cell for cell, place in PLACES.items()}
THING = r"(?:(\w+) )?(circle|square|triangle|star|cross|diamond|object)"
PLACE = "(" + "|".join(sorted(PLACES.values(), key=len, reverse=True)) + ")"


def asked(maker: questions.Maker, count: int = 300) -> list[tuple[Scene, Question]]:
    """What a maker asks about many scenes."""
    rngs = (Random(f"test/{n}") for n in range(count))
    made = ((scene, maker(rng, scene)) for rng in rngs for scene in [random_scene(rng, SQUARE)])
    return [(scene, question) for scene, question in made if question]


def named(scene: Scene, words: str) -> list[Item]:
    """Items that a phrase like ``red circle``, ``circles`` or ``red objects`` fits."""
    colours = [colour for colour in COLOURS if colour in words]
    shapes = [shape for shape in SHAPES if shape in words]
    return [i for i in scene.items if i.colour in (colours or COLOURS) and i.shape in (shapes or SHAPES)]


def only(scene: Scene, words: str) -> Item:
    """The one item that a phrase fits; a question that fits several is a failure."""
    (item,) = named(scene, words)
    return item


def cell_in(text: str) -> Cell:
    """The region that a text names; of two names that both occur, the longer."""
    return CELLS[max((place for place in CELLS if place in text), key=len)]


def found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.fullmatch(pattern, text)
    assert match, f"{text!r} is not like {pattern!r}"
    return match.groups()


def number_in(text: str) -> int:
    (word,) = [word for word in re.findall(r"\w+", text) if word in NUMBERS]
    return NUMBERS.index(word)


def parsed(listing: str) -> list[tuple[str, str, Cell]]:
    """``a red circle on the left and an orange star at the top`` taken apart."""
    parts = re.findall(rf"an? (\w+) (\w+) {PLACE}", listing)
    return [(colour, shape, CELLS[place]) for colour, shape, place in parts]


def looks(scene: Scene) -> list[tuple[str, str, Cell]]:
    return [(item.colour, item.shape, item.cell) for item in scene.items]


def clear_place(scene: Scene, cell: Cell) -> bool:
    """Whether nothing else lies in the row or column that a bare side could also mean."""
    if cell in ((0, 1), (2, 1)):
        return {item.cell for item in scene.items if item.cell[0] == cell[0]} <= {cell}
    if cell in ((1, 0), (1, 2)):
        return {item.cell for item in scene.items if item.cell[1] == cell[1]} <= {cell}
    return True


def check_description(scene: Scene, question: Question) -> None:
    assert f"{scene.background} background" in question.answer
    assert parsed(question.answer) == looks(scene)
    if scene.items:
        head = question.answer.partition(" on a ")[0]
        assert number_in(head) == len(scene.items)


def check_shape_of(scene: Scene, question: Question) -> None:
    colour, shape = found(r"The (\w+) object is an? (\w+)\.", question.answer)
    assert colour in question.text
    assert only(scene, colour).shape == shape


def check_shape_at(scene: Scene, question: Question) -> None:
    (shape,) = found(r"It is an? (\w+)\.", question.answer)
    item = scene.at(cell_in(question.text))
    assert item and item.shape == shape
    assert clear_place(scene, item.cell)


def check_thing_at(scene: Scene, question: Question) -> None:
    cell = cell_in(question.text)
    item = scene.at(cell)
    assert question.answer.lower() in (
        f"{article} {item.name}." if item else f"there is nothing {PLACES[cell]}." for article in ("a", "an")
    )
    assert clear_place(scene, cell)


def check_colour_of(scene: Scene, question: Question) -> None:
    (shape,) = [shape for shape in SHAPES if shape in question.text]
    if question.answer == f"There is no {shape}.":
        assert not named(scene, shape)
    else:
        assert question.answer == f"The {shape} is {only(scene, shape).colour}."


def check_colour_at(scene: Scene, question: Question) -> None:
    item = scene.at(cell_in(question.text))
    assert item and question.answer == f"It is {item.colour}."
    assert clear_place(scene, item.cell)


def check_background(scene: Scene, question: Question) -> None:
    assert question.answer == f"The background is {scene.background}."


def check_count(scene: Scene, question: Question) -> None:
    words = re.sub(r"do you see|can you see|in the \w+|What is the", "", question.text)
    assert number_in(question.answer) == len(named(scene, words))


def check_existence(scene: Scene, question: Question) -> None:
    assert question.answer.startswith("Yes") == bool(named(scene, question.text))


def check_where(scene: Scene, question: Question) -> None:
    name, place = found(rf"The ([\w ]+?) is {PLACE}\.", question.answer)
    assert name in question.text
    assert only(scene, name).cell == CELLS[place]


def lies(one: Item, side: str, other: Item) -> bool:
    """Geometry instead of regions, with room to spare."""
    gap = {
        "left": other.x - one.x,
        "right": one.x - other.x,
        "above": other.y - one.y,
        "below": one.y - other.y,
    }[side]
    assert abs(gap) > 0.08, "too near to be told"
    return gap > 0


def side_in(text: str) -> str:
    words = {
        "left": "left",
        "right": "right",
        "above": "above",
        "over": "above",
        "below": "below",
        "under": "below",
    }
    (side,) = {words[word] for word in re.findall(r"\w+", text) if word in words}
    return side


def check_compared(scene: Scene, question: Question) -> None:
    one, other = re.findall(rf"the {THING}", question.text)
    truth = lies(only(scene, " ".join(one)), side_in(question.text), only(scene, " ".join(other)))
    assert question.answer == ("Yes, it is." if truth else "No, it is not.")


def check_relative(scene: Scene, question: Question) -> None:
    one, other = re.findall(rf"[Tt]he {THING}", question.answer)
    first, second = only(scene, " ".join(one)), only(scene, " ".join(other))
    assert lies(first, side_in(question.answer), second)
    assert first.cell[0] == second.cell[0] or first.cell[1] == second.cell[1]


CHECKS: dict[questions.Maker, Callable[[Scene, Question], None]] = {
    questions.description: check_description,
    questions.shape_of: check_shape_of,
    questions.shape_at: check_shape_at,
    questions.thing_at: check_thing_at,
    questions.colour_of: check_colour_of,
    questions.colour_at: check_colour_at,
    questions.background: check_background,
    questions.count_all: check_count,
    questions.count_some: check_count,
    questions.existence: check_existence,
    questions.where: check_where,
    questions.compared: check_compared,
    questions.relative: check_relative,
}


def test_every_maker_has_a_check() -> None:
    assert CHECKS.keys() == questions.MAKERS.keys()


@pytest.mark.parametrize("maker", questions.MAKERS, ids=lambda maker: maker.__name__)
def test_answers_are_right(maker: questions.Maker) -> None:
    cases = asked(maker)
    assert len(cases) > 60
    for scene, question in cases:
        CHECKS[maker](scene, question)


@pytest.mark.parametrize("maker", [questions.compared, questions.existence], ids=lambda maker: maker.__name__)
def test_yes_and_no_are_about_as_frequent(maker: questions.Maker) -> None:
    answers = [question.answer.startswith("Yes") for _, question in asked(maker)]
    assert 0.35 < sum(answers) / len(answers) < 0.65


def test_a_follow_up_leans_on_the_first_answer() -> None:
    kinds = set()
    for number in range(200):
        rng = Random(f"test/{number}")
        scene = random_scene(rng, SQUARE)
        turns = questions.follow_up(rng, scene)
        if not turns:
            assert all(scene.count(shape=item.shape) > 1 for item in scene.items)
            continue
        first, second = turns
        check_colour_of(scene, first)
        (shape,) = [shape for shape in SHAPES if shape in first.text]
        if "it" in second.text.split() or second.text.lower().startswith(("where is it", "and where")):
            assert second.answer == f"It is {PLACES[only(scene, shape).cell]}."
        else:
            check_colour_of(scene, second)
        kinds.add(second.text.split()[0])
    assert kinds >= {"Where", "And", "What"}


def pairs(count: int = 300) -> list[tuple[Random, Pair]]:
    rngs = [Random(f"test/{n}") for n in range(count)]
    return [(rng, random_pair(rng, SQUARE)) for rng in rngs]


def derived_difference(pair: Pair) -> str:
    """The answer from the two scenes, without looking at what the pair says of itself."""
    first, second = set(looks(pair.first)), set(looks(pair.second))
    gone, come = sorted(first - second), sorted(second - first)
    article = lambda word: "an" if word[0] in "aeiou" else "a"  # noqa: E731
    match len(gone), len(come):
        case 0, 0:
            return "There is no difference, the two images are the same."
        case 1, 0:
            ((colour, shape, cell),) = gone
            return f"Only the first image shows {article(colour)} {colour} {shape} {PLACES[cell]}."
        case 0, 1:
            ((colour, shape, cell),) = come
            return f"Only the second image shows {article(colour)} {colour} {shape} {PLACES[cell]}."
        case 1, 1:
            return derived_change(gone[0], come[0])
    counts = [f"{NUMBERS[len(s.items)]} object{'s' * (len(s.items) != 1)}" for s in (pair.first, pair.second)]
    return f"The first image shows {counts[0]} and the second shows {counts[1]}."


def derived_change(before: tuple[str, str, Cell], after: tuple[str, str, Cell]) -> str:
    colour, shape, cell = before
    if cell != after[2]:
        return f"The {colour} {shape} is {PLACES[cell]} in the first image and {PLACES[after[2]]} in the second."
    if colour != after[0]:
        return f"The {shape} {PLACES[cell]} is {colour} in the first image and {after[0]} in the second."
    return f"The {colour} {shape} {PLACES[cell]} is a {after[1]} in the second image."


def test_differences_are_told_right() -> None:
    for rng, pair in pairs():
        assert differences.difference(rng, pair).answer == derived_difference(pair)


def test_comparisons_are_right() -> None:
    for rng, pair in pairs():
        sizes = len(pair.first.items), len(pair.second.items)
        same = looks(pair.first) == looks(pair.second)
        assert differences.same(rng, pair).answer.startswith("Yes") == same
        count = differences.count_one(rng, pair)
        index = 0 if "first" in count.text else 1
        assert number_in(count.answer.partition(" in ")[0]) == sizes[index]
        more = differences.more(rng, pair).answer
        assert ("first" in more, "second" in more) == (sizes[0] > sizes[1], sizes[1] > sizes[0])


def clips(count: int = 300) -> list[tuple[Random, Clip]]:
    rngs = [Random(f"test/{n}") for n in range(count)]
    return [(rng, random_clip(rng, SQUARE)) for rng in rngs]


def derived_event(clip: Clip) -> str:
    """The answer from the frames alone."""
    frames = clip.frames()
    first, last = set(frames[0].items), set(frames[-1].items)
    gone, come = first - last, last - first
    if not gone and not come:
        return "Nothing changes."
    if not gone:
        name = next(iter(come)).name
        return f"A{'n' * (name[0] in 'aeiou')} {name} appears."
    before = next(iter(gone))
    if not come:
        return f"The {before.name} disappears."
    return f"The {before.name} {derived_verb(before, next(iter(come)))}."


def derived_verb(before: Item, after: Item) -> str:
    if before.colour != after.colour:
        return f"turns {after.colour}"
    if before.size != after.size:
        return "grows" if after.size > before.size else "shrinks"
    dx, dy = after.x - before.x, after.y - before.y
    if abs(dx) > abs(dy):
        return "moves to the right" if dx > 0 else "moves to the left"
    return "moves down" if dy > 0 else "moves up"


def test_events_are_told_right() -> None:
    for rng, clip in clips():
        assert occurrences.event(rng, clip).answer == derived_event(clip)


def test_details_of_clips_are_right() -> None:
    for rng, clip in clips():
        event = derived_event(clip)
        way = occurrences.direction(rng, clip)
        assert (way is not None) == (" moves " in event)
        if way:
            assert way.answer == "It moves" + event.partition(" moves")[2]
        count = occurrences.count(rng, clip)
        items = clip.frames()[0 if "start" in count.text else -1].items
        assert number_in(count.answer.partition(" at ")[0]) == len(items)
        answer = occurrences.changes(rng, clip).answer
        assert answer == ("No, nothing changes." if event == "Nothing changes." else f"Yes. {event}")


def test_it_says_who_it_is() -> None:
    answers = {small_talk.identity(Random(n)).answer for n in range(100)}
    assert answers == set(small_talk.IDENTITY)
    assert {question.text for n in range(300) for question in [small_talk.identity(Random(n))]} >= {
        "who are you?",
        "What is your name?",
    }
    assert small_talk.IDENTITY[small_talk.INTRODUCTION][0] == "who are you?"


def test_one_question_has_one_answer_in_small_talk() -> None:
    texts = [text for table in (small_talk.IDENTITY, small_talk.CHAT) for asked in table.values() for text in asked]
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize(
    ("templates", "text"),
    [
        (wordings.DESCRIBE, "Describe the image."),
        (differences.DIFFERENCE, "What is the difference bewteen the two images?"),
        (occurrences.DESCRIBE, "Describe the video."),
        (small_talk.IDENTITY[small_talk.INTRODUCTION], "who are you?"),
    ],
)
def test_the_seed_phrasings_are_asked(templates: tuple[str, ...], text: str) -> None:
    assert text in {worded(Random(n), templates) for n in range(200)}


def test_a_template_with_an_unknown_slot_is_refused() -> None:
    with pytest.raises(KeyError):
        worded(Random(0), ["What is {thing}?"])


def test_casual_typing_leaves_the_words_and_the_answer() -> None:
    question = Question("shape", "What shape is red?", "It is a star.")
    typed = {casual(Random(n), question) for n in range(2000)}
    assert {one.answer for one in typed} == {question.answer}
    assert {one.text for one in typed} == {
        "What shape is red?",
        "what shape is red?",
        "What shape is red",
        "what shape is red",
    }


def test_every_kind_is_known() -> None:
    for maker in questions.MAKERS:
        assert {question.kind for _, question in asked(maker, 40)} <= set(KINDS)
