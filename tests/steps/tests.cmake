# Runs the program on the recipes beside this file (tools/step_goldens made what is expected).
add_executable(test_steps ${CMAKE_CURRENT_LIST_DIR}/steps_test.cpp)
target_link_libraries(test_steps PRIVATE minke_test_support minke::spec minke::formats nlohmann_json::nlohmann_json GTest::gtest_main)
target_compile_definitions(test_steps PRIVATE MINKE_PROGRAM="$<TARGET_FILE:minke>")
add_dependencies(test_steps minke)
gtest_discover_tests(test_steps TEST_PREFIX steps. DISCOVERY_MODE PRE_TEST PROPERTIES LABELS golden TIMEOUT ${minke_timeout})
