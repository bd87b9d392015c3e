#include "corpus/words.h"

#include <algorithm>

namespace minke::corpus {
namespace {

constexpr Person kEnglish[] = {
    {"Anna", true},  {"Ben", false},   {"Clara", true},  {"Daniel", false}, {"Emma", true},  {"Finn", false},
    {"Grace", true}, {"Henry", false}, {"Iris", true},   {"Jack", false},   {"Kate", true},  {"Leo", false},
    {"Mia", true},   {"Noah", false},  {"Olivia", true}, {"Peter", false},  {"Rosa", true},  {"Sam", false},
    {"Tess", true},  {"Tom", false},   {"Uma", true},    {"Victor", false}, {"Wendy", true}, {"Yusuf", false},
    {"Zoe", true},   {"Max", false},   {"Lily", true},   {"Oscar", false},  {"Nora", true},  {"Eli", false},
    {"Maya", true},  {"Omar", false},  {"Sofia", true},  {"Lucas", false},  {"Ruby", true},  {"Theo", false},
    {"Hana", true},  {"Ivan", false},  {"Priya", true},  {"Diego", false},  {"Amina", true}, {"Kofi", false},
    {"Elsa", true},  {"Hugo", false},  {"Ling", true},   {"Ravi", false},   {"Molly", true}, {"Jonas", false},
    {"Alice", true}, {"Felix", false}, {"Julia", true},  {"Oliver", false}, {"Ella", true},  {"Simon", false},
    {"Nina", true},  {"Paul", false},  {"Vera", true},   {"Milo", false},   {"Daisy", true}, {"Arthur", false},
};

constexpr Person kChinese[] = {
    {"小明", false}, {"小红", true}, {"小刚", false}, {"小丽", true}, {"小华", false}, {"小芳", true},
    {"乐乐", false}, {"朵朵", true}, {"天天", false}, {"豆豆", true}, {"浩浩", false}, {"婷婷", true},
    {"阳阳", false}, {"月月", true}, {"亮亮", false}, {"安安", true}, {"大伟", false}, {"小雨", true},
    {"子轩", false}, {"思雨", true}, {"明轩", false}, {"雨桐", true}, {"志强", false}, {"晓燕", true},
    {"东东", false}, {"甜甜", true}, {"小龙", false}, {"小雪", true}, {"石头", false}, {"苗苗", true},
    {"文文", false}, {"静静", true}, {"康康", false}, {"佳佳", true}, {"小虎", false}, {"小梅", true},
};

constexpr Animal kAnimals[] = {
    {"rabbit", "in a burrow under the hill", "carrots", "squeaked"},
    {"squirrel", "in a hollow oak tree", "nuts", "chattered"},
    {"fox", "in a den by the river", "berries", "barked"},
    {"bear", "in a cave in the forest", "honey", "growled softly"},
    {"mouse", "in a hole behind the barn", "cheese", "squeaked"},
    {"duck", "in a nest near the pond", "bread crumbs", "quacked"},
    {"hedgehog", "under a pile of dry leaves", "apples", "snuffled"},
    {"frog", "in a pond with lilies", "dragonflies", "croaked"},
    {"cat", "in a little house on the farm", "fish", "meowed"},
    {"puppy", "in the kitchen of a farm", "biscuits", "woofed"},
    {"otter", "by a bend of the river", "fish", "chirped"},
    {"badger", "in a set of tunnels in the wood", "roots", "grunted"},
    {"lamb", "on a green meadow", "clover", "bleated"},
    {"owlet", "in a tall pine tree", "seeds and beetles", "hooted"},
    {"hare", "in a field of tall grass", "cabbage", "squeaked"},
    {"pony", "in a stable by the road", "hay", "neighed"},
    {"deer", "at the edge of the forest", "fresh leaves", "snorted"},
    {"goat", "in a shed on the mountain", "fresh grass", "bleated"},
};

constexpr Rule kRules[] = {
    {"happy", "{happy|glad|very happy|so happy|full of joy|cheerful|delighted|proud and happy}"},
    {"sad", "{sad|unhappy|very sad|close to tears|upset|gloomy}"},
    {"scared", "{scared|afraid|frightened|nervous|a little scared}"},
    {"smiled", "{smiled|grinned|laughed|beamed|gave a big smile|nodded and smiled}"},
    {"said", "{said|said|said|told $a_him|replied|answered}"},
    {"kindly", "{kindly|gently|softly|in a warm voice|with a smile|quietly}"},
    {"ran", "{ran|hurried|raced|rushed|walked quickly|skipped}"},
    {"looked", "{looked|searched|hunted}"},
    {"big", "{big|large|huge|great|enormous}"},
    {"small", "{small|little|tiny}"},
    {"nice", "{nice|lovely|beautiful|wonderful|pretty}"},
    {"colour", "{red|blue|green|yellow|purple|orange|white|pink|silver|brown}"},
    {"thanks",
     "{\"Thank you!\" said $a.|\"Thank you so much,\" said $a.|$a said thank you {twice|three times|again and "
     "again}.|$a gave $b a {big|warm|long} hug.|\"You are a true friend,\" $a told $b.}"},
    {"goodend",
     "{That night $a slept {well|soundly|like a stone} and dreamed of {$dream|the day|$dream}.|From that day on, $a "
     "and $b were {the best of friends|good friends|always together}.|They both laughed, and {the sun came out "
     "again|the day felt brand new|nobody was cross any more}.|And $a never forgot that {day|morning|kind help}.|When "
     "{the moon rose|the stars came out|it grew dark}, $a was tired but #happy.|$a could not wait to tell {the whole "
     "story|everyone} {at home|at supper|the next day}.|It was the best day {of the week|of the month|$a could "
     "remember}.|}"},
    {"moral",
     "{|||The end.|And so $a learned that $moral.|$a {learned|understood} something {that day|new|important}: "
     "$moral.|{Remember|So remember}: $moral.}"},
    {"weather",
     "{the sun was shining|the sky was {blue|clear|grey}|it was {warm|windy|cool|foggy|sunny} {outside|}|a "
     "{soft|cold|warm|gentle} wind was blowing|white clouds {drifted|sailed} across the sky|the air smelled of "
     "{flowers|rain|the sea|fresh grass}|the birds were singing}"},
    {"time",
     "{one morning|one afternoon|one day|one {sunny|windy|cloudy|quiet|fine} {morning|afternoon|day}|early one "
     "morning|on {Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday}}"},
    {"thought", "{thought for a {moment|while}|thought hard|scratched $a_his head|closed $a_his eyes and thought}"},
    {"place",
     "{the park|the edge of the forest|the beach|the pond|the river|the old bridge|the village square|the old "
     "mill|the castle wall|the lake}"},
};

}  // namespace

std::span<const Person> english_names() { return kEnglish; }
std::span<const Person> chinese_names() { return kChinese; }
std::span<const Animal> english_animals() { return kAnimals; }
std::span<const Rule> english_rules() { return kRules; }

void bind_person(Expander& e, const PersonKeys& keys, const Person& person) {
  e.set(keys.name, person.name);
  e.set(keys.he, person.female ? "she" : "he");
  e.set(keys.him, person.female ? "her" : "him");
  e.set(keys.his, person.female ? "her" : "his");
  e.set(keys.himself, person.female ? "herself" : "himself");
}

const Person& fresh_person(Expander& e, std::span<const Person> names, std::span<const std::string_view> taken) {
  for (;;) {
    const Person& person = names[e.below(names.size())];
    if (std::find(taken.begin(), taken.end(), person.name) == taken.end()) return person;
  }
}

}  // namespace minke::corpus
