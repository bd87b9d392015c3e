# Layers with one-way arrows. minke_layer(model DEPENDS core spec) makes the static library minke::model from
# src/model/ and stops the configure if a named layer does not exist yet: listed in order, a cycle cannot be written.
# What a layer needs beyond that (system libraries, per-file flags) stands in src/<layer>/layer.cmake.

set_property(GLOBAL PROPERTY MINKE_LAYERS "")

# With MINKE_PCH: the first target compiles the headers, those after it use what it has.
function(minke_pch target first)
  if(NOT MINKE_PCH)
    return()
  endif()
  if(target STREQUAL first)
    target_precompile_headers(${target} PRIVATE <algorithm> <filesystem> <functional> <map> <memory> <optional> <set> <span>
      <sstream> <string> <thread> <unordered_map> <vector> <fmt/format.h> <nlohmann/json.hpp> ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM ${first})
  endif()
endfunction()

function(minke_layer name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  file(GLOB isa_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/cpu/isa/*.cpp)
  if(isa_sources)
    list(REMOVE_ITEM sources ${isa_sources})  # compiled once per instruction set by layer.cmake
  endif()
  add_library(minke_${name} STATIC ${sources} ${PROJECT_SOURCE_DIR}/cmake/empty.cpp)
  add_library(minke::${name} ALIAS minke_${name})
  target_include_directories(minke_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  foreach(dependency ${ARG_DEPENDS})
    if(NOT TARGET minke::${dependency})
      message(FATAL_ERROR "layer ${name} depends on ${dependency}, which is not declared before it")
    endif()
    target_link_libraries(minke_${name} PUBLIC minke::${dependency})
  endforeach()
  target_link_libraries(minke_${name} PUBLIC fmt::fmt Threads::Threads)
  target_link_libraries(minke_${name} PRIVATE nlohmann_json::nlohmann_json)
  minke_pch(minke_${name} minke_core)
  if(EXISTS ${PROJECT_SOURCE_DIR}/src/${name}/layer.cmake)
    include(${PROJECT_SOURCE_DIR}/src/${name}/layer.cmake)
  endif()
  list(JOIN ARG_DEPENDS " " depends)
  set_property(GLOBAL APPEND PROPERTY MINKE_LAYERS "${name}: ${depends}")  # tests/layering holds the sources to these
endfunction()

function(minke_program name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/app/*.cpp)
  add_executable(${name} ${sources})
  foreach(dependency ${ARG_DEPENDS})
    target_link_libraries(${name} PRIVATE minke::${dependency})
  endforeach()
  target_link_libraries(${name} PRIVATE fmt::fmt nlohmann_json::nlohmann_json)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)  # the lines of chat
  target_link_libraries(${name} PRIVATE PkgConfig::libedit)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()
