// The routes, and what happens between a request and its answer. HTTP and all text are one thread's, prompts are written and cut into
// tokens by another, the engine has a third: none waits for another. Test: tests/serve/api_server_test.cpp, tests/app/serve_test.sh.
#pragma once
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "serve/answer_requests.h"
#include "serve/http_server.h"
#include "serve/scheduler.h"

namespace minke {

struct ApiSettings {
  ServedModel model;
  std::vector<std::string> keys;            // of clients; empty: all may ask
  std::string cors_origin;                  // whose pages may ask; empty: none
  std::vector<std::filesystem::path> runs;  // of training, to be shown; no other folder is read
  double cost_per_hour = 0;                 // of the machine, in dollars
  std::chrono::milliseconds ping{15'000};   // a comment to a stream in which nothing comes
};

class ApiServer {
 public:
  // Listens from now on, and says that the model is being loaded until run(). source outlives it.
  ApiServer(const ModelSource& source, ApiSettings settings, HttpSettings http);
  ~ApiServer();

  uint16_t port() const;
  // Answers until stop(); this thread is the engine's.
  void run(TokenEngine& engine, const SchedulerSettings& settings);
  // From any thread: no new requests; answers that are under way may end, for so long.
  void stop(std::chrono::milliseconds grace);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace minke
