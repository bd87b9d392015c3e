// Chats about words, and short texts to write: translations, opposites, three things of a kind, a sentence, a story.
#include "corpus/chat_tables.h"

namespace minke::corpus {
namespace {

constexpr std::string_view kTranslations[][2] = {
    {"water", "水"},    {"fire", "火"},     {"house", "房子"},  {"tree", "树"},      {"flower", "花"},
    {"sun", "太阳"},    {"moon", "月亮"},   {"star", "星星"},   {"sea", "海"},       {"mountain", "山"},
    {"river", "河"},    {"rain", "雨"},     {"snow", "雪"},     {"wind", "风"},      {"cat", "猫"},
    {"dog", "狗"},      {"bird", "鸟"},     {"fish", "鱼"},     {"horse", "马"},     {"whale", "鲸鱼"},
    {"apple", "苹果"},  {"bread", "面包"},  {"rice", "米饭"},   {"milk", "牛奶"},    {"tea", "茶"},
    {"egg", "鸡蛋"},    {"book", "书"},     {"school", "学校"}, {"teacher", "老师"}, {"friend", "朋友"},
    {"mother", "妈妈"}, {"father", "爸爸"}, {"child", "孩子"},  {"hand", "手"},      {"eye", "眼睛"},
    {"door", "门"},     {"window", "窗户"}, {"table", "桌子"},  {"chair", "椅子"},   {"bed", "床"},
    {"train", "火车"},  {"ship", "船"},     {"city", "城市"},   {"winter", "冬天"},  {"today", "今天"},
    {"red", "红色"},    {"green", "绿色"},  {"music", "音乐"},
};

// No word stands here twice, and none has a second opposite here.
constexpr std::string_view kOpposites[][4] = {
    {"big", "small", "大", "小"},
    {"hot", "cold", "热", "冷"},
    {"long", "short", "长", "短"},
    {"high", "low", "高", "低"},
    {"fast", "slow", "快", "慢"},
    {"new", "old", "新", "旧"},
    {"happy", "sad", "快乐", "悲伤"},
    {"rich", "poor", "富", "穷"},
    {"strong", "weak", "强", "弱"},
    {"clean", "dirty", "干净", "脏"},
    {"wet", "dry", "湿", "干"},
    {"left", "right", "左", "右"},
    {"true", "false", "真", "假"},
    {"up", "down", "上", "下"},
    {"near", "far", "近", "远"},
    {"thick", "thin", "厚", "薄"},
    {"wide", "narrow", "宽", "窄"},
    {"loud", "quiet", "吵", "安静"},
    {"first", "last", "开头", "结尾"},
    {"inside", "outside", "里面", "外面"},
    {"buy", "sell", "买", "卖"},
    {"push", "pull", "推", "拉"},
    {"win", "lose", "赢", "输"},
    {"love", "hate", "爱", "恨"},
    {"laugh", "cry", "笑", "哭"},
    {"friend", "enemy", "朋友", "敌人"},
    {"full", "empty", "满", "空"},
    {"open", "closed", "开", "关"},
    {"day", "night", "白天", "黑夜"},
    {"early", "late", "早", "晚"},
    {"easy", "difficult", "容易", "困难"},
    {"remember", "forget", "记住", "忘记"},
};

// No thing is of two kinds.
const ChatItem kKinds[] = {
    {{{"fruits", "apples|pears|bananas|oranges|cherries|grapes|lemons|plums"},
      {"水果", "苹果|梨|香蕉|橙子|葡萄|草莓|西瓜|桃子"}}},
    {{{"vegetables", "carrots|onions|potatoes|beans|peas|cabbages"}, {"蔬菜", "白菜|萝卜|土豆|黄瓜|茄子|菠菜"}}},
    {{{"colours", "red|blue|green|yellow|white|black|purple|brown"}, {"颜色", "红色|蓝色|绿色|黄色|白色|黑色|紫色"}}},
    {{{"farm animals", "cows|pigs|sheep|hens|goats|horses"}, {"农场里的动物", "牛|猪|羊|鸡|马|鹅"}}},
    {{{"animals of the sea", "whales|dolphins|sharks|seals|crabs|jellyfish"},
      {"海里的动物", "鲸鱼|海豚|鲨鱼|海豹|螃蟹|水母"}}},
    {{{"birds", "owls|sparrows|eagles|crows|swans|parrots"}, {"鸟", "麻雀|老鹰|乌鸦|燕子|鹦鹉|喜鹊"}}},
    {{{"clothes", "shirts|trousers|socks|coats|skirts|gloves"}, {"衣服", "衬衫|裤子|大衣|裙子|毛衣|背心"}}},
    {{{"drinks", "water|milk|tea|coffee|juice|lemonade"}, {"饮料", "牛奶|茶|咖啡|果汁|豆浆|汽水"}}},
    {{{"sports", "football|swimming|tennis|running|skiing|basketball"}, {"运动", "足球|游泳|网球|跑步|滑雪|篮球"}}},
    {{{"musical instruments", "pianos|violins|flutes|drums|guitars|trumpets"},
      {"乐器", "钢琴|小提琴|笛子|鼓|吉他|二胡"}}},
    {{{"tools", "hammers|saws|drills|axes|spades|screwdrivers"}, {"工具", "锤子|锯子|斧头|铲子|钳子|螺丝刀"}}},
    {{{"vehicles", "cars|buses|trains|bicycles|trucks|trams"}, {"交通工具", "汽车|公共汽车|火车|自行车|飞机|地铁"}}},
    {{{"flowers", "roses|tulips|daisies|sunflowers|lilies|violets"}, {"花", "玫瑰|郁金香|菊花|向日葵|百合|荷花"}}},
    {{{"pieces of furniture", "tables|chairs|beds|shelves|sofas|desks"}, {"家具", "桌子|椅子|床|书架|沙发|柜子"}}},
    {{{"things in a school bag", "pencils|notebooks|rulers|erasers|books|pens"},
      {"文具", "铅笔|本子|尺子|橡皮|钢笔|圆规"}}},
    {{{"parts of the body", "arms|legs|hands|feet|ears|eyes"}, {"身体的部位", "胳膊|腿|手|脚|耳朵|眼睛"}}},
};

// Each sentence has the word, and the word of no other row.
const ChatItem kSentences[] = {
    {{{"a cat", "The {|little |old }cat {sleeps|lies|sits} {by the window|on the sofa|in front of the oven}."},
      {"猫", "{小猫|老猫|一只猫}{趴|躺|坐}在{窗台上|沙发上|门口}{睡觉|打盹}。"}}},
    {{{"a dog", "The {|brown |big }dog {runs|plays|waits} {at the gate|in the yard|on the beach}."},
      {"狗", "{小狗|大黄狗}在{院子里|草地上|门口}{跑来跑去|玩球|等主人回家}。"}}},
    {{{"the rain", "The {|warm |cold }rain {falls on the roof|runs down the glass} {all night|all day}."},
      {"雨", "{小雨|春雨|大雨}{打在屋顶上|落在叶子上}，{很好听|空气真新鲜}。"}}},
    {{{"the sea", "The sea is {blue|wild|calm} {today|this morning}, and the waves {sing|shine|roar}."},
      {"大海", "大海{今天很平静|今天很蓝}，浪花{在唱歌|闪闪发光}。"}}},
    {{{"the moon", "The {|full |round }moon {shines above|hangs over|looks down on} the {village|hills|roofs}."},
      {"月亮", "{弯弯的|圆圆的|}月亮{挂在天上|照着村子|照着屋顶}。"}}},
    {{{"the sun",
       "The sun {rises behind|sets behind|shines on} the {hills|fields|roofs}, and it gets {warm|bright|golden}."},
      {"太阳", "太阳{从山后升起来了|落到山后去了}，天边{一片金黄|红红的}。"}}},
    {{{"a tree", "The {|old |tall }tree {gives us shade|has green leaves|is older than my grandfather}."},
      {"树", "{老树|大树}{长满了绿叶|给我们带来阴凉|比爷爷还要老}。"}}},
    {{{"a train", "The {|long |night }train {leaves|arrives} at {noon|eight o'clock|midnight} and is full of people."},
      {"火车", "{长长的|}火车{开进了车站|穿过了隧道}，{车上坐满了人|发出很响的声音}。"}}},
    {{{"a book",
       "{The|This} {|old |thick }book {tells|is a story} {of a long journey|of brave sailors|of far countries}."},
      {"书", "{这本|那本}{旧书|厚书|新书}讲的是{勇敢的水手|很远的国家|一次长长的旅行}。"}}},
    {{{"a school", "The school {begins|opens} at eight, and the children {laugh|sing|run} in the yard."},
      {"学校", "学校{八点开门|很大}，孩子们在操场上{唱歌|玩耍|跑步}。"}}},
    {{{"a bird",
       "The {|little |yellow }bird {sings|builds its nest|looks for seeds} {early in the morning|in spring}."},
      {"鸟", "{小鸟|黄色的小鸟}{清早|春天}{唱着歌|忙着做窝}。"}}},
    {{{"a whale", "The {|great |grey }whale {comes up to breathe|dives deep|sings a long song}."},
      {"鲸鱼", "{大|灰|}鲸鱼{浮上来换气|潜到很深的地方|唱着长长的歌}。"}}},
    {{{"a garden", "In {the|our} garden grow {roses|beans|herbs} and {carrots|tulips|onions}."},
      {"花园", "花园里{开满了玫瑰|种着郁金香}，{蜜蜂飞来飞去|真漂亮}。"}}},
    {{{"bread", "{The bread|Fresh bread} {smells good|tastes best} {in the morning|with butter|when it is warm}."},
      {"面包", "{新鲜的|刚烤好的}面包{真香|又软又香}，{我吃了两块|全家都爱吃}。"}}},
    {{{"a friend", "A {good |true |}friend {helps you|listens to you|shares with you} {when you are sad|on bad days}."},
      {"朋友", "{好|真正的}朋友会在你难过的时候{帮助你|听你说话|陪着你}。"}}},
    {{{"a boat", "The {|small |white }boat {rocks on the waves|crosses the lake|lies in the harbour}."},
      {"小船", "{白色的|}小船{在湖上漂着|停在码头边|慢慢地划过湖面}。"}}},
    {{{"a horse", "The {|black |young }horse {runs over the meadow|eats hay|stands in the stable}."},
      {"马", "{黑马|小马|白马}在草原上{奔跑|吃草}。"}}},
    {{{"the snow", "The {|fresh |deep }snow {covers the roofs|lies on the hills|makes the streets quiet}."},
      {"雪", "{大雪|白雪}{盖住了屋顶|落满了山坡}，{到处都是白的|街上很安静}。"}}},
    {{{"my grandmother", "My grandmother {tells us|knows} {old stories|many songs} and {bakes|makes} {cakes|soup}."},
      {"奶奶", "奶奶{给我们讲故事|教我们唱歌}，还{做好吃的饺子|烤蛋糕}。"}}},
    {{{"music", "Music {makes me happy|fills the house}, and {we dance|everybody claps}."},
      {"音乐", "音乐{让我很高兴|一响起来}，{大家都跳起舞来|我们跟着拍手}。"}}},
};

constexpr std::string_view kHeroes[][2] = {
    {"fox", "狐狸"},    {"rabbit", "兔子"},   {"bear", "熊"},       {"mouse", "老鼠"},
    {"duck", "鸭子"},   {"frog", "青蛙"},     {"hedgehog", "刺猬"}, {"owl", "猫头鹰"},
    {"turtle", "乌龟"}, {"squirrel", "松鼠"}, {"penguin", "企鹅"},  {"monkey", "猴子"},
};

const ChatForms kTranslateEn{
    {"How do you say \"$a\" in Chinese?", "What is the Chinese word for \"$a\"?",
     "Translate the word \"$a\" into Chinese.", "What is \"$a\" in Chinese?", "Which Chinese word means \"$a\"?",
     "I am learning Chinese. What is the word for \"$a\"?", "Please tell me what \"$a\" is in Chinese."},
    "{In Chinese, \"$a\" is $b|The Chinese word for \"$a\" is $b|It is $b in Chinese}."},
    kTranslateZh{{"“$a”用英语怎么说？", "“$a”的英语是什么？", "请把“$a”翻译成英语。", "英语里“$a”怎么说？",
                  "我在学英语，“$a”怎么说？", "请告诉我“$a”的英语单词。"},
                 "{“$a”的英语是“$b”|“$a”用英语说是“$b”|英语里“$a”是“$b”}。"},
    kMeaningZh{{"“$a”是什么意思？", "英语单词“$a”是什么意思？", "请把“$a”翻译成中文。", "“$a”用中文怎么说？",
                "你知道“$a”的意思吗？"},
               "{“$a”的意思是“$b”|“$a”是“$b”的意思|“$a”用中文说是“$b”}。"},
    kOppositeEn{{"What is the opposite of \"$a\"?", "Tell me the opposite of \"$a\".",
                 "Which word is the opposite of \"$a\"?", "Give me the opposite of \"$a\".",
                 "I am looking for the opposite of \"$a\".", "Do you know the opposite of \"$a\"?"},
                "{The opposite of \"$a\" is \"$b\"|It is \"$b\"|The opposite is \"$b\"}."},
    kOppositeZh{{"“$a”的反义词是什么？", "和“$a”相反的词是什么？", "请说出“$a”的反义词。", "你知道“$a”的反义词吗？",
                 "我想知道“$a”的反义词。", "“$a”反过来是什么？"},
                "{“$a”的反义词是“$b”|反义词是“$b”|和“$a”相反的词是“$b”}。"},
    kListEn{{"Name three $a.", "List three $a.", "Tell me three $a, please.", "Can you name three $a?",
             "Give me three examples of $a.", "I need the names of three $a."},
            "{Three $a are |Here are three $a: |}$x, $y and $z."},
    kListZh{{"说出三种$a。", "请列出三种$a。", "你能说出三种$a吗？", "请举出三种$a。", "我想知道三种$a的名字。",
             "告诉我三种$a。"},
            "{三种$a是|三种$a：|比如}$x、$y和$z。"},
    kSentenceEn{
        {"Write one sentence about $a.", "Please write a short sentence about $a.", "Give me one sentence about $a.",
         "Can you write a sentence about $a?", "Say something about $a.", "I need a sentence about $a."},
        "$b"},
    kSentenceZh{{"写一句关于$a的话。", "请用“$a”造一个句子。", "说一句关于$a的话。", "给我写一句有“$a”的话。",
                 "请写一句话，里面要有“$a”。"},
                "$b"},
    kStoryEn{{"Write a very short story about @ $a.", "Tell me a little story about @ $a.",
              "I would like to hear a short story about @ $a.", "Make up a story about @ $a.",
              "Can you tell a story about @ $a?", "Please tell me a story about @ $a in a few sentences."},
             "{Once there was|There was once} a {little|young|clever|shy} $a. {One day|One morning|One evening} it "
             "{found a red ball|lost its way in the fog|heard a strange noise|wanted to see the world}. {In the end|At "
             "last} it {came home happy|made a new friend|fell asleep under the stars|told everybody about it}."},
    kStoryZh{{"写一个关于$a的小故事。", "给我讲一个$a的故事。", "我想听一个关于$a的短故事。", "编一个$a的故事吧。",
              "你能讲一个$a的故事吗？"},
             "从前有一只{可爱的|聪明的|害羞的|年轻的}$a。{有一天|一天早上|一天晚上}，它{捡到一个红皮球|在雾里迷了路|"
             "听见奇怪的声音|想去看看外面的世界}。{最后，它|后来它}{高高兴兴地回了家|交到了新朋友|在星光下睡着了|"
             "把这件事告诉了大家}。"};

}  // namespace

void add_word_families(std::vector<ChatFamily>& families) {
  std::vector<ChatItem> words, meanings, opposites, heroes;
  for (const auto& [en, zh] : kTranslations) {
    words.push_back({{{en, zh}, {zh, en}}});
    meanings.push_back({{{}, {en, zh}}});  // asked in English it would have Chinese in the question
  }
  for (const auto& [en, en_other, zh, zh_other] : kOpposites) {
    opposites.push_back({{{en, en_other}, {zh, zh_other}}});
    opposites.push_back({{{en_other, en}, {zh_other, zh}}});
  }
  for (const auto& [en, zh] : kHeroes) heroes.push_back({{{en, {}}, {zh, {}}}});
  families.push_back({"translation", false, {kTranslateEn, kTranslateZh}, std::move(words)});
  families.push_back({"translation", false, {{}, kMeaningZh}, std::move(meanings)});
  families.push_back({"opposite", false, {kOppositeEn, kOppositeZh}, std::move(opposites)});
  families.push_back({"list", false, {kListEn, kListZh}, {std::begin(kKinds), std::end(kKinds)}});
  families.push_back({"sentence", false, {kSentenceEn, kSentenceZh}, {std::begin(kSentences), std::end(kSentences)}});
  families.push_back({"story", true, {kStoryEn, kStoryZh}, std::move(heroes)});
}

}  // namespace minke::corpus
