#include "serve/api_server.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "serve/answer_requests.h"
#include "serve/json_text.h"
#include "serve/metrics.h"
#include "serve/page_routes.h"
#include "serve/training_routes.h"
#include "serve/worker.h"

namespace minke {
namespace {

constexpr const char* kJson = "application/json; charset=utf-8";
constexpr size_t kLongestTokenized = 1 << 20;  // each byte may become a token, which costs a hundred times as much

// What stands in a path for other signs: %2F.
std::string without_percents(std::string_view path) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    unsigned byte = 0;
    const char* const digits = path.data() + i + 1;
    if (path[i] != '%' || path.size() - i < 3 || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) {
      out += path[i];
      continue;
    }
    out += char(byte);
    i += 2;
  }
  return out;
}
bool is_loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }
bool has_beginning(std::string_view text, std::string_view lower) {  // whatever its case
  return text.size() >= lower.size() && std::equal(lower.begin(), lower.end(), text.begin(), [](char l, char c) {
           return l == (c >= 'A' && c <= 'Z' ? char(c + 32) : c);
         });
}
bool is_localhost(std::string_view host) {
  return has_beginning(host, "localhost") && (host.size() == 9 || host == "localhost.");
}
// Clients are given addresses with and without /v1, and with a slash at the end.
std::string as_documented(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  for (const std::string_view known : {"/chat/completions", "/completions", "/models"})
    if (path == known) return fmt::format("/v1{}", known);
  return path;
}
// As long for every wrong key.
bool is_same_key(std::string_view given, std::string_view key) {
  unsigned difference = unsigned(given.size() ^ key.size());
  for (size_t i = 0; i < given.size(); ++i) difference |= unsigned(uint8_t(given[i]) ^ uint8_t(key[i % key.size()]));
  return difference == 0;
}

}  // namespace

struct ApiServer::State {
  State(const ModelSource& s, ApiSettings a, HttpSettings h)
      : source(s),
        settings(std::move(a)),
        requests(source, settings.model),
        training(settings.runs),
        address(h.address),
        http(with_handlers(std::move(h))) {
    http.every(settings.ping, [this] { ping(); });
    thread = std::thread([this] {
      http.run();
      has_ended = true;
      if (Scheduler* s = scheduler) s->stop();
    });
  }
  ~State() {
    http.stop();
    if (thread.joinable()) thread.join();
  }

  // --- what is asked
  HttpSettings with_handlers(HttpSettings h) {
    h.error = [](int status, const std::string& why) {
      return std::pair{std::string(kJson), json_text(to_json(ApiError(status, why)))};
    };
    h.error_headers = cors();
    h.handler = [this](HttpRequest request, HttpReply reply) { handle(std::move(request), reply); };
    return h;
  }
  // What browsers are told: no text that a model or a client wrote is anything but what its type says.
  HttpHeaders cors() const {
    HttpHeaders headers{{"X-Content-Type-Options", "nosniff"}};
    if (settings.cors_origin.empty()) return headers;
    headers.emplace_back("Access-Control-Allow-Origin", settings.cors_origin);
    headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    return headers;
  }
  // A browser asks before it sends headers of the client's own, as OpenAI's do (x-stainless-…).
  void preflight(const HttpRequest& r, const HttpReply& reply) {
    HttpHeaders headers = cors();
    if (!settings.cors_origin.empty()) {
      const std::string_view asked = r.header("access-control-request-headers");
      headers.emplace_back("Access-Control-Allow-Headers", asked.empty() ? "Authorization, Content-Type" : asked);
      headers.emplace_back("Access-Control-Max-Age", "600");
      headers.emplace_back("Vary", "Access-Control-Request-Headers");
    }
    reply.send(204, "text/plain", "", std::move(headers));
  }
  void refuse(const HttpReply& reply, const ApiError& e) {
    HttpHeaders headers = cors();
    if (e.status == 429 || e.status == 503) headers.emplace_back("Retry-After", "2");
    if (e.status == 401) headers.emplace_back("WWW-Authenticate", "Bearer");
    ++metrics.requests["refused"];
    reply.send(e.status, kJson, json_text(to_json(e)), std::move(headers));
  }
  void answer(const HttpReply& reply, const Json& json) { reply.send(200, kJson, json_text(json), cors()); }

  void handle(HttpRequest request, const HttpReply& reply) {
    try {
      route(std::move(request), reply);
    } catch (const ApiError& e) {
      refuse(reply, e);
    } catch (const UserError& e) {
      refuse(reply, ApiError(400, e.what()));
    }
  }
  // The one that the client has; "" if none is asked for.
  std::string_view check_key(const HttpRequest& r) const {
    if (settings.keys.empty()) return "";
    std::string_view given = r.header("authorization");
    if (has_beginning(given, "bearer ")) given.remove_prefix(7);
    const std::string* known = nullptr;
    for (const std::string& key : settings.keys)
      if (is_same_key(given, key)) known = &key;
    if (!known)
      throw ApiError(401, "this server asks for an API key: send the header \"Authorization: Bearer KEY\"", "",
                     "invalid_api_key");
    return *known;
  }
  // A page of another origin could not read its answer, but a browser would let it ask.
  void check_origin(const HttpRequest& r) const {
    const std::string_view origin = r.header("origin"), host = r.header("host");
    if (origin.empty() || settings.cors_origin == "*" || origin == settings.cors_origin) return;
    if (const size_t scheme = origin.find("://"); scheme != origin.npos && origin.substr(scheme + 3) == host) return;
    throw ApiError(
        403, fmt::format("pages of {} may not ask here; the server's option --cors lets them", printable(origin)));
  }
  // A page whose name is made to lead to this machine is of the same origin as the server, to the browser; the name it asks is not ours.
  void check_host(const HttpRequest& r) const {
    if (!settings.keys.empty() || !is_loopback(address)) return;
    std::string_view host = r.header("host");
    if (const size_t port = host.rfind(':');
        port != host.npos && host.find(']', port) == host.npos && (host.starts_with('[') || host.find(':') == port))
      host = host.substr(0, port);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.empty() || host == "127.0.0.1" || host == "::1" || host == address || is_localhost(host)) return;
    throw ApiError(403, fmt::format("this server is asked as 127.0.0.1 or localhost, not as {}", printable(host)));
  }
  void route(HttpRequest r, const HttpReply& reply) {
    check_host(r);
    if (answer_page(r, reply)) return;
    if (r.method == "OPTIONS") return preflight(r, reply);
    using Handler = void (State::*)(const HttpRequest&, const HttpReply&);
    struct Route {
      const char *method, *path;
      Handler handler;
    };
    static constexpr Route kRoutes[] = {{"GET", "/health", &State::health},
                                        {"GET", "/v1/models", &State::models},
                                        {"GET", "/metrics", &State::say_metrics},
                                        {"GET", "/props", &State::props},
                                        {"POST", "/v1/chat/completions", &State::chat},
                                        {"POST", "/v1/completions", &State::completions},
                                        {"POST", "/tokenize", &State::tokenize},
                                        {"POST", "/detokenize", &State::detokenize},
                                        {"POST", "/apply-template", &State::apply_template}};
    check_origin(r);
    if (r.path != "/health") check_key(r);
    const std::string method = r.method == "HEAD" ? "GET" : r.method;
    const std::string path = as_documented(r.path);
    const char* known = nullptr;
    for (const Route& to : kRoutes) {
      if (path != to.path) continue;
      known = to.method;
      if (method == to.method) return (this->*to.handler)(r, reply);
    }
    if (method == "GET" && path.starts_with("/v1/models/")) return one_model(r, reply);
    if (training.answer(r, reply, cors())) return;
    if (known) throw ApiError(405, fmt::format("{} is asked with {}, not with {}", path, known, printable(r.method)));
    throw ApiError(404, fmt::format("there is nothing at {}", printable(r.path)));
  }

  // --- what is answered at once
  void health(const HttpRequest&, const HttpReply& reply) {
    if (!scheduler) {
      HttpHeaders headers = cors();
      headers.emplace_back("Retry-After", "2");
      return reply.send(503, kJson, R"({"status":"loading model"})", std::move(headers));
    }
    answer(reply, {{"status", "ok"}});
  }
  Json model() const {
    return {{"id", settings.model.name},
            {"object", "model"},
            {"created", begun_at},
            {"owned_by", "minke"},
            {"max_model_len", settings.model.context}};
  }
  void models(const HttpRequest&, const HttpReply& reply) {
    answer(reply, {{"object", "list"}, {"data", Json::array({model()})}});
  }
  void one_model(const HttpRequest& r, const HttpReply& reply) {
    const std::string name = without_percents(std::string_view(r.path).substr(std::string_view("/v1/models/").size()));
    if (name != settings.model.name) throw requests.no_such_model(name);
    answer(reply, model());
  }
  void say_metrics(const HttpRequest&, const HttpReply& reply) {
    reply.send(200, "text/plain; version=0.0.4",
               metrics.text(scheduler ? scheduler.load()->counts() : SchedulerCounts{}, http.connections(),
                            seconds_since(begun), settings.cost_per_hour),
               cors());
  }
  void props(const HttpRequest&, const HttpReply& reply) {
    const SamplingSettings& s = settings.model.sampling;
    answer(reply,
           {{"model", settings.model.name},
            {"n_ctx", settings.model.context},
            {"vocab_size", source.tokenizer.vocab_size()},
            {"chat_template", source.chat_template ? Json(source.chat_template->sources().front().second) : Json()},
            {"default_generation_settings",
             {{"temperature", s.temperature},
              {"top_p", s.top_p},
              {"top_k", s.top_k},
              {"min_p", s.min_p},
              {"repetition_penalty", s.repetition_penalty}}}});
  }

  // --- what is answered by the worker, since a text may be long
  void tokenize(const HttpRequest& r, const HttpReply& reply) {
    work(
        r, reply, [this](const Json& body) { return tokens_of(body); },
        [this, reply](const Json& json) { answer(reply, json); });
  }
  void detokenize(const HttpRequest& r, const HttpReply& reply) {
    work(
        r, reply, [this](const Json& body) { return text_of(body); },
        [this, reply](const Json& json) { answer(reply, json); });
  }
  void apply_template(const HttpRequest& r, const HttpReply& reply) {
    work(
        r, reply, [this](const Json& body) { return prompt_of(body); },
        [this, reply](const Json& json) { answer(reply, json); });
  }
  Json tokens_of(const Json& body) const {
    if (!body.contains("content") || !body["content"].is_string()) bad_request("content", "content is to be the text");
    if (const size_t size = body["content"].get_ref<const std::string&>().size(); size > kLongestTokenized)
      bad_request("content", "content has {} bytes; at most {} are cut into tokens at once", size, kLongestTokenized);
    const bool special = read_flag(body, "add_special", false), parse = read_flag(body, "parse_special", true);
    const auto ids =
        source.tokenizer.encode(body["content"].get<std::string>(),
                                {.parse_special = parse, .add_bos = special && source.tokenizer.begins_with_bos()});
    Json tokens = Json::array();
    const bool pieces = read_flag(body, "with_pieces", false);
    for (const int32_t id : ids)
      tokens.push_back(pieces ? Json{{"id", id}, {"piece", std::string(source.tokenizer.token_bytes(id))}} : Json(id));
    return {{"tokens", tokens}, {"count", ids.size()}};
  }
  Json text_of(const Json& body) const {
    if (!body.contains("tokens") || !body["tokens"].is_array())
      bad_request("tokens", "tokens is to be a list of token ids");
    std::vector<int32_t> ids;
    for (const Json& id : body["tokens"]) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= source.tokenizer.vocab_size())
        bad_request("tokens", "tokens: {} is no id of this model, which has 0 to {}", printable(id.dump()),
                    source.tokenizer.vocab_size() - 1);
      ids.push_back(id.get<int32_t>());
    }
    return {{"content", source.tokenizer.decode(ids)}};
  }
  Json prompt_of(const Json& body) const { return {{"prompt", requests.prompt_of(read_prompt_request(body))}}; }

  // --- answers of the model
  void chat(const HttpRequest& r, const HttpReply& reply) {
    check_loaded();
    prepare(r, reply, [this](const Json& body) { return requests.chat(body); });
  }
  void completions(const HttpRequest& r, const HttpReply& reply) {
    check_loaded();
    prepare(r, reply, [this](const Json& body) { return requests.completion(body); });
  }
  void check_loaded() const {
    if (!scheduler) throw ApiError(503, "the model is being loaded", "", "loading_model");
    if (stopping) throw ApiError(503, "the server is about to end");
  }
  // Who takes turns with whom: clients by their keys, or else by where they are.
  std::string client_of(const HttpRequest& r) const {
    return std::string(settings.keys.empty() ? std::string_view(r.from) : check_key(r));
  }
  template <class F> void prepare(const HttpRequest& r, const HttpReply& reply, F f) {
    const std::string client = client_of(r);
    work(r, reply, std::move(f), [this, reply, client, came = Clock::now()](AnswerRequests::Prepared& p) {
      begin(std::move(p), reply, client, came);
    });
  }
  // A body that waits for the worker; who takes it first, the worker or the client's going, is the one that uses it.
  struct Waiting {
    std::string body;
    std::atomic<bool> taken{false};
  };
  // f(body) on the worker's thread, then then(what it gave) back on the loop's.
  template <class F, class Then> void work(const HttpRequest& r, const HttpReply& reply, F f, Then then) {
    const auto waiting = std::make_shared<Waiting>();
    waiting->body = r.body;
    reply.on_gone([this, waiting] {
      if (waiting->taken.exchange(true)) return;
      ++metrics.requests["gone"];
      waiting->body = {};
    });
    worker.add(client_of(r), [this, waiting, reply, f = std::move(f), then = std::move(then)] {
      if (waiting->taken.exchange(true)) return;
      const auto result = std::make_shared<decltype(f(Json()))>();
      // Of one owner: copies of an exception share their text across threads in a way that ThreadSanitizer cannot see.
      const auto mistake = std::make_shared<std::optional<ApiError>>();
      try {
        const Json body = parse_json(waiting->body, "the body of the request");
        if (!body.is_object()) throw ApiError(400, "the body of the request is to be a JSON object");
        *result = f(body);
      } catch (const ApiError& e) {
        *mistake = e;
      } catch (const UserError& e) {
        mistake->emplace(400, e.what());
      } catch (const std::exception& e) {
        mistake->emplace(500, e.what());
      }
      http.post([this, result, mistake, reply, then] {
        if (*mistake) refuse(reply, **mistake);
        else then(*result);
      });
    });
  }

  // --- answers under way; on the loop's thread
  struct Running {
    std::unique_ptr<Exchange> exchange;
    HttpReply reply;
    std::vector<uint64_t> jobs;                                      // of its answers
    Clock::time_point begun, written = Clock::now();                 // begun: when the request came
    std::vector<Clock::time_point> last;                             // token of each answer
    bool has_begun = false, has_answer = false, is_counted = false;  // its header; anything of the answer
  };
  using Handle = std::shared_ptr<Running>;

  void begin(AnswerRequests::Prepared p, const HttpReply& reply, const std::string& client, Clock::time_point came) {
    Scheduler* const to = scheduler;
    if (!to || stopping) return refuse(reply, ApiError(503, "the server is about to end"));
    // For ever, so that "try again later" would not be true.
    if (const size_t room = std::max<size_t>(queue, 1); p.requests.size() > room)
      return refuse(reply,
                    ApiError(400,
                             fmt::format("the request is for {} answers, but the queue of this server has room for {}",
                                         p.requests.size(), room),
                             "n"));
    const auto running =
        std::make_shared<Running>(Running{.exchange = std::move(p.exchange), .reply = reply, .begun = came});
    running->last.resize(p.requests.size());
    for (size_t i = 0; i < p.requests.size(); ++i) {
      const auto job = to->submit(std::move(p.requests[i]), client);
      if (!job) {
        drop(running);
        return refuse(reply, ApiError(429, "too many requests wait for their turn: try again later", "", "queue_full"));
      }
      running->jobs.push_back(*job);
      by_job[*job] = {running, i};
    }
    reply.on_gone([this, weak = std::weak_ptr(running)] {
      const Handle gone = weak.lock();
      if (!gone || gone->exchange->is_over()) return;
      ++metrics.requests["gone"];
      drop(gone);
    });
  }
  // Nothing of it is wanted any more.
  void drop(const Handle& r) {
    count_usage(*r);
    for (const uint64_t job : r->jobs)
      if (Scheduler* s = scheduler; by_job.erase(job) > 0 && s) s->cancel(job);
  }
  void send(Running& r, std::string text) {
    if (text.empty()) return;
    if (!r.has_begun) {
      HttpHeaders headers = cors();
      headers.emplace_back("Cache-Control", "no-cache");
      r.reply.begin(200, "text/event-stream; charset=utf-8", std::move(headers));
      r.has_begun = true;
    }
    r.reply.write(std::move(text));
    r.written = Clock::now();
  }
  void take(const std::vector<TokenEvent>& events) {
    for (const TokenEvent& e : events) {
      const auto found = by_job.find(e.job);
      if (found == by_job.end()) continue;  // it was cancelled, and this was on its way
      const auto [r, answer] = found->second;
      if (e.end == TokenEvent::End::failed) {
        fail(r, ApiError(e.why.starts_with("the prompt") || e.why.starts_with("a prompt") ? 400 : 500, e.why));
        continue;
      }
      if (e.end != TokenEvent::End::none) {
        fail(r, e.end == TokenEvent::End::too_late
                    ? ApiError(504, "the request took longer than the server lets one take", "", "timeout")
                    : ApiError(503, "the server has ended this request"));
        continue;
      }
      count_token(*r, answer, e);
      begin_answer(*r);
      std::string text = r->exchange->token(answer, *e.token);
      if (r->exchange->is_over(answer)) {
        by_job.erase(e.job);
        if (e.token->ending == Ending::none) scheduler.load()->cancel(e.job);  // by a stop text
        ++metrics.requests[r->exchange->finish_reason(answer)];
      }
      if (r->exchange->streams()) send(*r, std::move(text));
      if (r->exchange->is_over()) finish(*r);
    }
  }
  // What comes before all else of a stream, though a comment may have come before that.
  void begin_answer(Running& r) {
    if (r.exchange->streams() && !std::exchange(r.has_answer, true)) send(r, r.exchange->begin());
  }
  void count_token(Running& r, size_t answer, const TokenEvent& e) {
    const auto now = Clock::now();
    if (r.last[answer] == Clock::time_point{}) {
      metrics.first_token.add(seconds_since(r.begun));
      metrics.queued.add(e.queued_s);
    } else {
      metrics.between_tokens.add(std::chrono::duration<double>(now - r.last[answer]).count());
    }
    r.last[answer] = now;
  }
  // Once, however it ends: what was computed for clients that go was computed, too.
  void count_usage(Running& r) {
    if (std::exchange(r.is_counted, true)) return;
    const Exchange::Usage u = r.exchange->usage();
    metrics.answer_tokens += uint64_t(u.completion), metrics.thought_tokens += uint64_t(u.reasoning);
    if (u.completion == 0) return;
    metrics.prompt_tokens += uint64_t(u.prompt), metrics.cached_tokens += uint64_t(u.cached);
  }
  void finish(Running& r) {
    count_usage(r);
    if (r.exchange->streams()) {
      send(r, r.exchange->end());
      r.reply.end();
    } else {
      r.reply.send(200, kJson, r.exchange->end(), cors());
    }
  }
  // A stream that has begun cannot have another status: the mistake is its last event.
  void fail(const Handle& r, const ApiError& e) {
    drop(r);
    if (!r->has_begun) return refuse(r->reply, e);
    ++metrics.requests["failed"];
    r->reply.write("data: " + json_text(to_json(e)) + "\n\n");
    r->reply.end();
  }
  void ping() {
    const auto before = Clock::now() - settings.ping / 2;
    std::vector<Running*> seen;
    for (const auto& [job, of] : by_job) {
      Running& r = *of.first;
      if (!r.exchange->streams() || r.written > before || std::find(seen.begin(), seen.end(), &r) != seen.end())
        continue;
      seen.push_back(&r);
      send(r, ": ping\n\n");
    }
  }

  const ModelSource& source;
  const ApiSettings settings;
  const Clock::time_point begun = Clock::now();
  const int64_t begun_at = unix_time();
  ServerMetrics metrics;
  std::unordered_map<uint64_t, std::pair<Handle, size_t>> by_job;
  AnswerRequests requests;  // of the worker, but for prompt_of
  TrainingRoutes training;
  std::atomic<Scheduler*> scheduler{nullptr};
  std::atomic<size_t> queue{0};  // of it
  const std::string address;     // that is listened on
  std::atomic<bool> stopping{false}, has_ended{false};
  HttpServer http;
  Worker worker;
  std::thread thread;
};

ApiServer::ApiServer(const ModelSource& source, ApiSettings settings, HttpSettings http)
    : state_(std::make_unique<State>(source, std::move(settings), std::move(http))) {}
ApiServer::~ApiServer() = default;

uint16_t ApiServer::port() const { return state_->http.port(); }

void ApiServer::run(TokenEngine& engine, const SchedulerSettings& settings) {
  State& s = *state_;
  Scheduler scheduler(engine, settings, [&s](std::vector<TokenEvent> events) {
    s.http.post([&s, events = std::move(events)] { s.take(events); });
  });
  s.queue = settings.queue;
  s.scheduler = &scheduler;
  if (s.has_ended) scheduler.stop();
  try {
    scheduler.run();
  } catch (...) {  // the loop may not ask a scheduler that has gone
    s.http.stop();
    s.thread.join();
    s.scheduler = nullptr;
    throw;
  }
  s.thread.join();
  s.scheduler = nullptr;
}

void ApiServer::stop(std::chrono::milliseconds grace) {
  State& s = *state_;
  s.stopping = true;
  s.http.stop(grace);
}

}  // namespace minke
