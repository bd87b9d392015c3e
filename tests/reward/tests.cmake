find_package(ZLIB REQUIRED)  # HumanEval's file
target_link_libraries(test_reward PRIVATE ZLIB::ZLIB)
