# Tools for developers, tried on samples of their own.
add_test(NAME tools.mutate COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/mutate_test.sh ${PROJECT_SOURCE_DIR})
set_tests_properties(tools.mutate PROPERTIES LABELS docs TIMEOUT ${minke_timeout})
