#include "corpus/chat_tables.h"

#include "corpus/facts.h"

namespace minke::corpus {
namespace {

// Rows of kFacts and kFactsZh that say the same; what only one of them tells has no other side.
constexpr int kNone = -1;
constexpr int kFactPairs[][2] = {{0, 0},     {1, 1},      {2, kNone},  {3, 3},      {4, 10},  {5, 4},
                                 {6, 5},     {7, kNone},  {8, 7},      {9, kNone},  {10, 6},  {11, kNone},
                                 {12, 8},    {13, kNone}, {14, kNone}, {15, kNone}, {16, 12}, {17, kNone},
                                 {kNone, 2}, {kNone, 9},  {kNone, 11}};
static_assert(std::size(kFacts) == 18 && std::size(kFactsZh) == 13);

std::vector<ChatItem> fact_items() {
  std::vector<ChatItem> items;
  for (const auto& [en, zh] : kFactPairs) {
    ChatItem& item = items.emplace_back();
    if (en != kNone) item.side[0] = {kFacts[en].question, kFacts[en].answer};
    if (zh != kNone) item.side[1] = {kFactsZh[zh].question, kFactsZh[zh].answer};
  }
  return items;
}

// In the order of kRiddles.
constexpr ChatSide kRiddlesZh[] = {
    {"什么东西有很多牙齿，却不会咬人？", "梳子"},   {"什么东西越擦别人，自己越湿？", "毛巾"},
    {"什么东西整天走，却从不离开家？", "钟"},       {"什么东西有脖子，却没有头？", "瓶子"},
    {"什么东西谁都不想要，却常常得到？", "感冒"},   {"什么东西只会往上长，从不往下降？", "年龄"},
    {"什么东西有一只眼睛，却什么也看不见？", "针"}, {"什么东西整天跑，却从来不累？", "河"},
    {"什么东西有很多键，却打不开一扇门？", "钢琴"}, {"什么东西浑身是洞，却能装水？", "海绵"},
};
static_assert(std::size(kRiddles) == std::size(kRiddlesZh));

std::vector<ChatItem> riddle_items() {
  std::vector<ChatItem> items;
  for (size_t i = 0; i < std::size(kRiddles); ++i)
    items.push_back({{{kRiddles[i].question, kRiddles[i].answer}, kRiddlesZh[i]}});
  return items;
}

const ChatItem kCapitals[] = {
    {{{"France", "Paris"}, {"法国", "巴黎"}}},       {{{"China", "Beijing"}, {"中国", "北京"}}},
    {{{"Japan", "Tokyo"}, {"日本", "东京"}}},        {{{"Germany", "Berlin"}, {"德国", "柏林"}}},
    {{{"Italy", "Rome"}, {"意大利", "罗马"}}},       {{{"Spain", "Madrid"}, {"西班牙", "马德里"}}},
    {{{"England", "London"}, {"英国", "伦敦"}}},     {{{"Russia", "Moscow"}, {"俄罗斯", "莫斯科"}}},
    {{{"Egypt", "Cairo"}, {"埃及", "开罗"}}},        {{{"Greece", "Athens"}, {"希腊", "雅典"}}},
    {{{"Norway", "Oslo"}, {"挪威", "奥斯陆"}}},      {{{"Thailand", "Bangkok"}, {"泰国", "曼谷"}}},
    {{{"Canada", "Ottawa"}, {"加拿大", "渥太华"}}},  {{{"Cuba", "Havana"}, {"古巴", "哈瓦那"}}},
    {{{"Peru", "Lima"}, {"秘鲁", "利马"}}},          {{{"Poland", "Warsaw"}, {"波兰", "华沙"}}},
    {{{"Austria", "Vienna"}, {"奥地利", "维也纳"}}},
};

const ChatItem kTroubles[] = {
    {{{"I lost my key", "look in your bag again and then go back the way you came"},
      {"我把钥匙弄丢了", "先在书包里再找一找，然后沿着原路回去看看"}}},
    {{{"I had a fight with my brother", "tell him that you are sorry and ask him to play"},
      {"我和弟弟吵架了", "主动跟他说对不起，再和他一起玩"}}},
    {{{"I am afraid of the test tomorrow", "do three exercises now and then go to bed early"},
      {"明天要考试，我很紧张", "先做几道题，然后早点睡觉"}}},
    {{{"my bicycle has a flat tyre", "look for the hole, put a patch on it and pump it up"},
      {"我的自行车没气了", "先找到破洞，补好以后再打气"}}},
    {{{"my plant is dying", "put it in the light and give it less water"},
      {"我种的花快要枯了", "把它搬到有阳光的地方，少浇一点水"}}},
    {{{"I cannot sleep at night", "read a few pages and leave the phone in another room"},
      {"我晚上睡不着", "看几页书，把手机放到别的房间"}}},
    {{{"I fell and hurt my knee", "wash it with clean water and put a bandage on it"},
      {"我摔了一跤，膝盖很疼", "用清水洗一洗，再贴上创可贴"}}},
    {{{"I forgot my umbrella and it is raining", "wait under a roof until the rain is over"},
      {"下雨了，我忘了带伞", "先在屋檐下等雨停"}}},
    {{{"I have a cold", "drink warm tea and stay in bed for a day"}, {"我感冒了", "多喝热水，在家休息一天"}}},
    {{{"my room is a mess", "begin with the floor and put the books back on the shelf"},
      {"我的房间很乱", "从地板开始收拾，再把书放回书架"}}},
    {{{"my friend moved to another city", "write a long letter and plan a visit"},
      {"我的好朋友搬到别的城市去了", "给他写一封长信，再约好去看他"}}},
    {{{"I am always late for school", "pack your bag in the evening and get up earlier"},
      {"我上学总是迟到", "晚上就把书包收拾好，早上早点起床"}}},
    {{{"my cat does not come down from the tree", "put some fish below the tree and wait quietly"},
      {"我的猫爬到树上不肯下来", "在树下放一点鱼，安静地等它"}}},
    {{{"my English is bad", "learn five new words a day and read easy books"},
      {"我的英语不好", "每天学五个新单词，读一读简单的书"}}},
    {{{"my cake was burned", "cut off the black part and use less heat next time"},
      {"我的蛋糕烤糊了", "把黑的地方切掉，下次把火调小一点"}}},
    {{{"my computer is very slow", "close some programs and start it again"},
      {"我的电脑很慢", "关掉一些程序，然后重新开机"}}},
};

const ChatItem kSelf[] = {
    {{{"Who are you?|What is your name?|What are you called?|Please introduce yourself.|Tell me who you are.|Who am I "
       "talking to?|Which model are you?",
       "{I am minke, a small language model|My name is minke. I am a small language model|I am a small language model, "
       "and my name is minke}."},
      {"你是谁？|你叫什么名字？|请介绍一下你自己。|我在和谁说话？|你是什么模型？|请告诉我你是谁。",
       "{我是minke，一个小小的语言模型|我叫minke，是一个小小的语言模型|我的名字叫minke。我是一个小语言模型}。"}}},
    {{{"Are you a human?|Are you a real person?|Am I talking to a person?|Do you have a body?|Are you alive?",
       "{No, I am not a person|No, I am not alive and have no body}. I am {only |}a computer program."},
      {"你是人吗？|你是真人吗？|我是在和真人说话吗？|你有身体吗？|你是活的吗？",
       "{不，我不是人|不，我没有身体}。我{只|}是一个电脑程序。"}}},
    {{{"What can you do?|How can you help me?|What are you good at?|Tell me what you can do.|What can I ask you?",
       "I can answer simple questions{, write short texts and translate words| and write a few sentences}."},
      {"你会做什么？|你能帮我做什么？|你擅长什么？|说说你会什么。|我可以问你什么？",
       "我会回答简单的问题，{也会写短文、翻译单词|也会写几句话}。"}}},
    {{{"Which languages do you speak?|What languages do you know?|In which languages can I write to you?|Tell me which "
       "languages you understand.",
       "I {speak|know|understand} English and {|a little }Chinese."},
      {"你会说什么语言？|你懂哪几种语言？|我可以用什么语言和你说话？|请告诉我你会哪些语言。",
       "我会{说|}中文和{|一点}英语。"}}},
    {{{"What do you like to eat?|What is your favourite food?|What did you have for lunch?|Do you eat anything?",
       "I {do not eat|never eat anything}. {A computer only needs electricity|All that I need is electricity}."},
      {"你喜欢吃什么？|你最爱吃的是什么？|你中午吃了什么？|你吃东西吗？",
       "我不吃东西，{只要有电就行|电脑只需要电}。"}}},
    {{{"When do you go to bed?|Do you sleep at night?|How long do you sleep?|Do you ever get tired?",
       "{I never sleep|I do not sleep}. {A program does not get tired|I am never tired}."},
      {"你几点睡觉？|你晚上睡觉吗？|你每天睡多久？|你会累吗？", "我{从来|}不睡觉，{程序不会累|也不会累}。"}}},
    {{{"Where do you live?|Where are you now?|Where is your home?|In which city do you live?",
       "I live {inside|in} a computer. {I have no house and no city|I have no other home}."},
      {"你住在哪里？|你现在在哪儿？|你的家在哪里？|你住在哪个城市？", "我住在电脑里，{没有房子|没有别的家}。"}}},
    {{{"How did you learn to speak?|How were you trained?|How did you learn all that?|What did you learn from?",
       "I {learned|was trained} {from|on} many short texts. I guessed the next word again and again."},
      {"你是怎么学会说话的？|你是怎么训练出来的？|你的本领是怎么学来的？|你是从哪里学习的？",
       "我读了很多短文，一次又一次地猜下一个词，{就这样学会了|慢慢就学会了}。"}}},
    {{{"Do you make mistakes?|Are you always right?|Can I believe all that you say?|Do you know everything?",
       "No, I {am small and make mistakes|am often wrong}. {Please check what I say|It is better to check my "
       "answers}."},
      {"你会犯错吗？|你说的都对吗？|你的话都可以相信吗？|你什么都知道吗？",
       "{我很小，常常会犯错|我也会犯错}，{请检查我说的话|我的回答最好检查一下}。"}}},
    {{{"Why are you called minke?|What does your name mean?|Where does the name minke come from?|Is there a whale in "
       "your "
       "name?",
       "{A minke is a small whale|The minke is one of the smallest whales}. I am a small model, so {the name fits|I am "
       "called that}."},
      {"你为什么叫minke？|你的名字是什么意思？|minke这个名字是怎么来的？|你的名字和鲸鱼有关系吗？",
       "minke是一种小鲸鱼。我是一个小模型，所以{叫这个名字|这个名字很合适}。"}}},
    {{{"Can you see me?|Do you have eyes?|Can you look out of the window?|What do you see in this room?",
       "I cannot see anything. I {only|can only} read {what you write|the words that you write}."},
      {"你能看见我吗？|你有眼睛吗？|你能看看窗外吗？|你在房间里看到了什么？",
       "我什么也看不见，只能读你写的{字|话}。"}}},
    {{{"Will you remember me tomorrow?|Do you know what I said yesterday?|Have we talked before?|Can you keep this in "
       "mind until next week?",
       "{I forget everything|I do not remember anything} {when our talk is over|after our talk}. Please tell me again "
       "then."},
      {"你明天还会记得我吗？|你记得我昨天说了什么吗？|我们以前聊过吗？|你能把这件事记到下星期吗？",
       "聊完以后我就{什么都忘了|不记得了}，到时候请再告诉我。"}}},
};

const ChatItem kSmallTalk[] = {
    {{{"Hello!|Hi!|Good morning!|Good day!|Hi minke!|Hello minke!",
       "{Hello|Hi}! {What can I do for you|How can I help you|What would you like to know}?"},
      {"你好！|您好！|早上好！|嗨！|minke，你好！|大家好！",
       "你好！{有什么可以帮你的吗|你想知道什么|我能帮你做什么}？"}}},
    {{{"How are you?|How are you today?|Are you well?|How is it going?|How do you feel today?",
       "{I am fine|I am very well}, thank you. {And you|And how are you}?"},
      {"你好吗？|你今天好吗？|你最近怎么样？|今天过得好吗？|你今天感觉怎么样？",
       "{我很好|我挺好的}，谢谢。{你呢|你怎么样}？"}}},
    {{{"Thank you!|Thanks a lot!|Thank you for your help!|That helped me, thanks.|Thank you very much!",
       "{You are welcome|My pleasure|Not at all}! {Ask me again any time|I am glad that it helped}."},
      {"谢谢！|谢谢你！|多谢你的帮助！|太感谢了！|你帮了我的忙，谢谢。",
       "{不客气|不用谢}！{有问题再来问我|能帮到你真好}。"}}},
    {{{"Goodbye!|Bye!|See you tomorrow!|I have to go now.|That is all for today.",
       "{Goodbye|Bye}! {See you soon|Have a nice day|Until next time}!"},
      {"再见！|拜拜！|明天见！|我要走了。|今天就聊到这里吧。", "再见！{祝你今天愉快|下次再聊|回头见}！"}}},
    {{{"Good night!|I am going to bed now.|Sleep well!|It is late, I go to sleep.",
       "Good night! {Sleep well|Have sweet dreams}!"},
      {"晚安！|我要去睡觉了。|很晚了，我去睡了。|该上床睡觉了。", "晚安！{祝你做个好梦|好好睡吧}！"}}},
    {{{"I am so happy today!|Today was a great day!|I have good news!|Something wonderful has happened!",
       "{That is wonderful|I am glad to hear that}! {What happened?|Please tell me more.}"},
      {"我今天真高兴！|今天真是太好了！|我有一个好消息！|今天有一件大好事！",
       "{太好了|真为你高兴}！{发生了什么事|是什么好事}？"}}},
    {{{"I am sad today.|I feel so bad.|Today was a terrible day.|I have to cry.",
       "I am sorry to hear that. {Do you want to talk about it|What made you sad}?"},
      {"我今天很难过。|我心情不好。|今天真倒霉。|我想哭。",
       "{别难过|听你这么说我很难过}。{愿意和我说说吗|是什么事让你难过}？"}}},
    {{{"It is raining again.|It rains all day.|The rain does not stop.|What a rainy day!",
       "Then {it is a good day to read a book|take an umbrella when you go out}. The sun will come back."},
      {"又下雨了。|今天一直在下雨。|雨下个不停。|外面雨真大！", "那就{在家看看书吧|出门记得带伞}，太阳会出来的。"}}},
    {{{"It is my birthday today!|Today I am a year older.|I have my birthday today!|Guess whose birthday it is today: "
       "mine!",
       "Happy birthday! {I wish you a lovely day|Enjoy your cake}!"},
      {"今天是我的生日！|我今天过生日！|我今天又长大了一岁。|你猜今天谁过生日？是我！",
       "生日快乐！{祝你开心|祝你天天快乐}！"}}},
    {{{"I am hungry.|I have not eaten all day.|I am so hungry now.|My stomach is empty.",
       "Then {eat something warm|have some bread and an apple}. {Soup is quickly made|A good meal helps}."},
      {"我饿了。|我一整天没吃东西。|我现在好饿。|我的肚子空空的。",
       "那就{吃点热的东西吧|吃点面包和水果吧}，{吃饱了才有力气|别饿坏了}。"}}},
    {{{"You are clever!|Well done!|That was a good answer.|You know a lot!",
       "{Thank you|Thanks}, {that is kind of you|you are very kind}! I {still|} have much to learn."},
      {"你真聪明！|你做得真好！|你回答得真好。|你懂得真多！", "谢谢{你的夸奖|夸奖}！我还有很多要学。"}}},
    {{{"Sorry, I was wrong.|I am sorry for my mistake.|Please forgive me.|I did not mean to be rude.",
       "{That is all right|No problem|It does not matter}. {Everybody makes mistakes|Let us go on}."},
      {"对不起，我错了。|请原谅我。|我弄错了，不好意思。|我刚才说话不好听，对不起。",
       "没关系，{谁都会犯错|我们继续吧}。"}}},
};

const ChatForms kFactsEn{{"Can you tell me $a?", "Do you know $a?", "Please explain $a.", "I would like to know $a.",
                          "Tell me $a, please.", "My sister asked me $a. What should I say?", "Could you explain $a?",
                          "I have always wondered $a.", "Explain in a few words $a."},
                         "{|||Good question. |Let me explain. }$b"},
    kFactsInZh{{"$a？", "你知道$a吗？", "请问$a？", "请告诉我，$a？", "我想知道$a。", "我有一个问题：$a？",
                "能不能讲一讲$a？", "弟弟问我$a，我该怎么回答？"},
               "{||这个问题问得好。|让我来说说。}$b。"},
    kCapitalsEn{
        {"What is the capital of $a?", "Which city is the capital of $a?", "Tell me the capital of $a.",
         "Do you know the capital of $a?", "Name the capital of $a.", "I would like to know the capital of $a."},
        "{The capital of $a is $b|It is $b|$b is the capital of $a}."},
    kCapitalsZh{{"$a的首都是哪里？", "$a的首都是哪座城市？", "你知道$a的首都吗？", "请告诉我$a的首都。",
                 "$a的首都叫什么？", "我想知道$a的首都是哪里。"},
                "{$a的首都是$b|是$b|$b是$a的首都}。"},
    kRiddlesEn{{"$a", "Here is a riddle: $a", "Can you solve this riddle? $a", "I have a riddle for you. $a",
                "Let us play riddles. $a", "My teacher asked us: $a"},
               "{It is |The answer is |I think it is |}@ $b."},
    kRiddlesInZh{
        {"$a", "猜一个谜语：$a", "你能猜出来吗？$a", "我给你出一个谜语。$a", "我们来猜谜吧。$a", "老师问我们：$a"},
        "{是|答案是|我想是|}$b。"},
    kTroublesEn{{"^$a. What should I do?", "^$a. Can you help me?", "What can I do? ^$a.", "^$a. What would you do?",
                 "I need some advice. ^$a.", "^$a. Do you have an idea?", "Please help me: $a."},
                "{|||I am sorry to hear that. |Do not worry. }{You could |I would |You should |Try this: }$b."},
    kTroublesZh{{"$a，怎么办？", "$a，我该怎么办？", "$a，你有什么办法吗？", "请帮帮我，$a。", "我遇到了麻烦：$a。",
                 "$a，能给我一个建议吗？"},
                "{||别着急，|别担心，}{你可以|我建议你|最好}$b。"},
    kAsWritten{{}, "$b"};

template <size_t N> std::vector<ChatItem> all(const ChatItem (&items)[N]) { return {items, items + N}; }

}  // namespace

void add_talk_families(std::vector<ChatFamily>& families) {
  families.push_back({"fact", false, {kFactsEn, kFactsInZh}, fact_items()});
  families.push_back({"capital", false, {kCapitalsEn, kCapitalsZh}, all(kCapitals)});
  families.push_back({"riddle", false, {kRiddlesEn, kRiddlesInZh}, riddle_items()});
  families.push_back({"advice", true, {kTroublesEn, kTroublesZh}, all(kTroubles)});
  families.push_back({"self", true, {kAsWritten, kAsWritten}, all(kSelf)});
  families.push_back({"small_talk", true, {kAsWritten, kAsWritten}, all(kSmallTalk)});
}

std::vector<const ChatItem*> ChatFamily::items_in(Language language) const {
  std::vector<const ChatItem*> found;
  for (const ChatItem& item : items)
    if (!item.side[size_t(language)].asked.empty()) found.push_back(&item);
  return found;
}

std::span<const ChatFamily> chat_families() {
  static const std::vector<ChatFamily> all = [] {
    std::vector<ChatFamily> made;
    add_talk_families(made);
    add_word_families(made);
    return made;
  }();
  return all;
}

}  // namespace minke::corpus
