"""German, in the polite form."""

from __future__ import annotations

from workers.explaining.languages.things import thing_of
from workers.explaining.phrases import Phrases, nested


def _quote(title: str, category: str) -> str:
    return f"„{nested(title, {'„': '‚', '“': '‘', '”': '’'})}“"


def _like(quoted: str, category: str) -> str:
    thing = thing_of(category)
    return quoted if thing is None else f"{quoted}, {thing.german}"


def _this(category: str) -> str:
    thing = thing_of(category)
    return "dies" if thing is None else thing.german_this


GERMAN = Phrases(
    language="de",
    sentences={
        "similar_item.named": ("Weil {since}.", "Ähnlich wie {which}.", "Ganz wie {like}."),
        "similar_item": ("Ähnlich wie {did}.", "Verwandt mit dem, was Sie gewählt haben."),
        "unlike.named": ("Eine Abwechslung gegenüber {which}.",),
        "unlike": ("Eine Abwechslung gegenüber {did}.",),
        "seed_item.named": ("Ähnlich wie {past}.", "Passt zu {past}."),
        "seed_item": ("Ähnlich wie Ihre Ausgangspunkte.",),
        "query": ("Passt zu dem, was Sie suchen.", "Kommt Ihrer Beschreibung nahe."),
        "taste": ("Passt zu Ihrem Geschmack.", "Im Sinne Ihrer bisherigen Auswahl."),
        "history": ("Passt zu Ihrer bisherigen Nutzung.", "Knüpft an Ihre bisherige Nutzung an."),
        "content.part.named": ("{part} erinnert an {past}.", "Ähnlich wie {past}: {part} gab den Ausschlag."),
        "content.part": ("{part} passt zu Ihrem Geschmack.", "{part} trifft Ihren Geschmack."),
        "content.named": ("Erinnert an {past}.", "In der Art von {past}."),
        "content": ("Ähnelt dem, was Sie sonst wählen.", "Nah an Ihrer bisherigen Auswahl."),
        "covisitation.named": (
            "Wer {past} wählt, wählt oft auch dies.",
            "Wird oft zusammen mit {past} gewählt.",
        ),
        "covisitation": ("Wird oft zusammen mit Ihrer bisherigen Auswahl gewählt.",),
        "item2vec.named": ("Taucht oft neben {past} auf.",),
        "item2vec": ("Taucht oft neben Ihrer bisherigen Auswahl auf.",),
        "sequence.named": ("Ein naheliegender nächster Schritt nach {past}.",),
        "sequence": ("Ein naheliegender nächster Schritt.", "Schließt an Ihre letzte Auswahl an."),
        "popularity": ("Hier bei vielen beliebt.", "Viele haben sich hierfür entschieden."),
        "trend": ("Derzeit im Aufwind.", "Wird derzeit immer öfter gewählt."),
        "popularity_signal": ("Der Grad seiner Beliebtheit spricht dafür.",),
        "trend_signal": ("Die Entwicklung seiner Beliebtheit spricht dafür.",),
        "freshness_signal": ("Wie lange es schon hier ist, spricht dafür.",),
        "sessions": ("Steht im Verlauf anderer oft nahe bei Ihrer letzten Auswahl.",),
        "regression": ("Passt zu Ihrer Auswahl im Ganzen.", "Ihre Auswahl im Ganzen spricht dafür."),
        "freshness": ("Eines der neueren Angebote hier.", "Neuer als das meiste hier."),
        "new_item": ("Neu hier und einen ersten Blick wert.", "Neu hier, damit es entdeckt werden kann."),
        "exploration": (
            "Einmal etwas anderes, um Ihren Geschmack kennenzulernen.",
            "Bewusst abseits des Gewohnten.",
        ),
        "diversity": ("Für mehr Abwechslung in Ihrer Liste.",),
        "pin": ("Hier für alle hervorgehoben.",),
        "boost": ("Hier derzeit stärker hervorgehoben.",),
        "context": ("Passt zum Augenblick.", "Passt zu Ihrer jetzigen Lage."),
        "model": ("Passt insgesamt gut zu Ihnen.", "Viele kleine Hinweise sprechen dafür."),
        "other.named": ("Steht in Verbindung mit {past}.", "Hat einen Bezug zu {past}."),
        "other.part": ("{part} zählte bei der Auswahl.",),
        "other": ("Weit oben unter allem, was für Sie in Frage kommt.",),
        "none": ("Ausgewählt aus allem, was verfügbar ist.",),
    },
    additions={
        "similar_item.named": "Auch {past} ist ähnlich.",
        "seed_item.named": "Es passt auch zu {past}.",
        "query": "Es passt auch zu dem, was Sie suchen.",
        "taste": "Es passt auch zu Ihrem Geschmack.",
        "content.part.named": "{part} erinnert auch an {past}.",
        "content.part": "{part} trifft auch Ihren Geschmack.",
        "content.named": "Es erinnert auch an {past}.",
        "covisitation.named": "Es wird auch oft zusammen mit {past} gewählt.",
        "sequence": "Es schließt auch an Ihre letzte Auswahl an.",
        "popularity": "Es ist auch bei vielen beliebt.",
        "trend": "Es ist auch derzeit im Aufwind.",
        "popularity_signal": "Der Grad seiner Beliebtheit spricht auch dafür.",
        "trend_signal": "Die Entwicklung seiner Beliebtheit spricht auch dafür.",
        "freshness_signal": "Wie lange es schon hier ist, spricht auch dafür.",
        "sessions": "Auch der Verlauf anderer spricht dafür.",
        "regression": "Auch Ihre Auswahl im Ganzen spricht dafür.",
        "freshness": "Es gehört auch zu den neueren Angeboten hier.",
        "diversity": "Es bringt auch Abwechslung in Ihre Liste.",
        "context": "Es passt auch zum Augenblick.",
    },
    since={
        "view": "Sie {past} angesehen haben",
        "click": "Sie {past} geöffnet haben",
        "play": "Sie {past} abgespielt haben",
        "like": "Ihnen {past} gefallen hat",
        "add_to_cart": "{past} in Ihrem Warenkorb liegt",
        "purchase": "Sie {past} gekauft haben",
        "rate": "Sie {past} bewertet haben",
        "other": "Sie {past} gewählt haben",
    },
    which={
        "view": "{past} – von Ihnen angesehen",
        "click": "{past} – von Ihnen geöffnet",
        "play": "{past} – von Ihnen abgespielt",
        "like": "{past} – es hat Ihnen gefallen",
        "dislike": "{past} – es hat Ihnen nicht gefallen",
        "skip": "{past} – von Ihnen übersprungen",
        "add_to_cart": "{past} – in Ihrem Warenkorb",
        "purchase": "{past} – von Ihnen gekauft",
        "rate": "{past} – von Ihnen bewertet",
        "other": "{past} – von Ihnen gewählt",
    },
    did={
        "view": "etwas, das Sie angesehen haben",
        "click": "etwas, das Sie geöffnet haben",
        "play": "etwas, das Sie abgespielt haben",
        "like": "etwas, das Ihnen gefallen hat",
        "dislike": "etwas, das Ihnen nicht gefallen hat",
        "skip": "etwas, das Sie übersprungen haben",
        "add_to_cart": "etwas in Ihrem Warenkorb",
        "purchase": "etwas, das Sie gekauft haben",
        "rate": "etwas, das Sie bewertet haben",
        "other": "etwas, das Sie gewählt haben",
    },
    parts={
        "text": "Die Beschreibung",
        "image": "Das Aussehen",
        "audio": "Der Klang",
        "video": "Das Video",
    },
    quote=_quote,
    like=_like,
    this=_this,
)
