"""The Chinese words that may be said. A run of characters must be made of these, the longest taken first."""

from __future__ import annotations

import re

from workers.explaining.languages.chinese import CHINESE
from workers.explaining.languages.things import chinese_nouns
from workers.explaining.lexicon import Lexicon, word_set

CHINESE_WORDS = Lexicon(
    phrases=CHINESE,
    plain=word_set(
        """
        您 你 我们 它 它们 这 这个 这款 这一款 这件 那 那个 的 了 着 过 地 得 是 有 在 和 与 跟 及 以及 或
        也 还 都 就 而 而且 并 并且 因为 由于 所以 因此 如果 为 为您 给 给您 对 对您 从 来看 来 让 把 被
        向 于 以 其 其中 之 之前 以前 曾 曾经 会 可能 也许 或许 可以 能 想 应该 喜欢 感兴趣 兴趣 适合 合适
        符合 匹配 相似 类似 相近 推荐 建议 选择 选 选中 选过 挑选 列表 内容 商品 项目 作品 东西 一个 一款
        一些 另 另外 此外 同样 一样 很 比较 更 较 最近 如 像 吧 哦 呢 理由 原因 基于 根据 以往 过去 看看
        试试 不妨 同 类 种 上 中 里
        """
    )
    | chinese_nouns(),
    by_kind={
        "similar_item": word_set("相像 接近 很像 相关 有关"),
        "content": word_set("相像 接近 很像 相关 喜好 口味"),
        "seed_item": word_set("指定 搭配 相配"),
        "query": word_set("要求 描述 想找 想要 寻找"),
        "taste": word_set("喜好 口味 偏好 一致 贴近"),
        "history": word_set("历史 习惯 再次"),
        "covisitation": word_set("人 人们 其他人 大家 经常 常常 常 一起 同时 用户 顾客"),
        "item2vec": word_set("经常 常常 常 一起 一同"),
        "sequence": word_set("下一步 接下来 接着 之后 继续 最近"),
        "popularity": word_set("受欢迎 欢迎 热门 流行 很多人 许多人 大家 人气"),
        "trend": word_set("热门 趋势 热度 上升 流行 近期 最近 正在 越来越"),
        "freshness": word_set("新 新品 较新 最新 新近 上架 刚刚"),
        "new_item": word_set("新 新品 最新 新近 上架 刚刚 发现"),
        "exploration": word_set("不同 新鲜 探索 尝试 发现 换个"),
        "diversity": word_set("丰富 多样 变化 不同"),
        "pin": word_set("重点 展示"),
        "boost": word_set("重点 展示 目前"),
        "context": word_set("此刻 当前 现在 情境"),
        "model": word_set("综合 线索 整体"),
        "unlike": word_set("不同 换个口味"),
    },
    by_action={
        "view": word_set("看过 浏览过 浏览"),
        "click": word_set("点开过 点击过"),
        "play": word_set("播放过 听过 看过"),
        "like": word_set("喜欢过 点赞过"),
        "dislike": word_set("不喜欢"),
        "skip": word_set("跳过"),
        "add_to_cart": word_set("购物车 加入"),
        "purchase": word_set("购买过 买过 购买"),
        "rate": word_set("评过分 评分"),
    },
    by_modality={
        "text": word_set("文字 介绍 描述"),
        "image": word_set("画面 图片 外观 样子"),
        "audio": word_set("声音 音色"),
        "video": word_set("影像 视频 画面"),
    },
    claims=re.compile(
        "[$€£¥￥%％]|免费|打折|折扣|优惠|特价|便宜|价格|最好|最佳|完美|保证|限时|限量|独家|官方|获奖|认证|安全|危险|"
        "赶快|赶紧|立即购买|点击|警告|美元|欧元|人民币|元钱|百分之"
    ),
    numbers=re.compile("[二两三四五六七八九十百千万亿]+(?:个|种|次|款|人|倍|元|折|天|年|月)|一半"),
    by_character=True,
)
