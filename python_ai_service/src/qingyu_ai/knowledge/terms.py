"""Texts as terms: what lexical search counts."""

import re
import unicodedata

# Of what is written without spaces each character and each pair of neighbours, else words.
_WIDE = "\u2e80-\U0010ffff"
_RUN = re.compile(rf"(?:(?![\W_])[{_WIDE}])+|(?:(?![\W_])[^{_WIDE}])+")
# What says how something is asked or said, not what of.
_FUNCTION_CHARACTERS = frozenset(
    "的了着是在有和与或及而就都也还又把被从到对于之其这那哪谁么什怎吗呢吧啊呀嘛我你您他她它们一不没个些说几"
    "为最用拿给叫让想样会要"
)
# What is everywhere by itself, and tells something beside another character only.
_LIGHT_CHARACTERS = _FUNCTION_CHARACTERS | frozenset("很太更再请帮起出来去上下里后先多能可因所以好话声")
_WORDS = """
自己 时候 地方 东西 知道 需要 应该 如何 多少
a about an and are as at be by can did do does for from had has have he her his how i if in is it its me my not of on or
please she that the their them they this to was were what when where which who why will with would write you your
"""
_FUNCTION_WORDS = frozenset(_WORDS.split())
# What people say to anybody, and what stories hold as well: it asks for no story.
_TALK = """
今天 明天 昨天 天气 名字 谢谢 明白 早上 再见 句话 首诗 笑话 故事 推荐 介绍
"""
_TALK_WORDS = frozenset(_TALK.split())
# What nearly every Chinese text has; with it replaced, most texts need no slow normalization.
_WIDE_FORMS = {
    ord(wide): unicodedata.normalize("NFKC", wide) for wide in [*map(chr, range(0xFF01, 0xFF5F)), "…", "\u3000"]
}


def normal(text: str) -> str:
    """A text as its terms are written: wide and small letters are one."""
    narrow = text.translate(_WIDE_FORMS)
    return unicodedata.normalize("NFKC", narrow).lower()


def terms_of(text: str) -> list[str]:
    """The terms of a text, in order, each as often as it occurs. Terms are letters and digits."""
    terms: list[str] = []
    for run in _RUN.findall(normal(text)):
        if run[0] < "\u2e80":
            terms.append(run)
        else:
            terms += run
            terms += [run[at : at + 2] for at in range(len(run) - 1)]
    return terms


def query_terms(text: str) -> list[str]:
    """The terms of a query, each once, without those that say nothing of what it is about."""
    return [
        term
        for term in dict.fromkeys(terms_of(text))
        if term not in _FUNCTION_WORDS and not _LIGHT_CHARACTERS.issuperset(term)
    ]


def telling_terms(text: str) -> set[str]:
    """The terms of a query that tell what it is about: words, and pairs of characters that hold no function word."""
    return {
        term
        for term in query_terms(text)
        if len(term) > 1 and term not in _TALK_WORDS and (is_word(term) or not _FUNCTION_CHARACTERS.intersection(term))
    }


def is_word(term: str) -> bool:
    """Whether a term is a word between spaces, and not a part of what is written without them."""
    return term[0] < "\u2e80"
