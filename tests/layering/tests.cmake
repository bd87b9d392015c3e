# The arrows of CMakeLists.txt, as the layers declared them, for the include scan: one "layer: dependencies" a line.
get_property(layers GLOBAL PROPERTY MINKE_LAYERS)
list(JOIN layers "\n" lines)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/layers.txt CONTENT "${lines}\n")

add_executable(test_layering ${CMAKE_CURRENT_LIST_DIR}/include_scan.cpp ${CMAKE_CURRENT_LIST_DIR}/layering_test.cpp)
target_include_directories(test_layering PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(test_layering PRIVATE fmt::fmt GTest::gtest_main)
target_compile_definitions(test_layering PRIVATE MINKE_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
  MINKE_LAYERS_FILE="${PROJECT_BINARY_DIR}/layers.txt")
gtest_discover_tests(test_layering TEST_PREFIX layering. DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit)
