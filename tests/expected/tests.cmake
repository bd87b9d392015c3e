# One executable with every layer's *_checks.cpp; add the layer to target_link_libraries when it registers checks.
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cpp)
add_executable(test_expected ${sources})
target_link_libraries(test_expected PRIVATE minke_test_support minke::spec minke::recipe minke::train minke::run nlohmann_json::nlohmann_json GTest::gtest_main)
minke_pch(test_expected minke_test_support)
gtest_discover_tests(test_expected TEST_PREFIX expected. DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit)
