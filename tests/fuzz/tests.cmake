# Fuzz targets: each tests/fuzz/<name>_fuzz.cpp defines LLVMFuzzerTestOneInput. With clang and MINKE_FUZZ=ON it becomes a
# libFuzzer program; otherwise it is linked with driver.cpp. CTest (label fuzz) runs a bounded number of mutations of
# the seeds in tests/fuzz/seeds/<name>/; CI does so under AddressSanitizer and UBSan. Longer:
#   cmake --preset fuzz && cmake --build --preset fuzz --target fuzz_<name>
#   mkdir found; build/fuzz/tests/fuzz_<name> -runs=1000000 found tests/fuzz/seeds/<name>
option(MINKE_FUZZ "Link the fuzz targets with libFuzzer (clang only)" OFF)
set(MINKE_FUZZ_RUNS 20000 CACHE STRING "Mutations per fuzz target in the tests")
if(MINKE_FUZZ AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "MINKE_FUZZ needs clang (CXX=clang++-14); with g++ the targets run under tests/fuzz/driver.cpp")
endif()

add_library(minke_fuzz_driver OBJECT ${CMAKE_CURRENT_LIST_DIR}/driver.cpp)
target_link_libraries(minke_fuzz_driver PRIVATE minke::core)

function(minke_fuzz name source)
  add_executable(fuzz_${name} ${source})
  target_link_libraries(fuzz_${name} PRIVATE minke::recipe minke::data minke::reward minke::tokenize minke::formats minke::spec minke::report minke::core
    nlohmann_json::nlohmann_json)
  if(name MATCHES "^(http|serve_request)$")  # the server, and what stands in for a model there
    target_link_libraries(fuzz_${name} PRIVATE minke::serve minke_test_support)
  endif()
  minke_pch(fuzz_${name} minke_core)
  target_include_directories(fuzz_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(fuzz_${name} PRIVATE MINKE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(MINKE_FUZZ)
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_link_libraries(fuzz_${name} PRIVATE minke_fuzz_driver)
  endif()
endfunction()

file(GLOB targets CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*_fuzz.cpp)
foreach(source ${targets})
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${name})
  minke_fuzz(${name} ${source})
  set(seeds "")
  if(IS_DIRECTORY ${CMAKE_CURRENT_LIST_DIR}/seeds/${name})
    set(seeds ${CMAKE_CURRENT_LIST_DIR}/seeds/${name})
  endif()
  # libFuzzer adds what it finds to the first folder, so that one is in the build.
  set(found ${PROJECT_BINARY_DIR}/fuzz/${name})
  file(MAKE_DIRECTORY ${found})
  add_test(NAME fuzz.${name} WORKING_DIRECTORY ${found}
    COMMAND fuzz_${name} -runs=${MINKE_FUZZ_RUNS} -seed=1 -max_total_time=30 ${found} ${seeds})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 300)
endforeach()

# The driver's own test: it must find the planted fault, save the input, and repeat the failure from the saved file.
minke_fuzz(planted_fault ${CMAKE_CURRENT_LIST_DIR}/planted_fault.cpp)
add_test(NAME fuzz.planted_fault COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/planted_fault.sh $<TARGET_FILE:fuzz_planted_fault>)
set_tests_properties(fuzz.planted_fault PROPERTIES LABELS fuzz TIMEOUT 120)
