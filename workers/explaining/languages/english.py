"""English."""

from __future__ import annotations

from workers.explaining.languages.things import thing_of
from workers.explaining.phrases import Phrases, nested


def _quote(title: str, category: str) -> str:
    return f"“{nested(title, {'“': '‘', '”': '’', '„': '‚'})}”"


def _like(quoted: str, category: str) -> str:
    thing = thing_of(category)
    return quoted if thing is None else f"{quoted}, {thing.english}"


def _this(category: str) -> str:
    thing = thing_of(category)
    return "this" if thing is None else thing.english_this


ENGLISH = Phrases(
    language="en",
    sentences={
        "similar_item.named": ("Because {since}.", "Similar to {which}.", "Much like {like}."),
        "similar_item": ("Similar to {did}.", "Because of {did}."),
        "unlike.named": ("A change from {which}.",),
        "unlike": ("A change from {did}.",),
        "seed_item.named": ("Similar to {past}.", "Goes with {past}."),
        "seed_item": ("Similar to the items you started from.",),
        "query": ("Matches what you asked for.", "Close to what you described."),
        "taste": (
            "Fits your taste.",
            "In line with your earlier choices.",
            "Close to what you tend to choose.",
        ),
        "history": ("Fits what you have done here before.", "In keeping with your history."),
        "content.part.named": ("Going by its {part}, much like {past}.", "Its {part} reminded us of {past}."),
        "content.part": (
            "Its {part} came close to your taste.",
            "Going by its {part}, a match for your taste.",
        ),
        "content.named": ("Resembles {past}.", "In the manner of {past}."),
        "content": ("Resembles what you tend to choose.", "Close in kind to your earlier choices."),
        "covisitation.named": (
            "People who chose {past} often chose {this} too.",
            "Often chosen together with {past}.",
        ),
        "covisitation": ("Often chosen together with items of yours.",),
        "item2vec.named": ("Often turns up alongside {past}.",),
        "item2vec": ("Often turns up alongside items you have chosen.",),
        "sequence.named": ("A likely next step after {past}.",),
        "sequence": ("A likely next step after your latest choices.", "Follows on from your latest choices."),
        "popularity": ("Popular with people here.", "Many people have chosen {this}."),
        "trend": ("Trending right now.", "More and more people are choosing {this}."),
        "popularity_signal": ("How popular it is speaks for it.", "Its popularity speaks for it."),
        "trend_signal": ("How its popularity is developing speaks for it.",),
        "freshness_signal": ("How long it has been here speaks for it.",),
        "sessions": ("Often found near your latest choices in other people’s histories.",),
        "regression": ("Goes with your choices as a whole.", "Your choices taken together point to {this}."),
        "freshness": ("Among the newer items here.", "Newer than most items here."),
        "new_item": (
            "New here, and worth a first look.",
            "A new item, shown so that people can discover it.",
        ),
        "exploration": (
            "Something different, to learn what you like.",
            "A deliberate step off your usual path.",
        ),
        "diversity": ("For variety in your list.",),
        "pin": ("Highlighted here for everybody.",),
        "boost": ("Given more prominence here at present.",),
        "context": ("Fits the moment.", "Suits your present situation."),
        "model": ("A good overall match for you.", "Many small signals together speak for {this}."),
        "other.named": ("Connected with {past}.", "There is a link to {past}."),
        "other.part": ("Its {part} counted in ranking it for you.",),
        "other": ("Ranked high for you among all that is available.",),
        "none": ("Chosen from all that is available.",),
    },
    additions={
        "similar_item.named": "It is also similar to {past}.",
        "seed_item.named": "It also goes with {past}.",
        "query": "It also matches what you asked for.",
        "taste": "It also fits your taste.",
        "content.part.named": "Its {part} also reminded us of {past}.",
        "content.part": "Its {part} also came close to your taste.",
        "content.named": "It also resembles {past}.",
        "covisitation.named": "It is also often chosen together with {past}.",
        "sequence": "It also follows on from your latest choices.",
        "popularity": "It is also popular with people here.",
        "trend": "It is also trending right now.",
        "popularity_signal": "How popular it is also speaks for it.",
        "trend_signal": "How its popularity is developing also speaks for it.",
        "freshness_signal": "How long it has been here also speaks for it.",
        "sessions": "Other people’s histories also point to it.",
        "regression": "Your choices as a whole also point to it.",
        "freshness": "It is also among the newer items here.",
        "diversity": "It also adds variety to your list.",
        "context": "It also fits the moment.",
    },
    since={
        "view": "you looked at {past}",
        "click": "you opened {past}",
        "play": "you played {past}",
        "like": "you liked {past}",
        "add_to_cart": "you put {past} in your basket",
        "purchase": "you bought {past}",
        "rate": "you rated {past}",
        "other": "you chose {past}",
    },
    which={
        "view": "{past}, which you looked at",
        "click": "{past}, which you opened",
        "play": "{past}, which you played",
        "like": "{past}, which you liked",
        "dislike": "{past}, which you did not like",
        "skip": "{past}, which you skipped",
        "add_to_cart": "{past}, which you put in your basket",
        "purchase": "{past}, which you bought",
        "rate": "{past}, which you rated",
        "other": "{past}, which you chose",
    },
    did={
        "view": "something you looked at",
        "click": "something you opened",
        "play": "something you played",
        "like": "something you liked",
        "dislike": "something you did not like",
        "skip": "something you skipped",
        "add_to_cart": "something in your basket",
        "purchase": "something you bought",
        "rate": "something you rated",
        "other": "something you chose",
    },
    parts={"text": "description", "image": "pictures", "audio": "sound", "video": "video"},
    quote=_quote,
    like=_like,
    this=_this,
)
