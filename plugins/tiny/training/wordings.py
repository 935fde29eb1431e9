"""Ways to ask about one picture; words in braces are filled in or stand for synonyms."""

from __future__ import annotations

DESCRIBE = (
    "Describe the image.",
    "Describe the image.",
    "Describe the {picture}.",
    "Describe this {picture}.",
    "Please describe the {picture}.",
    "Describe the {picture} in detail.",
    "What is in the {picture}?",
    "What is in this {picture}?",
    "What do you see?",
    "What can you see in the {picture}?",
    "What does the {picture} show?",
    "What is this?",
    "Tell me what is in the {picture}.",
)
SHAPE_OF = (
    "What shape is the {colour} object?",
    "What is the shape of the {colour} object?",
    "Which shape is {colour}?",
    "What is the {colour} object?",
    "What shape is {colour}?",
)
SHAPE_AT = ("What shape is {place}?", "Which shape is {place}?", "What shape do you see {place}?")
THING_AT = (
    "What is {place}?",
    "What is {place} of the {picture}?",
    "What do you see {place}?",
    "Which object is {place}?",
)
COLOUR_OF = (
    "What {color} is the {shape}?",
    "What is the {color} of the {shape}?",
    "Which {color} is the {shape}?",
    "Which {color} does the {shape} have?",
    "What {color} is the {shape} in the {picture}?",
)
COLOUR_AT = (
    "What {color} is the object {place}?",
    "Which {color} is the object {place}?",
    "What {color} is the shape {place}?",
)
BACKGROUND = (
    "What {color} is the background?",
    "What is the background {color}?",
    "Which {color} is the background?",
    "What is the {color} of the background?",
)
COUNT = (
    "How many {things} are there?",
    "How many {things} are in the {picture}?",
    "How many {things} do you see?",
    "How many {things} can you see?",
    "Count the {things}.",
    "What is the number of {things}?",
)
EXISTS = (
    "Is there {thing}?",
    "Is there {thing} in the {picture}?",
    "Do you see {thing}?",
    "Does the {picture} show {thing}?",
    "Can you see {thing}?",
)
WHERE = (
    "Where is the {thing}?",
    "Where is the {thing}?",
    "Where is the {thing} in the {picture}?",
    "Where do you see the {thing}?",
    "What is the position of the {thing}?",
)
COMPARED = (
    "Is the {one} {side} the {other}?",
    "Is the {one} {side} the {other}?",
    "Is the {one} located {side} the {other}?",
)
RELATIVE = (
    "Where is the {one} relative to the {other}?",
    "What is the position of the {one} relative to the {other}?",
    "On which side of the {other} is the {one}?",
)
