"""The English words that may be said."""

from __future__ import annotations

import re

from workers.explaining.languages.english import ENGLISH
from workers.explaining.languages.things import english_nouns
from workers.explaining.lexicon import Lexicon, word_set

ENGLISH_WORDS = Lexicon(
    phrases=ENGLISH,
    plain=word_set(
        """
        a an the this that these those it its it's is are was were be been you your you're you've we we've
        our us and or so as because since for of to in on at by from with within about into than then
        while which who what that's there here also too both just quite rather may might can could will
        would should do does enjoy suit suits suited suitable fit fits fitting match matches matching like
        likely if when where how one ones thing things item items title pick picked picks recommend
        recommended recommends recommending recommendation suggest suggested suggestion list selected
        select selection reason reasons why therefore hence based shares share shared sharing common along
        well go goes going way kind sort another other interest interested interests before has have had
        look see explore consider try next
        """
    )
    | english_nouns(),
    by_kind={
        "similar_item": word_set(
            "choose chosen choice choices earlier past previous previously alike akin close closely "
            "related relates resembles resemble resembling similarity"
        ),
        "content": word_set("alike akin close closely related relates resembles resemble resembling taste"),
        "seed_item": word_set("asked started pair pairs paired complements"),
        "query": word_set("asked described describe description request requested words looking close"),
        "taste": word_set(
            "choose chosen choosing past previous previously taste tastes preferences preference "
            "overall usual usually tend"
        ),
        "history": word_set("earlier past previous previously choices history again return returned"),
        "covisitation": word_set("people others often together frequently shoppers users customers"),
        "item2vec": word_set("often together frequently people others"),
        "sequence": word_set("next after follow follows following recent recently latest step continue"),
        "popularity": word_set("popular popularity people others many widely favourite favorite currently"),
        "trend": word_set(
            "trending trend rising now currently right moment popular popularity lately gaining"
        ),
        "freshness": word_set("new newer newest recent recently added fresh latest arrival arrived"),
        "new_item": word_set("new newer newest recent recently added fresh arrival arrived discover just"),
        "exploration": word_set(
            "different new explore exploring discover broaden variety range beyond usual"
        ),
        "diversity": word_set("variety varied diverse different range mix"),
        "pin": word_set("highlighted featured everybody everyone"),
        "boost": word_set("prominent prominence featured currently"),
        "context": word_set("moment now situation currently right"),
        "model": word_set("overall signals together strong match"),
        "unlike": word_set("unlike different change"),
    },
    by_action={
        "view": word_set("viewed looked looking viewing saw"),
        "click": word_set("opened clicked"),
        "play": word_set("played listened watched playing"),
        "like": word_set("liked enjoyed"),
        "dislike": word_set("disliked not didn't"),
        "skip": word_set("skipped"),
        "add_to_cart": word_set("basket cart added"),
        "purchase": word_set("bought purchased purchase"),
        "rate": word_set("rated rating"),
    },
    by_modality={
        "text": word_set("description words text described"),
        "image": word_set("picture pictures image images looks look visual visually appearance"),
        "audio": word_set("sound sounds sounding audio"),
        "video": word_set("video footage"),
    },
    claims=re.compile(
        r"[$€£¥%]|\b(?:free|discount\w*|cheap\w*|bargain\w*|sale|sales|price\w*|deal|deals|best|perfect\w*|"
        r"amazing|guarantee\w*|limited|exclusive\w*|official\w*|award\w*|certified|proven|safe\w*|danger\w*|"
        r"urgent\w*|hurry|only today|last chance|buy now|click here|scam|warning|"
        r"dollars?|euros?|pounds?|percent)\b",
        re.I,
    ),
    numbers=re.compile(
        r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundreds?|"
        r"thousands?|millions?|billions?|dozens?|twice|half|double|triple)\b",
        re.I,
    ),
)
