# Makes the GGUF files that the scripts read.
add_executable(gguf_of ${CMAKE_CURRENT_SOURCE_DIR}/app/gguf_of.cpp)
target_link_libraries(gguf_of PRIVATE minke_test_support)

# The program as a user runs it: each script gets the program, the source, gguf_of, and an empty folder.
file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/app/*_test.sh)
foreach(script ${scripts})
  get_filename_component(name ${script} NAME_WE)
  add_test(NAME app.${name} COMMAND bash ${script} $<TARGET_FILE:minke> ${PROJECT_SOURCE_DIR}
    $<TARGET_FILE:gguf_of>)
  set_tests_properties(app.${name} PROPERTIES LABELS app TIMEOUT ${minke_timeout} SKIP_RETURN_CODE 77
    ENVIRONMENT MINKE_SANITIZED=${MINKE_SANITIZE})
endforeach()

# By value: in C++, beside the model.
add_executable(test_score ${CMAKE_CURRENT_SOURCE_DIR}/app/score_test.cpp)
target_link_libraries(test_score PRIVATE minke_test_support minke::model GTest::gtest_main)
target_compile_definitions(test_score PRIVATE MINKE_PROGRAM="$<TARGET_FILE:minke>")
add_dependencies(test_score minke)
gtest_discover_tests(test_score TEST_PREFIX app. DISCOVERY_MODE PRE_TEST PROPERTIES LABELS app)
