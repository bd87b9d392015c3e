// The page of a pipeline: its stages with their states, times and results, and links to the reports of its runs. Everything in it comes
// from stages.json. Test: tests/report/stages_file_test.cpp, tests/app/pipeline_test.sh.
#pragma once
#include <filesystem>
#include <span>
#include <string>

#include "report/stages_file.h"

namespace minke {

bool is_pipeline(const std::filesystem::path& folder);
std::string pipeline_html(std::span<const StageRecord> stages, const std::string& name,
                          const std::filesystem::path& folder);
// Writes report.html into the folder.
void write_pipeline_page(const std::filesystem::path& folder);

}  // namespace minke
