"""What is said: small grammars that draw sentences, as data.

A rule is a list of templates; `{name}` draws from the rule of that name.

>>> import random
>>> sentence("digits", random.Random(0)).isupper()
True
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

Rules = dict[str, list[str]]
PLACEHOLDER = re.compile(r"\{(\w+)\}")

DIGIT = ["ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"]

GRAMMARS: dict[str, Rules] = {
    # One to four digits.
    "digits": {
        "sentence": [
            "{digit}",
            "{digit} {digit}",
            "{digit} {digit} {digit}",
            "{digit} {digit} {digit} {digit}",
        ],
        "digit": DIGIT,
    },
    # What a voice assistant on a telephone hears.
    "phone": {
        "sentence": [
            "CALL {digit} {digit} {digit}",
            "CALL {digit} {digit} {digit} {digit}",
            "CALL {person}",
            "SEND A MESSAGE TO {person}",
            "SET A TIMER FOR {digit} {unit}",
            "WAKE ME IN {digit} {unit}",
            "TURN {switch} THE {thing}",
            "PLAY {digit} {digit}",
            "{digit} {digit} {digit} {digit}",
        ],
        "digit": DIGIT,
        "person": ["ANNA", "PETER", "MY MOTHER", "THE DOCTOR"],
        "unit": ["MINUTES", "HOURS"],
        "switch": ["ON", "OFF"],
        "thing": ["LIGHT", "RADIO", "MUSIC"],
    },
    # Everyday sentences with many different words, none of them in "phone".
    "household": {
        "sentence": [
            "{who} {did} {what} {where}",
            "{who} {did} {what}",
            "{how} {kind} {noun} {stays} {where}",
            "{when} {who} {did} {what}",
            "{who} DIDN'T {verb} {what}",
            "{question} {who} {verb} {what} {where}",
            "{kind} {noun} AND {kind} {noun}",
            "IT'S {how} {kind}",
        ],
        "who": [
            "GRANDFATHER",
            "OUR NEIGHBOUR",
            "HIS SISTER",
            "EVERYBODY",
            "YOUNG GEORGE",
            "SHE",
            "THEY",
            "WE",
            "YOUR COUSIN",
            "THAT JUDGE",
            "ZOE",
            "UNCLE VICTOR",
            "NOBODY",
            "AUNT JULIA",
            "EACH CHILD",
            "SOME VISITORS",
            "THOSE BOYS",
            "QUEEN ELIZABETH",
            "HENRY'S WIFE",
            "JACK",
        ],
        "did": [
            "BOUGHT",
            "WASHED",
            "PAINTED",
            "CARRIED",
            "FORGOT",
            "NOTICED",
            "BROKE",
            "MEASURED",
            "ENJOYED",
            "COOKED",
            "CHOSE",
            "FOUND",
            "PUSHED",
            "EXPLAINED",
            "DREW",
            "FIXED",
            "BROUGHT",
            "THREW",
            "HEARD",
            "QUESTIONED",
            "JUDGED",
            "SWALLOWED",
            "LOVED",
        ],
        "verb": [
            "BUY",
            "WASH",
            "PAINT",
            "CARRY",
            "FORGET",
            "NOTICE",
            "BREAK",
            "MEASURE",
            "ENJOY",
            "COOK",
            "CHOOSE",
            "FIND",
            "PUSH",
            "EXPLAIN",
            "DRAW",
            "FIX",
            "BRING",
            "THROW",
            "HEAR",
            "SHARE",
            "SQUEEZE",
            "RECOGNISE",
            "WATCH",
        ],
        "what": [
            "{number} {noun}S",
            "HER {noun}",
            "ANOTHER {noun}",
            "THIS {kind} {noun}",
            "EVERY {noun}",
            "HIS {kind} {noun}",
            "ITS {noun}",
            "SUCH {kind} BREAD",
            "COLD MILK",
            "FRESH FISH",
            "WHITE SUGAR",
            "BROWN RICE",
        ],
        "noun": [
            "TABLE",
            "CHAIR",
            "WINDOW",
            "GARDEN",
            "KITCHEN",
            "BASKET",
            "BOTTLE",
            "CANDLE",
            "JACKET",
            "PILLOW",
            "RABBIT",
            "FEATHER",
            "LEATHER BAG",
            "HAMMER",
            "GUITAR",
            "VASE",
            "YELLOW BIRD",
            "ENGINE",
            "BRIDGE",
            "RIVER",
            "MOUNTAIN",
            "CASTLE",
            "SPOON",
            "BLANKET",
            "MIRROR",
            "PICTURE",
            "TREASURE",
            "SQUIRREL",
            "OYSTER",
            "TOWEL",
            "HOUSE",
            "CLOUD",
            "JUNGLE",
            "ZEBRA",
            "VEGETABLE",
            "ORANGE",
            "COIN",
            "TOY",
            "KNIFE",
            "BOOK",
        ],
        "kind": [
            "SMALL",
            "HUGE",
            "GREEN",
            "BLUE",
            "HEAVY",
            "CLEAN",
            "DIRTY",
            "WOODEN",
            "CHEAP",
            "STRANGE",
            "QUIET",
            "NOISY",
            "BEAUTIFUL",
            "ROUND",
            "SHARP",
            "THICK",
            "THIN",
            "WARM",
            "FROZEN",
            "PURPLE",
            "LUXURIOUS",
            "VERY OLD",
            "DANGEROUS",
            "USUAL",
            "SMOOTH",
            "ROUGH",
        ],
        "how": ["REALLY", "RATHER", "EXTREMELY", "HARDLY", "UNUSUALLY", "ALMOST", "QUITE", "JUST"],
        "stays": ["SLEEPS", "STANDS", "HIDES", "FALLS", "LIES", "GROWS", "SHINES", "VANISHES"],
        "where": [
            "UNDER THAT ROOF",
            "BEHIND OUR SCHOOL",
            "NEAR LONDON",
            "BESIDE HIM",
            "BETWEEN TALL TREES",
            "UPSTAIRS",
            "OUTSIDE",
            "ABOVE US",
            "WITHOUT SHOES",
            "AROUND HERE",
            "FROM CHINA",
            "BEYOND THESE HILLS",
            "DURING WINTER",
            "INSIDE OUR BARN",
            "AT SCHOOL",
            "BY TRAIN",
            "WITH PLEASURE",
            "LIKE THUNDER",
        ],
        "when": [
            "YESTERDAY",
            "EVERY MONDAY",
            "LAST THURSDAY",
            "EARLY TODAY",
            "ONCE AGAIN",
            "AFTER BREAKFAST",
            "BEFORE LUNCH",
            "AT DAWN",
            "NEXT YEAR",
        ],
        "question": ["WHY DOES", "WHERE WOULD", "HOW COULD", "WHICH DAY SHOULD", "WHEN WILL"],
        "number": [
            "TWELVE",
            "TWENTY",
            "THIRTY",
            "FORTY",
            "FIFTY",
            "ELEVEN",
            "DOZENS AND DOZENS OF",
            "THOUSAND",
            "SEVERAL",
            "MANY",
            "FEW",
            "BOTH",
        ],
    },
}
LONGEST_RANDOM_SENTENCE = 5


def sentence(grammar: str, random_source: random.Random) -> str:
    """A sentence of the grammar, upper case."""
    return _expand(GRAMMARS[grammar], "sentence", random_source)


def random_words(vocabulary: Sequence[str], random_source: random.Random) -> str:
    """One to five words of the user's own list."""
    count = random_source.randint(1, LONGEST_RANDOM_SENTENCE)
    return " ".join(random_source.choice(vocabulary) for _ in range(count))


def words_of(grammar: str) -> set[str]:
    """Every word that the grammar can say."""
    templates = [template for rule in GRAMMARS[grammar].values() for template in rule]
    # "{noun}S" makes plurals; a placeholder is filled before words are told apart.
    words = {word for template in templates for word in PLACEHOLDER.sub("{}", template).split()}
    plurals = {f"{noun}S" for noun in GRAMMARS[grammar].get("noun", [])}
    return {word for word in words if "{}" not in word} | {
        word for plural in plurals for word in plural.split()
    }


def _expand(rules: Rules, name: str, random_source: random.Random) -> str:
    template = random_source.choice(rules[name])
    return PLACEHOLDER.sub(lambda found: _expand(rules, found[1], random_source), template)
