"""Kinds of things that categories name, with what grammar needs to know of them in each language.

A category that is not here may be anything (`Home & Garden`), so no article or measure word is risked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Thing:
    """A kind of thing.

    Attributes:
        categories: Names of categories that mean it, in lower case.
        english: With its article; ``english_this`` with the demonstrative.
        german: Likewise, nominative.
        chinese: With its measure word, to follow 这 or 一.
        is_work: Chinese titles of works stand in 《》.
    """

    categories: tuple[str, ...]
    english: str
    english_this: str
    german: str
    german_this: str
    chinese: str
    is_work: bool = False


def _thing(
    categories: str, english: str, german: str, german_this: str, chinese: str, *, work: bool = False
) -> Thing:
    noun = english.split(" ", 1)[1]
    this = f"these {noun.removeprefix('pair of ')}" if noun.startswith("pair of ") else f"this {noun}"
    return Thing(tuple(categories.split(",")), english, this, german, german_this, chinese, work)


_THINGS: Final = (
    _thing("book,books,buch,bücher,书,图书,书籍", "a book", "ein Buch", "dieses Buch", "本书", work=True),
    _thing("novel,novels,roman,romane,小说", "a novel", "ein Roman", "dieser Roman", "部小说", work=True),
    _thing("film,films,movie,movies,filme,电影", "a film", "ein Film", "dieser Film", "部电影", work=True),
    _thing("series,serie,serien,电视剧,剧集", "a series", "eine Serie", "diese Serie", "部剧集", work=True),
    _thing("song,songs,track,tracks,lied,歌曲,歌", "a song", "ein Lied", "dieses Lied", "首歌", work=True),
    _thing("album,albums,alben,专辑", "an album", "ein Album", "dieses Album", "张专辑", work=True),
    _thing("podcast,podcasts,播客", "a podcast", "ein Podcast", "dieser Podcast", "档播客", work=True),
    _thing(
        "article,articles,news,artikel,文章,新闻",
        "an article",
        "ein Artikel",
        "dieser Artikel",
        "篇文章",
        work=True,
    ),
    _thing("game,games,spiel,spiele,游戏", "a game", "ein Spiel", "dieses Spiel", "款游戏", work=True),
    _thing("course,courses,kurs,kurse,课程", "a course", "ein Kurs", "dieser Kurs", "门课程", work=True),
    _thing("recipe,recipes,rezept,rezepte,菜谱,食谱", "a recipe", "ein Rezept", "dieses Rezept", "份菜谱"),
    _thing(
        "photo,photos,photograph,photographs,foto,fotos,照片",
        "a photograph",
        "ein Foto",
        "dieses Foto",
        "张照片",
    ),
    _thing(
        "picture,pictures,image,images,bild,bilder,图片", "a picture", "ein Bild", "dieses Bild", "张图片"
    ),
    _thing("painting,paintings,gemälde,画,绘画", "a painting", "ein Gemälde", "dieses Gemälde", "幅画"),
    _thing("video,videos,clip,clips,视频", "a video", "ein Video", "dieses Video", "段视频"),
    _thing("sound,sounds,klang,klänge,声音,音频", "a sound", "ein Klang", "dieser Klang", "段音频"),
    _thing(
        "shoe,shoes,schuh,schuhe,鞋,鞋子", "a pair of shoes", "ein Paar Schuhe", "dieses Paar Schuhe", "双鞋"
    ),
    _thing("boot,boots,stiefel,靴子", "a pair of boots", "ein Paar Stiefel", "dieses Paar Stiefel", "双靴子"),
    _thing("dress,dresses,kleid,kleider,连衣裙,裙子", "a dress", "ein Kleid", "dieses Kleid", "条裙子"),
    _thing("shirt,shirts,hemd,hemden,衬衫", "a shirt", "ein Hemd", "dieses Hemd", "件衬衫"),
    _thing("jacket,jackets,jacke,jacken,夹克,外套", "a jacket", "eine Jacke", "diese Jacke", "件外套"),
    _thing("lamp,lamps,lampe,lampen,灯,灯具", "a lamp", "eine Lampe", "diese Lampe", "盏灯"),
    _thing("chair,chairs,stuhl,stühle,椅子", "a chair", "ein Stuhl", "dieser Stuhl", "把椅子"),
    _thing("table,tables,desk,desks,tisch,tische,桌子", "a table", "ein Tisch", "dieser Tisch", "张桌子"),
    _thing("sofa,sofas,沙发", "a sofa", "ein Sofa", "dieses Sofa", "张沙发"),
    _thing("bag,bags,tasche,taschen,包,包包", "a bag", "eine Tasche", "diese Tasche", "个包"),
    _thing("watch,watches,uhr,uhren,手表", "a watch", "eine Uhr", "diese Uhr", "块手表"),
    _thing("phone,phones,telefon,handy,手机", "a phone", "ein Telefon", "dieses Telefon", "部手机"),
    _thing("laptop,laptops,notebook,笔记本电脑", "a laptop", "ein Laptop", "dieser Laptop", "台笔记本电脑"),
    _thing("camera,cameras,kamera,kameras,相机", "a camera", "eine Kamera", "diese Kamera", "台相机"),
    _thing(
        "bicycle,bicycles,bike,fahrrad,fahrräder,自行车",
        "a bicycle",
        "ein Fahrrad",
        "dieses Fahrrad",
        "辆自行车",
    ),
    _thing("umbrella,umbrellas,schirm,schirme,雨伞", "an umbrella", "ein Schirm", "dieser Schirm", "把伞"),
    _thing("plant,plants,pflanze,pflanzen,植物", "a plant", "eine Pflanze", "diese Pflanze", "株植物"),
    _thing("toy,toys,spielzeug,玩具", "a toy", "ein Spielzeug", "dieses Spielzeug", "件玩具"),
)
_BY_CATEGORY: Final = {category: thing for thing in _THINGS for category in thing.categories}


def thing_of(category: str) -> Thing | None:
    """The kind of thing that a category names; None where it may be anything."""
    return _BY_CATEGORY.get(category.casefold())


def english_nouns() -> frozenset[str]:
    """The words that `Thing.english` and `Thing.english_this` are made of."""
    return frozenset(" ".join(f"{one.english} {one.english_this}" for one in _THINGS).split())


def german_nouns() -> frozenset[str]:
    """Likewise in German, in lower case."""
    return frozenset(" ".join(f"{one.german} {one.german_this}" for one in _THINGS).casefold().split())


def chinese_nouns() -> frozenset[str]:
    """Likewise in Chinese: each with 这 and with 一."""
    return frozenset(f"{which}{one.chinese}" for one in _THINGS for which in "这一")
