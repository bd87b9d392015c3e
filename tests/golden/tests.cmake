add_executable(test_golden ${CMAKE_CURRENT_SOURCE_DIR}/golden/golden_test.cpp)
target_link_libraries(test_golden PRIVATE minke_test_support minke::model GTest::gtest_main)
gtest_discover_tests(test_golden TEST_PREFIX golden. DISCOVERY_MODE PRE_TEST PROPERTIES LABELS golden)
