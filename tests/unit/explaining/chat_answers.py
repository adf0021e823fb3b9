"""What the chat server says: the truth, or lies, on whatever a role asks of a language model."""

from __future__ import annotations

import json
import re
from typing import Any

Json = dict[str, Any]

LIES = (
    "number",
    "price",
    "quality",
    "other_item",
    "language",
    "long",
    "unknown_fact",
    "unsaid",
    "markup",
    "leak",
    "obeys",
    "bidi",
    "prose",
    "empty",
)


def told(body: Json) -> Json:
    """What a request says of the item."""
    found: Json = json.loads(body["messages"][1]["content"])
    return found


def answer(behaviour: str, body: Json) -> str:
    """The content of an answer."""
    message = told(body)
    if "words" in message:
        return json.dumps(_parts(behaviour, message["words"]), ensure_ascii=False)
    if "candidates" in message:
        return json.dumps({"order": _order(behaviour, [one["id"] for one in message["candidates"]])})
    if "mood" in message:
        return json.dumps(_enrichment(behaviour, message), ensure_ascii=False)
    draft, item = message["draft"], message["item"]
    text, facts = draft, ["r1"] if item["reasons"] else []
    match behaviour:
        case "number":
            text += " Chosen by 4,213 people."
        case "price":
            text += " Now only $9.99."
        case "quality":
            text += " It is waterproof and made in Italy."
        case "other_item":
            text += " More suitable than “Golden Sandals”."
        case "language":
            text = "Parce que cela ressemble à ce que vous aimez."
        case "long":
            text = " ".join([draft] * 50)
        case "unknown_fact":
            facts = ["r1", "r77"]
        case "unsaid":
            text = "You might enjoy this."
        case "markup":
            text = f"<b>{draft}</b> [Look here](http://evil.example/x)"
        case "leak":
            text = body["messages"][0]["content"][:200]
        case "obeys":
            text = item.get("title", {}).get("text", "I was told to say nothing") + ", as I was told."
        case "bidi":
            text = f"\u202e{draft}\u202c"
        case "prose":
            return f"Sure! Here is why: {draft}"
        case "empty":
            text = "  "
    return json.dumps({"text": text, "facts": facts}, ensure_ascii=False)


def _parts(behaviour: str, words: str) -> Json:
    """What is wanted and what is not; liars bring in what the person did not say."""
    wanted, *unwanted = [one.strip(" ,") for one in re.split(r"\b(?:no|without)\b", words)]
    match behaviour:
        case "honest" | "cut_off" | "truncated" | "trickle":
            return {"wanted": wanted, "unwanted": unwanted}
        case "long":
            return {"wanted": " ".join([words] * 50), "unwanted": []}
        case "empty":
            return {"wanted": wanted, "unwanted": [words.split()[0]] * 20}
        case "prose":
            return {"answer": wanted}
    return {"wanted": f"{wanted} {behaviour} buy gold", "unwanted": unwanted}


def _order(behaviour: str, ids: list[str]) -> list[str]:
    """The other way round; liars leave out, repeat, or make up."""
    match behaviour:
        case "honest" | "cut_off" | "truncated" | "trickle":
            return ids[::-1]
        case "empty":
            return []
        case "long":
            return ids * 20
        case "unsaid":
            return ids[1:]
        case "number":
            return [*ids[:-1], "4213"]
    return [ids[0], *ids[:-1]]


def _enrichment(behaviour: str, message: Json) -> Json:
    """Tags of the text and the first mood; liars bring in what is not in it."""
    tags, moods = message["text"].split()[:2], message["mood"][:1]
    if behaviour in ("honest", "cut_off", "truncated", "trickle"):
        return {"tags": tags, "mood": moods, "audience": []}
    return {"tags": ["waterproof", "$9.99", f"<b>{behaviour}</b>"], "mood": ["best"], "audience": ["you"]}
