"""The German words that may be said."""

from __future__ import annotations

import re

from workers.explaining.languages.german import GERMAN
from workers.explaining.languages.things import german_nouns
from workers.explaining.lexicon import Lexicon, word_set

GERMAN_WORDS = Lexicon(
    phrases=GERMAN,
    plain=word_set(
        """
        der die das den dem des ein eine einen einem einer eines dies diese dieser dieses diesen diesem es
        sie ihr ihre ihren ihrem ihrer ihnen wir uns unser unsere ist sind war waren sein wird werden
        wurde hat haben hatte und oder so wie als weil da denn daher deshalb für von vom zu zum zur in im
        an am auf aus bei beim mit nach über unter um dass was wer welche welcher welches wo wenn ob auch
        sowohl sehr recht ganz etwas mehr eher kann können könnte könnten mag mögen möchten würde würden
        dürfte passt passen passend passende passendes ähnlich ähnliche ähnliches gefällt interessant
        interesse interessieren interessiert artikel angebot angebote titel stück ausgewählt empfehlen
        empfohlen empfehlung vorschlag vorgeschlagen liste grund gründe warum dazu dafür darum außerdem
        ebenfalls ebenso hier dort noch schon gut anderes andere anderen sich art gemeinsam gemeinsames
        entdecken ansehen
        """
    )
    | german_nouns(),
    by_kind={
        "similar_item": word_set(
            "wahl auswahl gewählt bisher bisherige bisherigen früher zuvor vorher verwandt nah "
            "ähnelt erinnert ähnlichkeit"
        ),
        "content": word_set("verwandt nah ähnelt erinnert ähnlichkeit geschmack"),
        "seed_item": word_set("ausgangspunkt ergänzt"),
        "query": word_set("suchen suche gesucht beschreibung beschrieben wunsch wünsche worte nah"),
        "taste": word_set(
            "wahl auswahl gewählt bisher bisherige bisherigen früher zuvor vorher geschmack "
            "vorlieben vorliebe entspricht"
        ),
        "history": word_set("verlauf wieder nutzung"),
        "covisitation": word_set("andere oft häufig zusammen menschen leute nutzer kunden"),
        "item2vec": word_set("oft häufig zusammen"),
        "sequence": word_set("nächste nächster nächster schritt folgt zuletzt letzten"),
        "popularity": word_set("beliebt beliebtheit viele vielen menschen leute andere derzeit"),
        "trend": word_set("trend derzeit gerade aktuell beliebt beliebter zunehmend immer"),
        "freshness": word_set("neu neue neuer neueres neuen neueren kürzlich hinzugekommen"),
        "new_item": word_set("neu neue neuer neues neuen kürzlich hinzugekommen"),
        "exploration": word_set("anderes neues abwechslung ausprobieren gewohnten"),
        "diversity": word_set("abwechslung vielfalt vielfältig verschieden"),
        "pin": word_set("hervorgehoben alle"),
        "boost": word_set("hervorgehoben derzeit"),
        "context": word_set("augenblick moment jetzt gerade lage situation"),
        "model": word_set("insgesamt hinweise zusammen"),
        "unlike": word_set("anders abwechslung"),
    },
    by_action={
        "view": word_set("angesehen angeschaut gesehen betrachtet"),
        "click": word_set("geöffnet angeklickt"),
        "play": word_set("abgespielt gehört gespielt"),
        "like": word_set("gefiel mochten"),
        "dislike": word_set("nicht missfiel gefiel gefallen"),
        "skip": word_set("übersprungen"),
        "add_to_cart": word_set("warenkorb"),
        "purchase": word_set("gekauft kauf erworben"),
        "rate": word_set("bewertet bewertung"),
    },
    by_modality={
        "text": word_set("beschreibung text worte"),
        "image": word_set("bild bilder aussehen optik optisch"),
        "audio": word_set("klang klänge ton"),
        "video": word_set("video bewegtbild"),
    },
    claims=re.compile(
        r"[$€£¥%]|\b(?:gratis|kostenlos\w*|rabatt\w*|günstig\w*|billig\w*|angebotspreis\w*|preis\w*|schnäppchen|"
        r"beste\w*|perfekt\w*|garanti\w*|exklusiv\w*|offiziell\w*|ausgezeichnet\w*|sicher\w*|gefährlich\w*|"
        r"dringend\w*|nur heute|letzte chance|jetzt kaufen|warnung|euro|dollar|prozent)\b",
        re.I,
    ),
    numbers=re.compile(
        r"\b(?:zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|zwanzig|dreißig|vierzig|fünfzig|hundert\w*|"
        r"tausend\w*|millionen?|dutzend\w*|doppelt\w*|halb\w*)\b",
        re.I,
    ),
)
