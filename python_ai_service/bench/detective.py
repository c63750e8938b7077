"""A detective story, questions of its readers, and passages of other stories in the same words.

The story and its questions are in `detective.txt`: a chapter's title after `#`, a scene in a line, and after it, each
with `?`, what it answers. A scene stands among prose that says nothing; other stories use the same words for other
people, without telling the same.
"""

import random
from collections import defaultdict
from pathlib import Path

from bench.novel import Question
from qingyu_ai.knowledge.document import Document

_PASSAGES_PER_CHAPTER = 6
_PASSAGE_CHARS = 399
# More than half of a passage, so that no two are taken together.
_LENGTHS = range(205, 380)
_PEOPLE = ["陆鸣", "程小满", "闻静", "老柯", "殷秋", "霍廷", "裴澜", "桑榆"]

# What has nothing to do with any story here.
UNRELATED = (
    "今天天气怎么样",
    "谢谢",
    "write a poem about the sea",
    "帮我起个名字",
    "你是谁",
    "晚安",
    "好的，明白了",
    "1+1等于几",
    "讲个笑话",
    "推荐几本书",
    "What can you do?",
    "帮我写一封请假条",
    "今天星期几",
    "帮我翻译这句话",
    "明天会下雨吗",
)

_WORDS = {
    "时": (
        "凌晨两点 后半夜 傍晚 天亮以前 下班以后 第二天一早 冻雨停了以后 去年冬天 上个月 二十六号晚上 周末 "
        "三天以前 春天 半个月前 "
    ),
    "处": (
        "楼道里 地铁站 停车场 天台上 便利店门口 医院走廊 派出所 铁路桥洞 游泳馆 典当行 音乐厅 药房 工地 "
        "公寓楼下 审讯室 档案室 学校礼堂 巷口 仓库 出租屋 办公室 报社 面包车里 食堂 "
    ),
    "物": (
        "一卷底片 一把钥匙 一枚戒指 一本琴谱 一张收据 一盒录像带 一副手套 一把雨伞 一个饼干铁盒 半张图纸 "
        "一粒扣子 一只药瓶 一张照片 一份合同 一张票根 一支录音笔 一部手机 一叠发票 一封信 一块手表 "
    ),
    "感": (
        "半天没有说话 忽然笑了一下 手心里全是汗 觉得背上发凉 只是摇头 眼眶红了 叹了一口气 装作没听见 "
        "心里咯噔一下 咽了一口唾沫 "
    ),
    "景": (
        "雨下得很大 日光灯嗡嗡地响 窗外的吊车还亮着灯 末班车刚刚开过去 楼下有人按喇叭 风把报纸吹得满地都是 "
        "走廊里一股消毒水的味道 电梯又坏了 街上的灯一盏一盏灭了 水管里咕噜咕噜地响 "
    ),
    "事": (
        "翻看监控录像 整理笔录 给证人倒水 等化验报告 抄水表 打电话 画图纸 补手套 弹琴 接孩子 擦眼镜 写稿子 "
        "值夜班 调座位 "
    ),
    "数": "两 三 四 五 六 七 八 九 十 十二 十七 二十 四十",
    "职": (
        "法医 记者 会计 建筑师 钢琴老师 物业经理 护士 出租车司机 管理员 店员 保安 助理 检察官 泥水工 学生 补锅匠 掌柜 "
    ),
    "由": "怕惹事 缺钱 睡不着 想替哥哥报仇 要给孩子做手术 被人骗了 喝醉了 怕水 听力不好 跟前妻吵了架",
    "味": "消毒粉 樟脑 石膏 香水 烟草 糖蒜 机油",
}
_FILLER = (
    "{时}，{景}。",
    "{人}站在{处}，{感}。",
    "“你再想想，”{人}说，“那天晚上还看见了什么？”",
    "他没有马上回答，低头{事}。",
    "{景}，她把外套裹紧了些。",
    "屋里的人谁也不开口，只有{人}在{事}。",
    "“不急，”她说，“等{数}个钟头再看。”",
    "他把{物}放进袋子，写上日期。",
    "{人}说起从前在{处}的事，{感}。",
    "他们在{处}等了很久，什么也没有等到。",
    "{时}，她照旧在{处}{事}。",
    "“路上小心，”他说完就挂了。",
    "那顿饭吃得很慢，{景}。",
    "她点点头，在本子上记了一笔。",
    "没有人知道他为什么要这样做，连他自己也说不清。",
    "案子查到这里，又像是断了线。",
)
_SCENES = (
    "{人}在{处}找到了{物}，交给{职}去看，{职}{感}。",
    "{职}{人}说，{时}他在{处}见过{别人}。",
    "{物}不见了，{人}把{处}翻了一遍，{感}。",
    "{人}把{物}锁进抽屉，钥匙交给{别人}。",
    "{别人}承认{时}去过{处}，问他为什么，他说是因为{由}。",
    "{处}有一股{味}味，{人}闻了闻，{感}。",
    "{人}等了{数}个钟头，才等到{别人}从{处}出来。",
    "{职}说，{别人}每个月来{数}回，从来不多坐。",
    "{人}从前是{职}，后来因为{由}才改了行。",
    "{人}拿出{物}，问{别人}认不认得，{别人}{感}。",
    "{时}，{人}接到{职}的电话，说{处}出事了。",
    "{人}和{别人}在{处}吵了一架，因为{物}。",
    "{别人}的儿子病了，{人}替他去{处}{事}。",
    "{人}记得{别人}穿一件蓝色的外套，手里拿着{物}。",
    "{职}用{数}天时间{事}，没有人说一声谢谢。",
    "报告上写着，{处}的那个{职}死了{数}天，身边只有{物}。",
)
_SURNAMES = "赵钱孙李周吴郑王冯陈陆程闻宋殷霍裘裴桑孟穆葛郝邹田苏林何许吕张"
_GIVEN = "鸣满静知秋廷澜榆阔川义国柯师小豆建伟丽敏强军芳磊洋勇艳杰涛超霞平刚"


def novel() -> list[Document]:
    """The twelve chapters: 72 passages, of which 60 hold a scene."""
    dice = random.Random(5)
    documents = []
    for order, (title, scenes) in enumerate(_story()[0].items(), 1):
        texts = [_passage(dice, _PEOPLE, scene) for scene in scenes]
        texts.insert(dice.randrange(_PASSAGES_PER_CHAPTER), _passage(dice, _PEOPLE, ""))
        name = f"第{order}章 {title}"
        documents.append(Document(id=f"case-{order}", title=name, order=order, text="\n".join(texts)))
    return documents


def questions() -> list[Question]:
    """What is asked of the story."""
    return [Question(text, tuple(scenes)) for text, scenes in _story()[1].items()]


def others(passages: int) -> list[Document]:
    """Chapters of other stories, so many passages together."""
    dice = random.Random(3)
    documents: list[Document] = []
    left = passages
    while left > 0:
        people = [dice.choice(_SURNAMES) + "".join(dice.sample(_GIVEN, dice.choice((1, 2, 2)))) for _ in range(6)]
        for order in range(1, 13):
            count = min(left, _PASSAGES_PER_CHAPTER)
            if not count:
                break
            texts = [_passage(dice, people, _scenes(dice, people)) for _ in range(count)]
            title = f"第{order}章 {dice.choice(_SLOTS['处'])}"
            number = len(documents)
            documents.append(Document(id=f"foreign-{number}", doc_type="archive", title=title, text="\n".join(texts)))
            left -= count
    return documents


_SLOTS = {name: words.split() for name, words in _WORDS.items()}


def _story() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The scenes of each chapter, and of each question those that answer it."""
    chapters: dict[str, list[str]] = {}
    asked: defaultdict[str, list[str]] = defaultdict(list)
    scenes: list[str] = []
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            scenes = chapters[line[2:]] = []
        elif line.startswith("? "):
            asked[line[2:]].append(scenes[-1])
        else:
            scenes.append(line)
    return chapters, asked


def _scenes(dice: random.Random, people: list[str]) -> str:
    return "".join(_filled(dice, dice.choice(_SCENES), people) for _ in range(dice.choice((1, 2))))


def _passage(dice: random.Random, people: list[str], scene: str) -> str:
    """A scene somewhere in prose."""
    sentences = [scene] if scene else []
    aim = dice.choice(_LENGTHS)
    while sum(map(len, sentences)) < aim:
        sentence = _filled(dice, dice.choice(_FILLER), people)
        if sum(map(len, sentences)) + len(sentence) <= _PASSAGE_CHARS:
            sentences.insert(dice.randrange(len(sentences) + 1), sentence)
    return "".join(sentences)


def _filled(dice: random.Random, template: str, people: list[str]) -> str:
    one, other = dice.sample(people, 2)
    return template.format(人=one, 别人=other, **{name: dice.choice(words) for name, words in _SLOTS.items()})
