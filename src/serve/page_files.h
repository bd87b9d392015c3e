// The files of the page, as they stand in the program: those of src/serve/page, and the libraries marked.js, katex.js and highlight.js.
// src/serve/layer.cmake makes the list. Test: tests/serve/page_routes_test.cpp.
#pragma once
#include <span>
#include <string_view>

namespace minke {

struct PageFile {
  std::string_view name;  // "index.html"; no folders
  std::string_view type;  // "text/html; charset=utf-8"
  std::string_view bytes;
};

std::span<const PageFile> page_files();

}  // namespace minke
