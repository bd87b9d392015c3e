// Dialogues of two speakers, "Name: text" a line: shops, ways, weather, questions about the world, little riddles and
// plans. The sums in them are true and an answer refers to what was asked.
#include "corpus/facts.h"
#include "corpus/genres.h"
#include "corpus/words.h"

namespace minke::corpus {
namespace {

// Lines are "$a: …" and "$b: …".
void shop(Expander& e) {
  const int64_t n = e.between(2, 9), p = e.between(2, 12), cost = n * p, note = cost <= 20 ? 20 : cost <= 50 ? 50 : 200;
  e.set("n", n), e.set("p", p), e.set("c", cost), e.set("m", note), e.set("r", note - cost);
  e.expand("{thing=apples|pears|eggs|rolls|candles|postcards|notebooks|lemons|cups|tulips}");
  e.add(
      "$b: {Good morning|Good afternoon|Hello}! {What can I do for you|How can I help you|What would you like}?\n"
      "$a: {I would like|I need|Could I have} $n $thing, please. How much {are they|is one}?\n"
      "$b: {One costs $p dollars|They are $p dollars each}. $n times $p is $c, so that {makes|is} $c dollars.\n"
      "$a: Here {are|you go, that is} $m dollars.\n"
      "$b: {Thank you|Thanks}. {|Let me see. }");
  if (note == cost) e.add("That is exactly right.\n");
  else e.add("$m minus $c is $r. Here are your $r dollars back.\n");
  e.add(
      "$a: {Thank you|Thanks a lot}. {Have a nice day|Goodbye|See you next week}!\n$b: {You too|Goodbye|See you "
      "soon}!");
}

void way(Expander& e) {
  e.expand(
      "{goal=station|library|harbour|museum|post "
      "office|school|market|hospital}{street=first|second|third}{side=left|right}{mark=bakery|church|fountain|big "
      "tree|bridge|bookshop}");
  const int64_t minutes = e.between(3, 25);
  e.set("n", minutes);
  e.add(
      "$a: Excuse me, {how do I get to the $goal|where is the $goal|can you tell me the way to the $goal}?\n"
      "$b: {Sure|Of course|Yes}. {Go|Walk} straight ahead to the $mark. There you turn $side into the $street street.\n"
      "$a: {So|First} straight on to the $mark and then $side, {is that right|right}?\n"
      "$b: {Exactly|That is right|Yes}. The $goal is {on the $side|at the end of the street}. {You cannot miss it.|It "
      "has @ #colour door.|}\n"
      "$a: {How far is it|Is it far|How long does it take}?\n"
      "$b: About $n minutes on foot.\n"
      "$a: {Thank you very much|Thanks for your help|That is very kind of you}!\n$b: {You are welcome|My pleasure|Not "
      "at all}.");
}

void ask_fact(Expander& e) {
  const Fact& fact = e.pick(kFacts);
  e.set("question", fact.question);
  e.add(
      "$a: {Can you tell me|Do you know|I have a question. Do you know} $question?\n$b: {Yes|Good question|I do|Let me "
      "explain}. ");
  e.add_plain(std::string(fact.answer));
  e.add(
      "\n$a: {Oh, I see|That is interesting|Really? I did not know that|Now I understand}. {Where did you learn "
      "that|How do you know that}?\n"
      "$b: {From a book|My teacher told us|I read it in a book about {nature|science}|My $b_rel is a "
      "{teacher|scientist|sailor}}. "
      "{It is good to ask questions|Ask me again tomorrow|There is always more to learn}.");
  if (e.chance(0.4))
    e.add("\n$a: {Thank you, $b|Thanks for explaining it, $b}!\n$b: {You are welcome|Any time|With pleasure}.");
}

void riddle(Expander& e) {
  const Riddle& r = e.pick(kRiddles);
  const Riddle* wrong = &r;
  while (wrong == &r) wrong = &e.pick(kRiddles);
  e.set("answer", r.answer), e.set("wrong", wrong->answer);
  e.add("$a: {I have a riddle for you|Do you want to hear a riddle|Let us play riddles}. ");
  e.add_plain(std::string(r.question));
  e.add(
      "\n$b: {Hmm|Let me think|That is hard}. {Is it @ $wrong|Could it be @ $wrong}?\n$a: {No|Good idea, but no|Not "
      "quite}. {Try again|One more try|Think again}.\n");
  e.add(e.chance(0.6) ? "$b: {Now I know|Wait, I have it|Aha}! It is @ $answer!\n$a: {Right|Correct|Yes, well done}! "
                        "{Now it is your turn|You are clever}."
                      : "$b: I {give up|do not know}. {What is it|Tell me}?\n$a: It is @ $answer!\n$b: {Of course|Ha, "
                        "that is a good one|I should have known that}!");
}

void plan(Expander& e) {
  e.expand(
      "{day=Saturday|Sunday|Friday|Wednesday}{what=go swimming|fly a kite|visit the museum|bake a cake|see the "
      "whales|build a raft|play chess|go to the market}{reason=I have to help my father|my aunt is coming|I have a "
      "piano lesson|I must learn for a test}");
  const int64_t hour = e.between(1, 8), shift = e.between(1, 3);
  e.set("h", hour), e.set("h2", hour + shift), e.set("s", shift);
  e.set("hours", shift == 1 ? "hour" : "hours");
  e.add(
      "$a: {Hi|Hello|Hey}, $b! Do you want to $what on $day?\n"
      "$b: {I would love to|That sounds great|Good idea}! {When|At what time}?\n"
      "$a: At $h o'clock?\n"
      "$b: {That is too early, because|Sorry, at that time} $reason. Can we meet $s $hours later?\n"
      "$a: {Sure|No problem|All right}. Then we meet at $h2 o'clock. {Where|At which place}?\n"
      "$b: {In front of the {library|station|school}|At #place|At my house}. {Shall I bring something|What should I "
      "bring}?\n"
      "$a: {Bring {some water|a warm jacket|your good mood|something to eat}, please|No, I have everything}.\n"
      "$b: {Great|Fine}, see you on $day!\n$a: {See you|Until then|I am looking forward to it}!");
}

void comfort(Expander& e) {
  e.expand(
      "{{why=I lost my key}{tip=look in your bag again and then go back the way you came}|{why=I had a fight with my "
      "brother}{tip=tell him that you are sorry and ask him to play}|{why=I am afraid of the test tomorrow}{tip=do "
      "three exercises now and then go to bed early}|{why=my bicycle is broken}{tip=turn it over, and we look at the "
      "chain together}|{why=my plant is dying}{tip=put it in the light and give it less water}|{why=I cannot sleep at "
      "night}{tip=read a few pages and leave the phone in another room}|{why=I fell and hurt my knee}{tip=wash it with "
      "clean water and put a bandage on it}}");
  e.add(
      "$b: {What is the matter, $a?|You look #sad, $a.|Is something wrong, $a?}\n"
      "$a: {It is|It has been} a bad day. ^$why.\n"
      "$b: Oh, {I am sorry to hear that|that is a pity}. {May I make a suggestion|Shall I tell you what I would do}?\n"
      "$a: {Please|Yes, please|Yes}.\n"
      "$b: {I would say: |My idea is this: |}$tip.\n"
      "$a: {That may work|I have not thought of that|You are right}. I will try it {right away|tonight|as soon as I "
      "can}.\n"
      "$b: {Good|Do that|Fine}. And {tell me how it went|call me when you need me}.\n"
      "$a: {Thank you, $b|I feel better already|You are a good friend}.");
}

void shop_zh(Expander& e) {
  const int64_t n = e.between(2, 9), p = e.between(2, 12), cost = n * p, note = cost <= 20 ? 20 : cost <= 50 ? 50 : 200;
  e.set("n", n), e.set("p", p), e.set("c", cost), e.set("m", note), e.set("r", note - cost);
  e.expand(
      "{{g=苹果}{u=斤}|{g=香蕉}{u=斤}|{g=鸡蛋}{u=斤}|{g=本子}{u=个}|{g=杯子}{u=个}|{g=毛巾}{u=条}|{g=铅笔}{u=支}|{g="
      "西红柿}{u=斤}}");
  e.add(
      "$b：{您好|欢迎光临}，{请问您要买什么|您需要什么}？\n$a：{你好，|}我想买$n$u$g。多少钱一$u？\n$b：$p元一$u，$n$"
      "u一共$c元。\n$a：给你$m元。\n");
  e.add(note == cost ? "$b：正好，谢谢！\n" : "$b：收您$m元，找您$r元，{请拿好|请数一数}。\n");
  e.add("$a：谢谢，再见！\n$b：{再见|欢迎下次再来|慢走}！");
}

void way_zh(Expander& e) {
  e.expand("{goal=火车站|图书馆|医院|邮局|博物馆|学校|超市|公园}{side=左|右}{mark=红绿灯|十字路口|银行|书店|大桥}");
  e.set("n", e.between(3, 25));
  e.add(
      "$a：{请问|你好，请问}，{去$goal怎么走|$goal在哪里}？\n$b：{从这里|}一直往前走，到$mark以后往$side拐。\n$a：{"
      "远不远|要走多久}？\n$b：{不远，|}走路大约$n分钟。\n"
      "$a：就是一直走到$mark，然后往$side拐，对吗？\n$b：{对|没错}，$goal就在{路边|马路对面|你的$side边}。\n$a：{"
      "太感谢了|谢谢你|非常感谢}！\n$b：{不客气|不用谢}。");
}

void ask_fact_zh(Expander& e) {
  const Fact& fact = e.pick(kFactsZh);
  e.set("question", fact.question), e.set("answer", fact.answer);
  e.add(
      "$a：{$b，|}{你知道$question吗|我有一个问题，$question|请问$question}？\n$b：{我知道|这个问题问得好|让我想想}。$"
      "answer。\n$a：{原来是这样|哦，我明白了|真有意思}！{你是怎么知道的？|你懂得真多，是谁告诉你的？}\n"
      "$b：{我是从书上看到的|老师上课讲过|爸爸告诉我的}。{有问题就要多问|我们一起多看书吧}。");
}

void plan_zh(Expander& e) {
  e.expand(
      "{day=星期六|星期天|明天|后天}{what=去爬山|去游泳|去放风筝|去看电影|一起包饺子|去动物园|去海边看鲸鱼|下棋}{"
      "reason=我要帮妈妈做家务|我有钢琴课|我要写作业|我要去看奶奶}");
  const int64_t hour = e.between(1, 5), shift = e.between(1, 3);
  constexpr std::string_view kHours[] = {"", "一", "两", "三", "四", "五", "六", "七", "八"};
  e.set("h", kHours[hour]), e.set("s", shift == 2 ? "两" : kHours[shift]), e.set("h2", kHours[hour + shift]);
  e.add(
      "$a：$b，$day{有空吗|你有时间吗}？我们{一起|}$what吧。\n$b：好啊！几点？\n$a：下午$h点怎么样？\n$"
      "b：不行，那个时候$reason。晚$s个小时可以吗？\n$a：可以，那就$h2点。{在哪里见面|我们在哪儿碰头}？\n"
      "$b：在{学校门口|公园门口|车站|我家楼下}吧。{要带什么东西吗|我要带点什么吗}？\n$a：{带一瓶水就行|什么都不用带|"
      "带件外套吧，晚上有点冷}。\n$b：好，{$day见|不见不散}！");
}

void comfort_zh(Expander& e) {
  e.expand(
      "{{why=我把钥匙弄丢了}{tip=先在书包里再找一找，然后沿着原路回去看看}|{why=我和弟弟吵架了}{tip="
      "主动跟他说对不起，再和他一起玩}|{why=明天要考试，我很紧张}{tip=先做几道题，然后早点睡觉}|{why=我种的花快要枯了}{"
      "tip=把它搬到有阳光的地方，少浇一点水}|{why=我的自行车坏了}{tip=把车翻过来，我们一起看看链条}|{why="
      "我摔了一跤，膝盖很疼}{tip=用清水洗一洗，再贴上创可贴}}");
  e.add(
      "$b：{$a，你怎么了|$a，你看起来不太高兴}？\n$a：{今天真倒霉，|唉，}$why。\n$b：{别难过|别着急|没关系}，{"
      "我有一个办法|听我说}：$tip。\n$a：{有道理|我怎么没想到呢|好主意}，{我现在就去试试|我这就去做}。\n"
      "$b：{要我陪你一起去吗？|需要帮忙就告诉我！}\n$a：{谢谢你|有你真好}！");
}

void bind_speakers(Expander& e, std::span<const Person> names) {
  const Person& a = fresh_person(e, names, {});
  const std::string_view taken[] = {a.name};
  bind_person(e, kHero, a);
  bind_person(e, kFriend, fresh_person(e, names, taken));
}

}  // namespace

std::string dialogue_en(Rng rng) {
  Expander e(rng, english_rules());
  bind_speakers(e, english_names());
  e.expand("{b_rel=mother|father|aunt|uncle|sister}");
  constexpr void (*kTopics[])(Expander&) = {shop, way, ask_fact, ask_fact, riddle, plan, comfort};
  e.pick(kTopics)(e);
  return tidy(e.take());
}

std::string dialogue_zh(Rng rng) {
  Expander e(rng);
  bind_speakers(e, chinese_names());
  constexpr void (*kTopics[])(Expander&) = {shop_zh, way_zh, ask_fact_zh, ask_fact_zh, plan_zh, comfort_zh};
  e.pick(kTopics)(e);
  return tidy(e.take());
}

}  // namespace minke::corpus
