"""A novel of twelve chapters, questions of its readers, and passages of other novels in the same style.

Everything is written for this measurement and comes out the same each time. A scene of the novel stands among prose
that says nothing; the other novels have scenes of the same kind about other people.
"""

import random
from dataclasses import dataclass

from qingyu_ai.knowledge.document import Document

_PASSAGE_CHARS = 390
_PASSAGES_PER_CHAPTER = 6

CHAPTERS = {
    "归岛": (
        "父亲下葬后的第七天，沈砚搭老麦的渡船回到雾角岛，怀里揣着一只停在四点二十分的铜怀表。",
        "老麦的左手只剩三根手指。他说另外两根留在了北礁的绞盘里，那年他二十岁，绳子比他的命还急。",
        "灯塔的门本来配了三把钥匙：一把挂在哑伯腰间，一把随父亲入了土，第三把谁也说不清在哪里。",
    ),
    "哑伯": (
        "哑伯生来没有声音，便用贝壳在桌上摆字，海螺当作点头，蛤壳当作摇头，摆得比人写信还快。",
        "塔上的火一夜要添两回鲸油，子时一回，寅时一回，错过了寅时那回，天亮前必有船走偏。",
        "沈砚翻到父亲日志的末页，纸被人撕走了，只剩毛边上半个“盐”字，墨还是新的。",
    ),
    "半帆": (
        "顾三娘的铺子叫半帆，匾额是拿沉船的舵板刨出来的，雨天会渗出一股咸味。",
        "三娘的酒里泡着晒干的海茄花，喝过三碗的人夜里都会见到过世的亲人，所以清明那天她不卖酒。",
        "陶知盐带了十二个兵上岛，当众宣读告示：盐税由三成改为五成，限月底之前缴清。",
    ),
    "阿螺": (
        "阿螺一口气能在水底待上一炷香的工夫，岛上的男人没有一个比得过她；她颈上那枚鲨鱼牙是母亲留下的。",
        "她钻进长庚号的货舱，淤泥里露出一只铁箱，箱口贴着官府的封条，字迹居然没有被海水泡烂。",
        "村口那条黄狗一叫，阿螺的脸就白了。她六岁时在盐场被它的母亲咬穿过脚踝。",
    ),
    "铁箱": (
        "大潮的夜里，他们把渡船上的绞盘搬到北礁，三个人轮流推了半个时辰，才把铁箱从水里拖上来。",
        "撬开一看，里头没有半两银子，只有八本账册，用油布裹了四层，干得像昨天才放进去。",
        "账册里记着二十年来偷运私盐的船名和数目，每一页的末尾都盖着同一枚小印，印上是一只鹤。",
    ),
    "搜岛": (
        "兵丁踢开半帆的门时，三娘已经把账册沉到了腌鱼缸的底下，上面压着石头和两百条鲅鱼。",
        "清早有人看见哑伯倒在石阶上，后脑全是血。他醒来以后手抖得厉害，只摆出一个字：鹤。",
        "那一晚沈砚亲手压灭了灯塔的火，好让官船看不清航道，一头撞在礁石上。二百年来这是头一遭。",
    ),
    "鹤印": (
        "沈砚把印文描在纸上细看，那只鹤少了一只脚，跟父亲书桌上那块青石镇纸刻得一模一样。",
        "三娘终于说了实话：你爹从前是替私盐贩子管账的先生，后来夜夜睡不着，才上塔去守灯赎罪。",
        "老麦蹲在船头抽了半袋烟，说长庚号沉下去的那个晚上，舵在我手里，是我把它带上暗沙的。",
    ),
    "飓风": (
        "飓风刮了三天三夜，塔顶的玻璃全碎了，沈砚把半帆的旧船帆拆下来钉在窗框上，才保住了灯芯。",
        "阿螺从浪里拖回一个小兵，名叫田七，今年十六，腰里别着一支竹笛，吐完了水就要吹给她听。",
        "风停之后，渡船只剩一截桅杆漂在湾里，老麦不见了，他的烟袋卡在石缝中间。",
    ),
    "田七": (
        "田七压低了嗓子说，陶知盐定在十五的夜里放火烧掉盐仓，到时候什么凭据都成了灰。",
        "三娘给田七缝了一件夹袄，让他磕了三个头，从此认作干儿子，半帆里添了一副碗筷。",
        "沈砚拆开铜怀表修游丝，后盖的夹层里掉出一片薄薄的铁，齿口分明，正是那第三把钥匙。",
    ),
    "地窖": (
        "哑伯挪开十七只油桶，墙根现出一扇矮门，钥匙转了两圈，一股霉气从灯塔底下涌上来。",
        "地窖的木匣里放着一封没有寄出的信，是父亲写给巡抚的，信里还夹着从日志上扯下来的那一页。",
        "信上写得明白：阿螺的娘并不是淹死的，她认得盖印的人，被灌了药卖到南洋的船上去了。",
    ),
    "盐仓": (
        "十五那夜盐仓果然起了火，全岛的人披着湿棉被往里冲，用海水和沙子压了两个更次，抢出一大半。",
        "老麦竟然没有死。他抱着一块船板漂到鸥岛，靠生嚼牡蛎和接雨水撑过了九天，赶回来堵住了码头。",
        "火光里众人看清了，陶知盐身边那位师爷白先生右脚是跛的，他袖中滚出一枚小印，正是那只缺脚的鹤。",
    ),
    "潮灯": (
        "巡抚的船靠岸那天，税又降回三成，白先生戴着木枷被押去充军，陶知盐革了职，永不叙用。",
        "沈砚留下来守塔，把灯罩换成了整块的水晶，又在门楣上刻了两个字，从此人人都管它叫潮灯。",
        "阿螺要下南洋去找母亲。临上船时沈砚把那只铜怀表放进她手里，表已经走了，滴答滴答。",
    ),
}

# What a reader asks, and by chapter and scene which passage tells it.
QUESTIONS = (
    ("沈砚回到岛上坐的是谁的船？", 0, 0),
    ("摆渡的老麦是怎么丢了手指的？", 0, 1),
    ("灯塔一共有几把钥匙，分别在谁那里？", 0, 2),
    ("哑伯不能说话，他怎么跟别人交谈？", 1, 0),
    ("守塔的人晚上什么时辰要给灯加油？", 1, 1),
    ("父亲的日志缺了最后一页，上面还能看出什么字？", 1, 2),
    ("三娘那家酒馆的招牌是用什么做的？", 2, 0),
    ("喝了顾三娘酿的酒会梦到什么？", 2, 1),
    ("陶知盐来了之后盐税涨到多少？", 2, 2),
    ("阿螺潜水能憋气多长时间？", 3, 0),
    ("阿螺为什么那么怕狗？", 3, 2),
    ("他们是怎样把沉在水里的铁箱打捞上来的？", 4, 0),
    ("铁箱里面到底装了些什么东西？", 4, 1),
    ("账册上拿什么记号表示经手的人？", 4, 2),
    ("官兵来搜查的时候，账册藏在什么地方？", 5, 0),
    ("沈砚为什么要把灯塔熄掉？", 5, 2),
    ("沈砚的爹年轻时做的是什么行当？", 6, 1),
    ("长庚号出事那天夜里是谁在掌舵？", 6, 2),
    ("大风把灯塔的玻璃打破以后，沈砚拿什么挡风？", 7, 0),
    ("被救上来的小兵会什么乐器？", 7, 1),
    ("盐仓会在哪一天被人烧掉？是谁走漏的消息？", 8, 0),
    ("怀表里面藏着什么秘密？", 8, 2),
    ("地窖的入口在哪儿，被什么挡住了？", 9, 0),
    ("阿螺的母亲是真的淹死了吗？", 9, 2),
    ("老麦落水失踪后吃什么活了下来？", 10, 1),
    ("鹤印的主人究竟是哪一个？", 10, 2),
    ("沈砚最后给灯塔起了个什么名字？", 11, 1),
    ("阿螺出海寻亲，沈砚送了她什么？", 11, 2),
)

# What has nothing to do with any novel here.
UNRELATED = ("你好", "谢谢！", "在吗？", "hello", "Write a haiku about Kubernetes.", "帮我写一个 Python 快速排序。")


def _words(text: str) -> list[str]:
    return text.split()


_SLOTS = {
    "时": _words(
        "天刚亮 傍晚 后半夜 晌午 雨停以后 起雾的早晨 月亮升起来的时候 第二天一早 入秋以后 过了子时 年关将近 涨潮之前 "
    ),
    "处": _words(
        "码头 渡口 山门外 客栈二楼 祠堂后面 城墙根下 竹林边 河湾里 钟楼底下 染坊 旧书铺 马厩 茶棚 "
        "校场 药铺 船舱里 石桥上 菜园 "
    ),
    "物": _words(
        "一盏油灯 一封旧信 半块玉佩 一把铜钥匙 两卷画轴 一只木匣 一支竹笛 一把断刀 一坛黄酒 一张海图 "
        "一枚戒指 一面铜镜 一只香炉 一卷经书 "
    ),
    "感": _words(
        "心里空落落的 半天没有说话 只觉得背上发凉 忽然笑了起来 眼眶有些发热 手心里全是汗 叹了一口气 "
        "想起了许多旧事 觉得这话里有话 "
    ),
    "景": _words(
        "海风一阵紧似一阵 檐下的水滴个不停 远处传来几声狗叫 炉子里的火快要灭了 云压得很低 "
        "街上一个人也没有 灯影在墙上晃来晃去 潮水退到了礁石外面 树叶落了一地 鸡叫了头一遍 "
    ),
    "事": _words(
        "修补渔网 盘点货仓 擦拭兵器 抄写账目 给马添料 晾晒药材 收拾行李 劈柴烧水 缝补衣裳 打听消息 守着炉火 清理水井 "
    ),
    "数": _words("两 三 四 五 六 七 八 九 十 十二 二十 三十 "),
    "职": _words("掌柜 师爷 船老大 账房先生 铁匠 守门人 郎中 捕头 挑夫 说书人 镖师 知县 绸商 渔夫 "),
    "料": _words("沉船的木板 老槐木 青石 旧门板 竹片 铜皮 烧焦的房梁 "),
    "料理": _words("晒干的菊花 陈皮 桂花 枸杞 药草 梅子 "),
}
_FILLER = (
    "{时}，{景}。",
    "{人}从{处}走过来，{感}。",
    "“你还记得那一年的事吗？”{人}问。",
    "他没有回答，低头去{事}。",
    "{景}，她站在{处}，{感}。",
    "屋里的人都不作声，只有她还在{事}。",
    "“这件事急不得，”他说，“先等{数}天再看。”",
    "他把{物}放在桌上，又慢慢收了回去。",
    "走到{处}的时候，{景}。",
    "{人}说起从前在{处}的日子，{感}。",
    "他们在{处}坐了一会儿，谁也不愿意先开口。",
    "{时}，他照旧在{处}{事}。",
    "“路上小心，”她说完，转身进了{处}。",
    "那天的饭吃得很慢，{景}。",
    "他点点头，心想这样也好。",
    "消息传得很快，不到{数}个时辰，{处}的人就都知道了。",
    "她捧着一碗热茶，看{景}，{感}。",
    "没有人知道她在想什么，连她自己也未必知道。",
)
_SCENES = (
    "{时}，{人}搭{别人}的船回到{地}，怀里揣着{物}。",
    "{人}的右手少了{数}根手指，说是早年在{处}叫绳子绞断的。",
    "{地}的库房有{数}把钥匙，一把在{人}身上，一把给了{别人}。",
    "{人}的酒馆开在{处}，招牌是{料}做的，老远就能看见。",
    "{人}酿的酒里放了{料理}，喝多的人会说梦话。",
    "{别人}当着众人宣读告示，{地}的税改成{数}成，月底缴清。",
    "{人}水性极好，能在水里待上{数}口茶的工夫。",
    "{人}把{物}藏进{处}的缸底下，上面压了石头。",
    "箱子打开了，里面没有银子，只有{物}，用油布裹着。",
    "{人}从前是{职}，后来不知为什么去了{地}。",
    "船沉的那天晚上，掌舵的是{人}，{别人}在岸上看得清清楚楚。",
    "大风刮了{数}天，{人}用旧帆布钉住了窗户。",
    "{别人}打算在初{数}的夜里放火烧掉{处}的粮仓。",
    "{人}拆开{物}，夹层里掉出一张字条。",
    "{人}的母亲不是病死的，是叫{别人}卖到外乡去了。",
    "{人}在荒滩上靠{料理}和雨水活了{数}天，才被{别人}找到。",
    "{别人}袖子里滚出一枚小印，众人这才认出他就是那个{职}。",
    "临别的时候，{人}把{物}送给了{别人}，两个人都没有哭。",
    "{人}怕狗，小时候在{处}被咬过一回。",
    "灯油要在{时}添一次，{人}从来没有忘过。",
    "{人}不会说话，用手势告诉{别人}，东西在{处}。",
    "官兵搜到{处}的时候，{人}已经带着{物}走了{数}里路。",
)
_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋韩杨朱秦许何吕张孔曹严金魏陶姜谢邹苏潘葛范彭鲁韦马苗方"
_GIVEN = "文武青云山川秋月春雪石松柏清远平安长生子明大年小满阿福铁牛玉兰素心怀瑾若水"
_PLACES = "江海湖山河沙石柳梅枫"
_PLACE_KINDS = "镇城岛村湾堡驿渡"


@dataclass(frozen=True)
class Question:
    """What a reader asks, and texts of which a passage with the answer contains one."""

    text: str
    answers: tuple[str, ...]


def novel() -> list[Document]:
    """The twelve chapters: 72 passages, of which 36 hold a scene."""
    dice = random.Random(7)
    people = ["沈砚", "老麦", "哑伯", "三娘", "阿螺", "田七", "陶知盐"]
    documents = []
    for order, (title, scenes) in enumerate(CHAPTERS.items(), 1):
        places = sorted(dice.sample(range(_PASSAGES_PER_CHAPTER), len(scenes)))
        texts = [
            _passage(dice, people, "雾角岛", scenes[places.index(at)] if at in places else "")
            for at in range(_PASSAGES_PER_CHAPTER)
        ]
        name = f"第{order}章 {title}"
        documents.append(Document(id=f"chapter-{order}", title=name, order=order, text="\n".join(texts)))
    return documents


def questions() -> list[Question]:
    """What is asked of the novel."""
    scenes = list(CHAPTERS.values())
    return [Question(text, (scenes[chapter][scene],)) for text, chapter, scene in QUESTIONS]


def others(passages: int) -> list[Document]:
    """Chapters of other novels, so many passages together."""
    dice = random.Random(11)
    documents: list[Document] = []
    left = passages
    while left > 0:
        people = [dice.choice(_SURNAMES) + "".join(dice.sample(_GIVEN, dice.choice((1, 1, 2)))) for _ in range(6)]
        place = dice.choice(_PLACES) + dice.choice(_PLACES) + dice.choice(_PLACE_KINDS)
        for order in range(1, 13):
            count = min(left, _PASSAGES_PER_CHAPTER)
            if not count:
                break
            texts = [
                _passage(dice, people, place, _filled(dice, dice.choice(_SCENES), people, place)) for _ in range(count)
            ]
            number = len(documents)
            title = f"第{order}章 {place}{dice.choice(_SLOTS['时'])}"
            documents.append(Document(id=f"other-{number}", doc_type="archive", title=title, text="\n".join(texts)))
            left -= count
    return documents


def _passage(dice: random.Random, people: list[str], place: str, scene: str) -> str:
    """A scene somewhere in prose, as long as a passage."""
    sentences: list[str] = [scene] if scene else []
    while True:
        sentence = _filled(dice, dice.choice(_FILLER), people, place)
        if sum(map(len, sentences)) + len(sentence) > _PASSAGE_CHARS:
            break
        sentences.insert(dice.randrange(len(sentences) + 1), sentence)
    return "".join(sentences)


def _filled(dice: random.Random, template: str, people: list[str], place: str) -> str:
    one, other = dice.sample(people, 2)
    chosen = {name: dice.choice(words) for name, words in _SLOTS.items()}
    return template.format(人=one, 别人=other, 地=place, **chosen)
