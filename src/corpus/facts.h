// What the built-in text knows about the world: questions with answers, and riddles. Dialogues (dialogues.cpp) and chats
// (chats.h) tell the same, so that a fact that is asked in one was read in the other. A row that changes changes the text of
// dialogues, which is not to happen without another kCorpusVersion.
#pragma once
#include <string_view>

namespace minke::corpus {

// English: "Do you know QUESTION?", and whole sentences. Chinese: "QUESTION？", and a sentence without its full stop.
struct Fact {
  std::string_view question, answer;
};

inline constexpr Fact kFacts[] = {
    {"why the sky is blue",
     "Sunlight has all colours in it. The air scatters the blue light much more than the red, so blue comes to us from "
     "all sides."},
    {"how a whale breathes",
     "A whale has lungs like us. It comes up, blows out the old air through the hole on its head and takes a deep "
     "breath."},
    {"what a minke whale is",
     "It is one of the smallest baleen whales, about eight metres long. It filters small fish and krill out of the "
     "water."},
    {"why the moon changes its shape",
     "The moon is always round. We only see the part that the sun lights up, and that part changes while the moon "
     "travels around the earth."},
    {"why we have seasons",
     "The axis of the earth is tilted. In summer our half leans towards the sun and gets more light; in winter it "
     "leans away."},
    {"how a rainbow is made",
     "Drops of rain bend the sunlight and split it into its colours. You see it when the sun is behind you."},
    {"why ice floats",
     "Water gets bigger when it freezes. So ice is lighter than the same amount of water, and it swims on top."},
    {"how bees make honey",
     "They collect sweet juice from flowers, carry it home and fan it with their wings until it is thick."},
    {"why leaves turn red in autumn",
     "The tree takes the green out of the leaves before winter. The yellow and red that were hidden can be seen then."},
    {"how far away the sun is",
     "About 150 million kilometres. Its light needs a little more than eight minutes to reach us."},
    {"why the sea is salty",
     "Rain washes salt out of the stones, and the rivers carry it to the sea. The water rises into the air again, but "
     "the salt stays."},
    {"how plants eat",
     "They use sunlight to make sugar out of water and air. The roots bring the water and the leaves catch the light."},
    {"what thunder is",
     "Lightning makes the air so hot that it bursts apart. The noise of that is thunder. Light is faster than sound, "
     "so you see it first."},
    {"why cats can see at night",
     "Their eyes open very wide, and behind the eye there is a layer like a mirror that uses the light twice."},
    {"how a boat of iron can swim",
     "It pushes away as much water as it weighs. It is hollow, so it can push away a lot of water before it goes "
     "under."},
    {"what the tide is",
     "The moon pulls at the water of the sea. That is why the water rises and falls about twice a day."},
    {"how a computer counts",
     "It knows only two signs, zero and one. Three is written as 11, four as 100 and five as 101."},
    {"why birds fly south",
     "In winter there is little food in the north. In the south it is warm, and they find insects and seeds."},
};

inline constexpr Fact kFactsZh[] = {
    {"天空为什么是蓝色的", "阳光里有很多种颜色，空气最容易把蓝光散射开来，所以天空看起来是蓝色的"},
    {"鲸鱼怎么呼吸", "鲸鱼和我们一样用肺呼吸，它要浮到水面上，用头顶的鼻孔换气"},
    {"须鲸吃什么", "须鲸没有牙齿，它用鲸须把小鱼和磷虾从海水里过滤出来吃"},
    {"月亮为什么有圆有缺", "月亮绕着地球转，我们只能看见被太阳照亮的那一部分，所以看起来有圆有缺"},
    {"彩虹是怎么来的", "阳光照在空中的小水滴上，被分成了七种颜色，就成了彩虹"},
    {"冰为什么浮在水上", "水结成冰以后体积变大，同样大小的冰比水轻，所以会浮起来"},
    {"海水为什么是咸的", "雨水把石头里的盐冲进河里，河水又流进大海，水蒸发了，盐留了下来"},
    {"树叶为什么会变黄", "秋天天气变冷，叶子里的绿色素减少了，黄色就露出来了"},
    {"为什么先看见闪电，后听见雷声", "因为光跑得比声音快得多"},
    {"小蝌蚪长大变成什么", "小蝌蚪先长出后腿，再长出前腿，尾巴慢慢消失，就变成了青蛙"},
    {"一年为什么有四季", "地球是斜着身子绕太阳转的，有时候这一边对着太阳多一些，有时候少一些，所以有四季"},
    {"为什么要多喝水", "我们的身体大部分是水，出汗的时候会失去水，所以要及时补充"},
    {"计算机怎么数数", "计算机只认识0和1，三写成11，四写成100"},
};

// The answer is a noun that takes the article a or an.
struct Riddle {
  std::string_view question, answer;
};
inline constexpr Riddle kRiddles[] = {
    {"What has teeth but cannot bite?", "comb"},    {"What gets wetter the more it dries?", "towel"},
    {"What has hands but cannot clap?", "clock"},   {"What has a neck but no head?", "bottle"},
    {"What can you catch but not throw?", "cold"},  {"What goes up and never comes down?", "person's age"},
    {"What has one eye but cannot see?", "needle"}, {"What runs all day but never gets tired?", "river"},
    {"What has keys but opens no door?", "piano"},  {"What is full of holes and still holds water?", "sponge"},
};

}  // namespace minke::corpus
