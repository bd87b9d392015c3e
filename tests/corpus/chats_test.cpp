#include "corpus/chats.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "corpus/chat_source.h"
#include "corpus/chat_tables.h"
#include "corpus/corpus.h"

namespace minke {
namespace {

constexpr Language kLanguages[] = {Language::english, Language::chinese};

bool has_han(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return uint8_t(c) >= 0xE4 && uint8_t(c) <= 0xE9; });
}

// The writer of JSON throws where it is not.
bool is_utf8(const std::string& text) {
  try {
    return !Json(text).dump().empty();
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

int sentences(std::string_view text) {
  int n = 0;
  for (const std::string_view mark : {".", "!", "?", "。", "！", "？"})
    for (size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + 1)) ++n;
  return n;
}

TEST(Chats, TextIsCleanAndOfItsLanguage) {
  for (const Language language : kLanguages)
    for (const TaskSplit split : {TaskSplit::train, TaskSplit::test}) {
      std::map<std::string, int> families;
      for (uint64_t i = 0; i < 4000; ++i) {
        const Chat c = make_chat(3, i, language, split);
        ++families[c.family];
        ASSERT_EQ(c.language, language);
        ASSERT_EQ(split_of(c.canonical), split);
        const std::string both = c.question + "\n" + c.answer;
        ASSERT_TRUE(is_utf8(both)) << both;
        ASSERT_GT(c.answer.size(), 5u) << both;
        ASSERT_GE(sentences(c.answer), 1) << both;
        ASSERT_LE(sentences(c.answer), 4) << both;
        for (const char* bad : {"$",  "{",  "}",  "#",  "|",    "@",    "^",    "  ",   " .",   " ,",   "..",  "?.",
                                "!.", ".?", " ?", " !", "，，", "。。", "？。", "！。", "，。", "：。", "？？"})
          ASSERT_EQ(both.find(bad), both.npos) << bad << " in: " << both;
        for (size_t p = both.find(" a "); p != both.npos; p = both.find(" a ", p + 1))
          ASSERT_EQ(std::string_view("aeio").find(both[p + 3]), std::string_view::npos) << both;
        const bool english = language == Language::english;
        ASSERT_EQ(has_han(c.question), !english) << both;
        const bool has_word = english && c.family == "translation";
        ASSERT_EQ(has_han(c.answer), !english || has_word) << both;
        ASSERT_TRUE(!english || c.answer[0] < 'a' || c.answer[0] > 'z') << both;
        ASSERT_TRUE(!english || std::string_view(".!?").find(c.answer.back()) != std::string_view::npos) << both;
      }
      EXPECT_EQ(families.size(), chat_family_names().size());
      for (const auto& [family, n] : families) EXPECT_GT(n, split == TaskSplit::train ? 200 : 40) << family;
    }
}

TEST(Chats, AChatIsAPureFunctionOfItsNumber) {
  const Chat a = make_chat(1, 7, Language::english, TaskSplit::train);
  EXPECT_EQ(chat_line(a), chat_line(make_chat(1, 7, Language::english, TaskSplit::train)));
  std::set<std::string> all{chat_line(a)};
  for (uint64_t i = 0; i < 8; ++i) {
    all.insert(chat_line(make_chat(2, i, Language::english, TaskSplit::train)));
    all.insert(chat_line(make_chat(1, 8 + i, Language::english, TaskSplit::train)));
    all.insert(chat_line(make_chat(1, i, Language::chinese, TaskSplit::train)));
    all.insert(chat_line(make_chat(1, i, Language::english, TaskSplit::test)));
  }
  EXPECT_GT(all.size(), 25u);
}

// The sides share no question; but no test asks about what training has not told, nor in a way that it has not asked.
TEST(Chats, SplitsAreDisjointAndTestsAskKnownThings) {
  for (const Language language : kLanguages) {
    std::map<std::string, std::string> form_of[2];  // by question
    for (uint64_t seed = 0; seed < 40; ++seed)
      for (uint64_t i = 0; i < 500; ++i)
        for (const TaskSplit split : {TaskSplit::train, TaskSplit::test}) {
          const Chat c = make_chat(seed, i, language, split);
          const auto [found, is_new] = form_of[size_t(split)].insert({c.question, c.canonical});
          ASSERT_EQ(found->second, c.canonical) << c.question;  // a question has one form
        }
    const auto& [train, test] = form_of;
    for (const auto& [question, form] : test) ASSERT_FALSE(train.contains(question)) << question;
    EXPECT_GT(train.size(), 900u);
    EXPECT_GT(test.size(), 90u);
    RecordProperty(fmt::format("questions_{}", name_of(language)), int(train.size() + test.size()));
    // "chat en fact ITEM WAY"
    std::set<std::string> items, ways;
    const auto item_of = [](const std::string& form) { return form.substr(0, form.rfind(' ')); };
    const auto way_of = [](const std::string& form) {
      return form.substr(0, form.find(' ', 8)) + form.substr(form.rfind(' '));
    };
    for (const auto& [question, form] : train) items.insert(item_of(form)), ways.insert(way_of(form));
    for (const auto& [question, form] : test) {
      EXPECT_TRUE(items.contains(item_of(form))) << form;
      const bool own_ways = form.find(" self ") != form.npos || form.find(" small_talk ") != form.npos;
      EXPECT_TRUE(own_ways || ways.contains(way_of(form))) << form;
    }
  }
}

// As src/corpus/README.md has them.
TEST(Chats, QuestionsAreSoMany) {
  std::map<std::string, size_t> count[2];
  for (const corpus::ChatFamily& family : corpus::chat_families())
    for (const Language language : kLanguages)
      for (const corpus::ChatItem* item : family.items_in(language)) {
        const std::string_view asked = item->side[size_t(language)].asked;
        const size_t ways = family.forms[size_t(language)].questions.size();
        count[size_t(language)][std::string(family.name)] +=
            ways ? ways : size_t(std::count(asked.begin(), asked.end(), '|')) + 1;
      }
  const std::map<std::string, size_t> english{
      {"advice", 112}, {"capital", 102},  {"fact", 162},      {"list", 96},  {"opposite", 384},   {"riddle", 60},
      {"self", 53},    {"sentence", 120}, {"small_talk", 53}, {"story", 72}, {"translation", 336}},
      chinese{{"advice", 96}, {"capital", 102},  {"fact", 104},      {"list", 96},  {"opposite", 384},   {"riddle", 60},
              {"self", 52},   {"sentence", 100}, {"small_talk", 53}, {"story", 60}, {"translation", 528}};
  EXPECT_EQ(count[0], english);
  EXPECT_EQ(count[1], chinese);
}

// " the little cat sleeps ", of a template.
std::string plain_words(std::string_view text) {
  std::string out = " ";
  for (const char c : text) {
    const char small = c >= 'A' && c <= 'Z' ? char(c | 32) : c;
    if (small >= 'a' && small <= 'z') out += small;
    else if (out.back() != ' ') out += ' ';
  }
  return out + " ";
}

// Another item's answer is a wrong one: none of a family say the same, and no list or sentence fits another item.
TEST(Chats, AnswersOfAFamilyDiffer) {
  for (const corpus::ChatFamily& family : corpus::chat_families())
    for (const Language language : kLanguages) {
      std::set<std::string_view> asked, answers;
      std::set<std::string> things;
      for (const corpus::ChatItem* item : family.items_in(language)) {
        const corpus::ChatSide& side = item->side[size_t(language)];
        EXPECT_TRUE(asked.insert(side.asked).second) << side.asked;
        EXPECT_EQ(side.asked.find_first_of("{}$#@^"), side.asked.npos) << side.asked;  // it draws nothing
        EXPECT_TRUE(side.answer.empty() || answers.insert(side.answer).second) << side.answer;
        if (family.name == "list")
          for (size_t begin = 0; begin <= side.answer.size();) {
            const size_t end = std::min(side.answer.find('|', begin), side.answer.size());
            EXPECT_TRUE(things.emplace(side.answer.substr(begin, end - begin)).second) << side.answer;
            begin = end + 1;
          }
      }
      if (family.name != "sentence") continue;
      for (const corpus::ChatItem* item : family.items_in(language))
        for (const corpus::ChatItem* other : family.items_in(language)) {
          std::string_view word = other->side[size_t(language)].asked;
          if (word.find(' ') != word.npos) word.remove_prefix(word.find(' ') + 1);
          const std::string_view text = item->side[size_t(language)].answer;
          const bool has = language == Language::english
                               ? plain_words(text).find(fmt::format(" {} ", word)) != text.npos
                               : text.find(word) != text.npos;
          EXPECT_EQ(has, item == other) << word << ": " << text;
        }
    }
}

TEST(Chats, FaultsComeAsOftenAndAreThere) {
  for (const Language language : kLanguages)
    for (const TaskSplit split : {TaskSplit::train, TaskSplit::test}) {
      std::map<std::string, int> faults;
      for (uint64_t i = 0; i < 7000; ++i) {
        const ChatPair p = make_chat_pair(5, i, language, split);
        ++faults[p.fault];
        const std::string text = p.fault + ": " + p.chat.question + "\n" + p.chat.answer + "\n" + p.rejected;
        ASSERT_EQ(split_of(p.chat.canonical), split);
        ASSERT_NE(p.rejected, p.chat.answer) << text;
        ASSERT_FALSE(p.rejected.empty()) << text;
        ASSERT_TRUE(is_utf8(text)) << text;
        const size_t good = p.chat.answer.size(), bad = p.rejected.size();
        if (p.fault == "cut_off") {
          ASSERT_TRUE(p.chat.answer.starts_with(p.rejected)) << text;
          for (const char* mark : {".", "!", "?", "。", "！", "？", ",", "，"})
            ASSERT_FALSE(p.rejected.ends_with(mark)) << text;
        } else if (p.fault == "repeated") {
          ASSERT_TRUE(p.rejected.starts_with(p.chat.answer) || p.chat.answer.starts_with(p.rejected.substr(0, bad / 8)))
              << text;
        } else if (p.fault == "language" && p.chat.family != "translation") {
          ASSERT_EQ(has_han(p.rejected), language == Language::english) << text;
        } else if (p.fault == "shuffled") {
          std::string a = p.chat.answer, b = p.rejected;
          std::sort(a.begin(), a.end()), std::sort(b.begin(), b.end());
          ASSERT_EQ(a, b) << text;
        }
        const bool other_words = p.fault == "language" || p.fault == "off_topic" || p.fault == "cut_off" ||
                                 p.fault == "repeated" || p.chat.family == "translation";
        ASSERT_TRUE(other_words || has_han(p.rejected) == (language == Language::chinese)) << text;
        ASSERT_LT(bad, 6 * good + 200) << text;
      }
      EXPECT_EQ(faults.size(), std::size(EnumNames<ChatFault>::all));
      for (const auto& [fault, n] : faults) EXPECT_NEAR(n, 1000, 120) << fault;
    }
}

TEST(Chats, PairsArePureFunctionsOfTheirNumber) {
  const auto line = [](uint64_t seed, uint64_t i) {
    return pair_line(make_chat_pair(seed, i, Language::chinese, TaskSplit::train));
  };
  EXPECT_EQ(line(1, 3), line(1, 3));
  EXPECT_NE(line(1, 3), line(2, 3));
  EXPECT_NE(line(1, 3), line(1, 4));
}

TEST(Chats, ASourceNamesLanguagesAndCount) {
  EXPECT_EQ(parse_chat_source("builtin:chats", "sft").count, kUsualChats);
  EXPECT_EQ(parse_chat_source("builtin:chats", "sft").languages.size(), 2u);
  EXPECT_EQ(parse_chat_source("builtin:chats:zh", "sft").languages, std::vector<Language>{Language::chinese});
  const ChatSource s = parse_pair_source("builtin:pairs:zh,en*30", "rm");
  EXPECT_EQ(s.count, 30);
  EXPECT_EQ(s.languages, (std::vector<Language>{Language::chinese, Language::english}));
  EXPECT_EQ(parse_chat_source("builtin:chats*7", "sft").count, 7);
  EXPECT_TRUE(is_chat_source("builtin:chats:x"));
  EXPECT_FALSE(is_chat_source("builtin:chatsy"));
  EXPECT_FALSE(is_chat_source("builtin:chat"));
  EXPECT_FALSE(is_chat_source("chats"));
  EXPECT_FALSE(is_pair_source("builtin:chats"));
  for (const char* wrong :
       {"builtin:chats:", "builtin:chats:fr", "builtin:chats:en,", "builtin:chats:en,en", "builtin:chats*",
        "builtin:chats*0", "builtin:chats*-3", "builtin:chats* 3", "builtin:chats*3x", "builtin:chats*1e3",
        "builtin:chats*99999999999999999999", "builtin:chats*3:en", "builtin:chats:en*3*4", "builtin:chats:en:zh"}) {
    try {
      parse_chat_source(wrong, "sft: data.train");
      ADD_FAILURE() << wrong;
    } catch (const UserError& e) {
      EXPECT_TRUE(std::string(e.what()).starts_with(fmt::format("sft: data.train: \"{}\": ", wrong))) << e.what();
    }
  }
}

// As data/conversations.cpp and data/pairs.cpp go through a source.
std::vector<std::string> builtin_chats(std::string_view source, uint64_t seed) {
  const ChatSource parsed = parse_chat_source(source, "a test");
  std::vector<std::string> all;
  for (int64_t i = 0; i < parsed.count; ++i)
    all.push_back(chat_line(chat_of(seed, uint64_t(i), parsed.languages, TaskSplit::train)));
  return all;
}
std::vector<std::string> builtin_pairs(std::string_view source, uint64_t seed) {
  const ChatSource parsed = parse_pair_source(source, "a test");
  std::vector<std::string> all;
  for (int64_t i = 0; i < parsed.count; ++i)
    all.push_back(pair_line(pair_of(seed, uint64_t(i), parsed.languages, TaskSplit::train)));
  return all;
}

TEST(Chats, LinesOfASourceAreTheTrainingSplit) {
  const std::vector<std::string> chats = builtin_chats("builtin:chats*50", 4),
                                 pairs = builtin_pairs("builtin:pairs:en*50", 4);
  ASSERT_EQ(chats.size(), 50u);
  ASSERT_EQ(pairs.size(), 50u);
  EXPECT_EQ(chats, builtin_chats("builtin:chats:en,zh*50", 4));
  EXPECT_NE(chats, builtin_chats("builtin:chats*50", 5));
  EXPECT_EQ(chats[49], chat_line(make_chat(4, 49, Language::chinese, TaskSplit::train)));
  const Json chat = parse_json(chats[0], "chat"), pair = parse_json(pairs[0], "pair");
  EXPECT_EQ(chat["messages"][0]["role"], "user");
  EXPECT_EQ(chat["messages"][1]["role"], "assistant");
  EXPECT_EQ(chat["messages"][1]["content"], make_chat(4, 0, Language::english, TaskSplit::train).answer);
  EXPECT_EQ(chat["language"], "en");
  for (const char* key : {"prompt", "chosen", "rejected", "fault", "family", "language"})
    EXPECT_TRUE(pair[key].is_string()) << key;
  EXPECT_EQ(pair_of(4, 7, {Language::english}, TaskSplit::train).rejected, parse_json(pairs[7], "pair")["rejected"]);
}

TEST(Chats, ADocumentHoldsSomeInThePromptFormat) {
  int of_language[2] = {};
  for (uint64_t i = 0; i < 400; ++i) {
    const Document d = make_document(1, i, corpus_mix("chats", ""));
    ASSERT_EQ(d.kind, DocumentKind::chat);
    ++of_language[size_t(d.language)];
    ASSERT_EQ(has_han(d.text.substr(0, d.text.find('\n'))), d.language == Language::chinese) << d.text;
    ASSERT_GE(d.problems.size(), 3u);
    size_t at = 0;
    for (const std::string& form : d.problems) {
      ASSERT_EQ(split_of(form), TaskSplit::train);
      ASSERT_EQ(d.text.compare(at, 6, "User: "), 0) << d.text;
      at = d.text.find("\nAssistant: ", at);
      ASSERT_NE(at, d.text.npos) << d.text;
      at = std::min(d.text.find('\n', at + 1), d.text.size() - 1) + 1;
    }
    ASSERT_EQ(at, d.text.size()) << d.text;
  }
  EXPECT_NEAR(of_language[0], 200, 50);
  EXPECT_EQ(make_document(1, 0, corpus_mix("chat", "zh")).language, Language::chinese);
  // Beside other text, in its share; what is not asked for stays as it was (Corpus.TextStaysTheSame).
  const CorpusMix mix = corpus_mix("r1_zero,chat*0.1", "");
  EXPECT_DOUBLE_EQ(mix.weight[size_t(DocumentKind::chat)][0] + mix.weight[size_t(DocumentKind::chat)][1], 0.1);
  EXPECT_EQ(corpus_mix("", "").weight[size_t(DocumentKind::chat)][0], 0);
}

TEST(Chats, TasksForAJudge) {
  for (const TaskKind kind : {TaskKind::chat, TaskKind::chat_zh})
    for (uint64_t i = 0; i < 50; ++i) {
      const Task t = make_task(2, i, kind, 1, TaskSplit::test);
      EXPECT_EQ(t.grader, GraderKind::judge);
      EXPECT_EQ(has_han(t.question), kind == TaskKind::chat_zh);
      EXPECT_FALSE(t.answer.empty());
      EXPECT_EQ(split_of(t.canonical), TaskSplit::test);
    }
  for (const auto& [kind, name] : EnumNames<TaskKind>::all)
    EXPECT_EQ(make_task(1, 0, kind, task_levels(kind).first).grader, grader_of(kind)) << name;
}

}  // namespace
}  // namespace minke
