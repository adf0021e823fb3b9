"""Chinese, in simplified characters and the polite form."""

from __future__ import annotations

from workers.explaining.languages.things import thing_of
from workers.explaining.phrases import Phrases, nested


def _quote(title: str, category: str) -> str:
    thing = thing_of(category)
    if thing is not None and thing.is_work:
        return f"《{nested(title, {'《': '〈', '》': '〉'})}》"
    return f"“{nested(title, {'“': '‘', '”': '’'})}”"


def _like(quoted: str, category: str) -> str:
    thing = thing_of(category)
    return quoted if thing is None else f"{quoted}这{thing.chinese}"


def _this(category: str) -> str:
    thing = thing_of(category)
    return "这一款" if thing is None else f"这{thing.chinese}"


CHINESE = Phrases(
    language="zh",
    sentences={
        "similar_item.named": ("因为{since}，所以为您推荐{this}。", "与{which}相似。", "和{like}很像。"),
        "similar_item": ("与{did}相似。", "根据{did}为您推荐。"),
        "unlike.named": ("与{which}不同，换个口味。",),
        "unlike": ("与{did}不同，换个口味。",),
        "seed_item.named": ("与{past}相似。", "与{past}相配。"),
        "seed_item": ("与您指定的内容相似。",),
        "query": ("符合您的要求。", "与您的描述相近。"),
        "taste": ("符合您的喜好。", "与您以往的选择一致。"),
        "history": ("符合您以往的使用习惯。", "延续了您以往的使用习惯。"),
        "content.part.named": ("从{part}来看，与{past}很像。", "{part}与{past}相近。"),
        "content.part": ("从{part}来看，符合您的喜好。", "{part}贴近您的喜好。"),
        "content.named": ("与{past}类似。", "和{past}是同一类。"),
        "content": ("与您常选的内容类似。", "和您以往的选择相近。"),
        "covisitation.named": ("选择{past}的人也常常选择{this}。", "常与{past}一起被选中。"),
        "covisitation": ("常与您选过的内容一起被选中。",),
        "item2vec.named": ("常与{past}一同出现。",),
        "item2vec": ("常与您选过的内容一同出现。",),
        "sequence.named": ("继{past}之后，很可能是您的下一个选择。",),
        "sequence": ("很可能是您的下一个选择。", "承接您最近的选择。"),
        "popularity": ("这里很受欢迎。", "很多人选择了{this}。"),
        "trend": ("近期热度正在上升。", "最近越来越多的人选择{this}。"),
        "popularity_signal": ("它的受欢迎程度是加分项。",),
        "trend_signal": ("它的热度变化是加分项。",),
        "freshness_signal": ("它的上架时间是加分项。",),
        "sessions": ("在其他人的记录中，常与您最近的选择相邻。",),
        "regression": ("与您的整体选择相符。", "您的整体选择指向{this}。"),
        "freshness": ("属于这里较新的内容。", "比这里的多数内容更新。"),
        "new_item": ("新上架，值得一看。", "新内容，让更多人有机会发现。"),
        "exploration": ("换个不同的，看看您是否喜欢。", "特意跳出您平时的范围。"),
        "diversity": ("让您的列表更丰富。",),
        "pin": ("此处为所有人重点展示。",),
        "boost": ("目前在此处重点展示。",),
        "context": ("适合此刻。", "适合您当前的情境。"),
        "model": ("综合来看很适合您。", "多方面的线索都指向{this}。"),
        "other.named": ("与{past}有关联。", "和{past}有联系。"),
        "other.part": ("{part}在排序中起了作用。",),
        "other": ("在所有可选内容中为您排得靠前。",),
        "none": ("从所有可选内容中选出。",),
    },
    additions={
        "similar_item.named": "也与{past}相似。",
        "seed_item.named": "也与{past}相配。",
        "query": "也符合您的要求。",
        "taste": "也符合您的喜好。",
        "content.part.named": "{part}也与{past}相近。",
        "content.part": "{part}也贴近您的喜好。",
        "content.named": "也与{past}类似。",
        "covisitation.named": "也常与{past}一起被选中。",
        "sequence": "也承接您最近的选择。",
        "popularity": "也很受欢迎。",
        "trend": "近期热度也在上升。",
        "popularity_signal": "它的受欢迎程度也是加分项。",
        "trend_signal": "它的热度变化也是加分项。",
        "freshness_signal": "它的上架时间也是加分项。",
        "sessions": "其他人的记录也指向它。",
        "regression": "您的整体选择也指向它。",
        "freshness": "也属于这里较新的内容。",
        "diversity": "也让您的列表更丰富。",
        "context": "也适合此刻。",
    },
    since={
        "view": "您看过{past}",
        "click": "您点开过{past}",
        "play": "您播放过{past}",
        "like": "您喜欢{past}",
        "add_to_cart": "您把{past}加入了购物车",
        "purchase": "您购买过{past}",
        "rate": "您给{past}评过分",
        "other": "您选择过{past}",
    },
    which={
        "view": "您看过的{past}",
        "click": "您点开过的{past}",
        "play": "您播放过的{past}",
        "like": "您喜欢的{past}",
        "dislike": "您不喜欢的{past}",
        "skip": "您跳过的{past}",
        "add_to_cart": "您加入购物车的{past}",
        "purchase": "您购买过的{past}",
        "rate": "您评过分的{past}",
        "other": "您选择过的{past}",
    },
    did={
        "view": "您看过的内容",
        "click": "您点开过的内容",
        "play": "您播放过的内容",
        "like": "您喜欢的内容",
        "dislike": "您不喜欢的内容",
        "skip": "您跳过的内容",
        "add_to_cart": "您购物车里的内容",
        "purchase": "您购买过的内容",
        "rate": "您评过分的内容",
        "other": "您选择过的内容",
    },
    parts={"text": "文字介绍", "image": "画面", "audio": "声音", "video": "影像"},
    quote=_quote,
    like=_like,
    this=_this,
    space="",
)
