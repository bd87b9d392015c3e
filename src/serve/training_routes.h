// GET /training and /training/N: the runs of TrainingRuns, read on a thread of their own. Test: tests/serve/page_routes_test.cpp.
#pragma once
#include "serve/http_server.h"
#include "serve/training_runs.h"
#include "serve/worker.h"

namespace minke {

class TrainingRoutes {
 public:
  explicit TrainingRoutes(std::vector<std::filesystem::path> folders) : runs_(std::move(folders)) {}
  // Whether it is such a request; then it is answered. ApiError 404 and 405.
  bool answer(const HttpRequest& request, const HttpReply& reply, const HttpHeaders& headers);

 private:
  TrainingRuns runs_;  // of the worker
  Worker worker_;
};

}  // namespace minke
